//! Waiting for conditions, in place of sleeping.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

/// How long a condition may take to come true on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);

/// Waits until `look` answers `Ok`; panics with the last thing it saw when [`PATIENCE`] is over.
pub async fn eventually<T, E: Debug, F: Future<Output = Result<T, E>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    loop {
        match tokio::time::timeout_at(deadline, look()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(seen)) => last = Some(seen),
            // The look itself has no end.
            Err(_elapsed) => {}
        }
        assert!(Instant::now() < deadline, "still waiting for: {what}; last seen: {last:#?}");
        tokio::time::sleep(POLL).await;
    }
}
