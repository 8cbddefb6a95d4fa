//! Tells on stderr what is being measured, so that nobody waits in front of a silent terminal. Not for results: those are
//! the table.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Between two looks at a condition, at least.
const POLL: Duration = Duration::from_millis(50);
/// A look that takes long is paused for so many times as long: looking shares the machine with what is measured.
const POLL_PER_LOOK: u32 = 100;
/// At most, so that nothing is looked at when it has long been at rest.
const POLL_MAX: Duration = Duration::from_secs(2);
/// Until the first line about a wait; each next one takes twice as long, up to [`TELL_MAX`].
const TELL_FIRST: Duration = Duration::from_secs(2);
const TELL_MAX: Duration = Duration::from_secs(16);

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
    let (mut told, mut pause) = (begun, TELL_FIRST);
    loop {
        let looked = Instant::now();
        let count = look().await?;
        let taken = looked.elapsed();
        if count >= total || begun.elapsed() >= patience {
            return Ok(count);
        }
        if told.elapsed() >= pause {
            say(format!("  {what}: {count} of {total}"));
            (told, pause) = (Instant::now(), TELL_MAX.min(pause * 2));
        }
        tokio::time::sleep(POLL.max(taken * POLL_PER_LOOK).min(POLL_MAX)).await;
    }
}
