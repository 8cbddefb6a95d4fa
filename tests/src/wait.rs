//! Waiting for conditions, in place of sleeping.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

/// How long a condition may take to come true on a busy machine.
pub const TIMEOUT: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);

/// Waits until `check` answers `Ok`; panics with its last error when [`TIMEOUT`] is over.
pub async fn eventually<T, E: Debug, F: Future<Output = Result<T, E>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + TIMEOUT;
    let mut last = None;
    loop {
        match tokio::time::timeout_at(deadline, check()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => last = Some(error),
            // The check itself has no end.
            Err(_elapsed) => {}
        }
        assert!(Instant::now() < deadline, "still waiting for: {what}; last error: {last:#?}");
        tokio::time::sleep(POLL).await;
    }
}
