//! `--wait`: tries again while a server is not up yet, for those who start everything at once.

use std::time::Duration;

use clap::Args;
use evercal_process::say;
use tokio::time::Instant;

use crate::cli::{CliError, Failure};

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// How long to wait for the server.
#[derive(Args)]
pub struct WaitOptions {
    /// Try again for so many seconds when nobody answers
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

impl WaitOptions {
    /// Makes attempts until one reaches the server, or the time is up; returns the outcome of the last one.
    pub async fn retry<T>(&self, attempt: impl AsyncFn() -> Result<T, CliError>) -> Result<T, CliError> {
        let deadline = Instant::now() + Duration::from_secs(self.wait);
        let mut is_first = true;
        loop {
            match attempt().await {
                Err(error) if error.failure == Failure::Unreachable && Instant::now() + PAUSE < deadline => {
                    if is_first {
                        say(format_args!("waiting up to {} s: {}", self.wait, error.message));
                        is_first = false;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }
}
