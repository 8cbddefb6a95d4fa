//! A worker's memory has an end, in bytes. The SDK keeps each workflow in memory between its tasks, with a state machine for
//! each command that it ever gave in its run (sdk-core 0.10.1 removes none), and its own limit counts workflows. So the cache
//! is let go as a whole when the process has grown too large: the workflows' worker ends and is begun anew, and each workflow
//! is replayed from its history when it next has something to do. Not for other queues: activities keep nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Between two measurements.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);
/// The cache is let go at most this often.
const LET_GO_INTERVAL: Duration = Duration::from_secs(5);
/// And this often where the rest of the process is nearly too large by itself: then letting go helps little, and replaying
/// everything all the time would stand in the way of work.
const LET_GO_INTERVAL_IN_VAIN: Duration = Duration::from_mins(5);
/// The rest of the process is nearly too large where it takes this much of the limit, in percent.
const REST_MAX_PERCENT: u64 = 80;
/// So far, in percent of the limit, the process may grow beyond it before that does not count: what came since is let go.
const HARD_LIMIT_PERCENT: u64 = 113;
/// Where that much came since, in percent of the limit: less is not worth it.
const WORTH_PERCENT: u64 = 10;

/// Completes when the process has grown beyond its limit, at the earliest when some time has passed since its cache was let
/// go, if it ever was. Never where nobody can say how large it is.
pub(crate) async fn grown_too_large(limit_bytes: u64, let_go_at: Option<Instant>) {
    grown_beyond(limit_bytes, let_go_at, resident_bytes).await;
}

async fn grown_beyond(limit_bytes: u64, let_go_at: Option<Instant>, measure: impl Fn() -> Option<u64>) {
    if let Some(let_go_at) = let_go_at {
        // Not earlier: what was let go is still being given back.
        tokio::time::sleep_until(let_go_at + LET_GO_INTERVAL).await;
    }
    let since = let_go_at.unwrap_or_else(Instant::now);
    let Some(rest) = measure() else { return std::future::pending().await };
    loop {
        let Some(resident) = measure() else { return std::future::pending().await };
        if is_too_large(limit_bytes, resident, rest, since.elapsed()) {
            tracing::info!(resident_bytes = resident, limit_bytes, "workflows in memory are let go");
            return;
        }
        tokio::time::sleep(MEASURE_INTERVAL).await;
    }
}

/// Whether the cache is let go. `rest` is what was left when it was let go the last time, so long ago.
fn is_too_large(limit_bytes: u64, resident: u64, rest: u64, ago: Duration) -> bool {
    let percent = |percent| limit_bytes / 100 * percent;
    if resident <= limit_bytes {
        return false;
    }
    let is_in_vain = rest > percent(REST_MAX_PERCENT);
    let is_beyond_all =
        resident > percent(HARD_LIMIT_PERCENT) && resident.saturating_sub(rest) > percent(WORTH_PERCENT);
    !is_in_vain || is_beyond_all || ago >= LET_GO_INTERVAL_IN_VAIN
}

/// The resident size of this process, where the system reports it (Linux).
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests;
