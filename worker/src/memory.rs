//! A worker's memory has an end, in bytes. The SDK keeps each workflow in memory between its tasks, with a state machine for
//! each command that it ever gave in its run (sdk-core 0.10.1 removes none), and its own limit counts workflows. So the cache
//! is let go as a whole when the process has grown too large: the workflows' worker ends and is begun anew, and each workflow
//! is replayed from its history when it next has something to do. Not for other queues: activities keep nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The cache is let go at most this often.
const LET_GO_INTERVAL: Duration = Duration::from_secs(5);
/// And this often where the rest of the process is nearly too large by itself: then letting go helps little, and replaying
/// everything all the time would stand in the way of work.
const LET_GO_INTERVAL_IN_VAIN: Duration = Duration::from_mins(5);

/// Completes when the process has grown beyond its limit, at the earliest when some time has passed since `since`. Never where
/// nobody can say how large it is.
pub(crate) async fn grown_too_large(limit_bytes: u64, since: Instant) {
    let in_vain = resident_bytes().is_some_and(|resident| resident > limit_bytes / 100 * 80);
    tokio::time::sleep_until(since + if in_vain { LET_GO_INTERVAL_IN_VAIN } else { LET_GO_INTERVAL }).await;
    loop {
        let Some(resident) = resident_bytes() else { return std::future::pending().await };
        if resident > limit_bytes {
            tracing::info!(resident_bytes = resident, limit_bytes, "workflows in memory are let go");
            return;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// The resident size of this process, where the system tells it (Linux).
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_knows_how_large_it_is() {
        let resident = resident_bytes().expect("Linux tells");
        assert!((1_000_000..100_000_000_000).contains(&resident), "{resident} bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cache_is_not_let_go_again_and_again() {
        let since = Instant::now();
        grown_too_large(0, since).await;
        assert!(since.elapsed() >= LET_GO_INTERVAL_IN_VAIN, "it is too large without a cache");
    }
}
