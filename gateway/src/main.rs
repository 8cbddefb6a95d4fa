//! The bin `evercal-gateway`: the gateway alone, configured by the environment and the file that it names.

use std::process::ExitCode;

use evercal_process::keep_files_private;
use evercal_settings::{Lookup, Sources, end, log_as_json};

#[tokio::main]
async fn main() -> ExitCode {
    keep_files_private();
    end(run().await)
}

async fn run() -> anyhow::Result<()> {
    let sources = Sources::new(environment)?;
    let find = |name: &str| sources.find(name);
    let _flush = log_as_json(&Lookup::new(&find))?;
    evercal_gateway::run(&find).await
}

#[expect(clippy::disallowed_methods, reason = "binaries read the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
