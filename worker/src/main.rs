//! `evercal-worker`: the worker as a process of its own, for deployments.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().json().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    #[expect(clippy::disallowed_methods, reason = "a binary reads the environment")]
    let find = |name: &str| std::env::var(name).ok();
    match evercal_worker::run(&find).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
