//! Waiting for a server that is not up yet, for those who start everything at once.

use std::time::Duration;

use clap::Args;
use evercal_process::say;
use tokio::time::Instant;

use crate::cli::{CliError, Failure};

/// Between two attempts.
const REST: Duration = Duration::from_secs(1);

/// How long to try.
#[derive(Args)]
pub struct Patience {
    /// Try again for so many seconds when nobody answers
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

impl Patience {
    /// Tries until something else than "nobody answers" comes of it, or the time is up.
    pub async fn keep_trying<T>(&self, attempt: impl AsyncFn() -> Result<T, CliError>) -> Result<T, CliError> {
        let give_up_at = Instant::now() + Duration::from_secs(self.wait);
        let mut is_first = true;
        loop {
            match attempt().await {
                Err(error) if error.failure == Failure::Unreachable && Instant::now() + REST < give_up_at => {
                    if is_first {
                        say(format_args!("waiting up to {} s: {}", self.wait, error.message));
                        is_first = false;
                    }
                    tokio::time::sleep(REST).await;
                }
                outcome => return outcome,
            }
        }
    }
}
