//! The bin `evercal-worker`: the worker alone, configured by the environment.

use evercal_settings::{Lookup, log_as_json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    log_as_json(&Lookup::new(&environment))?;
    evercal_worker::run(&environment).await
}

#[expect(clippy::disallowed_methods, reason = "binaries read the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
