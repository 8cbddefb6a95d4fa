//! Reports on stderr what is being measured, so that nobody waits in front of a silent terminal. Not for results: those are
//! the table.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Between two checks of a condition, at least.
const POLL: Duration = Duration::from_millis(50);
/// The pause after a check is so many times as long as the check: checks share the machine with what is measured.
const PAUSE_PER_CHECK: u32 = 100;
/// Between two checks at most, so that the end is noticed soon.
const POLL_MAX: Duration = Duration::from_secs(2);
/// Until the first line about a wait; each next one takes twice as long, up to [`REPORT_MAX`].
const REPORT_FIRST: Duration = Duration::from_secs(2);
const REPORT_MAX: Duration = Duration::from_secs(16);

/// A line with the seconds since the beginning.
pub fn say(text: impl AsRef<str>) {
    eprintln!("{:>5} s  {}", BEGUN.elapsed().as_secs(), text.as_ref());
}

/// Waits until `check` counts `total`, and reports how far it is. Answers the last count, which is smaller than `total` when
/// the timeout was over before.
pub async fn reach(
    what: &str,
    total: usize,
    timeout: Duration,
    mut check: impl AsyncFnMut() -> anyhow::Result<usize>,
) -> anyhow::Result<usize> {
    let begun = Instant::now();
    let (mut reported_at, mut pause) = (begun, REPORT_FIRST);
    loop {
        let checked_at = Instant::now();
        let count = check().await?;
        let taken = checked_at.elapsed();
        if count >= total || begun.elapsed() >= timeout {
            return Ok(count);
        }
        if reported_at.elapsed() >= pause {
            say(format!("  {what}: {count} of {total}"));
            (reported_at, pause) = (Instant::now(), REPORT_MAX.min(pause * 2));
        }
        tokio::time::sleep(POLL.max(taken * PAUSE_PER_CHECK).min(POLL_MAX)).await;
    }
}
