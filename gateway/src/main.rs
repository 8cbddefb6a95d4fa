//! The bin `evercal-gateway`: the gateway alone, configured by the environment.

use evercal_settings::{Lookup, log_as_json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    log_as_json(&Lookup::new(&environment))?;
    evercal_gateway::run(&environment).await
}

#[expect(clippy::disallowed_methods, reason = "binaries read the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
