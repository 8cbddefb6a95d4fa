//! Tells on stderr what is being measured, so that nobody waits in front of a silent terminal. Not for results: those are
//! the table.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(50);
/// Between two lines about the same wait.
const TELL: Duration = Duration::from_secs(2);

/// A line with the seconds since the beginning.
pub fn say(text: impl AsRef<str>) {
    eprintln!("{:>5} s  {}", BEGUN.elapsed().as_secs(), text.as_ref());
}

/// Waits until `look` counts `total`, and tells how far it is. Answers the last count, which is smaller than `total` when
/// `patience` was over before.
pub async fn reach(
    what: &str,
    total: usize,
    patience: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<usize>,
) -> anyhow::Result<usize> {
    let begun = Instant::now();
    let mut told = begun;
    loop {
        let count = look().await?;
        if count >= total || begun.elapsed() >= patience {
            return Ok(count);
        }
        if told.elapsed() >= TELL {
            say(format!("  {what}: {count} of {total}"));
            told = Instant::now();
        }
        tokio::time::sleep(POLL).await;
    }
}
