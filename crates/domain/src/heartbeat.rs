//! Signs of life that a process writes into the store, so that others see when it is missing.

use std::time::Duration;

/// The kind of workers among the services.
pub const WORKERS: &str = "worker";
/// How often a worker shows that it reaches Temporal and the store.
pub const WORKER_BEAT_INTERVAL: Duration = Duration::from_secs(5);
/// A worker that has been silent for so long is missing: long enough for a sign that is late, short enough to be reported
/// within half a minute.
pub const WORKER_SILENCE_MAX: Duration = Duration::from_secs(20);

/// The name of a worker among the services.
pub fn worker_service(id: &str) -> String {
    format!("{WORKERS}/{id}")
}
