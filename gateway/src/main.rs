//! The bin `evercal-gateway`: the gateway alone, configured by the environment and the file that it names.

use std::process::ExitCode;

use anyhow::Context as _;
use evercal_process::{end, keep_files_private, log_as_json};
use evercal_settings::process::LOG_FILTER;
use evercal_settings::{Lookup, Sources};
use evercal_workflow_client::temporal_help;

#[tokio::main]
async fn main() -> ExitCode {
    keep_files_private();
    end(run().await, temporal_help)
}

async fn run() -> anyhow::Result<()> {
    let sources = Sources::new(environment)?;
    let find = |name: &str| sources.find(name);
    let _flush = log_as_json(LOG_FILTER.read(&Lookup::new(&find))?).context("starting the log")?;
    evercal_gateway::run(&find).await
}

#[expect(clippy::disallowed_methods, reason = "binaries read the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
