//! A spinner on stderr, only on a terminal, for what takes longer than a moment.

use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Work that ends within this time shows nothing.
const MOMENT: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(100);

/// Does `work`; a spinner with `message` turns meanwhile.
pub async fn spin<T>(message: &str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(result) = tokio::time::timeout(MOMENT, &mut work).await {
        return result;
    }
    let spinner = spinner().with_message(message.to_owned()).with_elapsed(MOMENT);
    let result = work.await;
    spinner.finish_and_clear();
    result
}

/// A spinner that turns, without a message yet.
pub fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    // The template is a constant; were it ever wrong, the default style would do.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(TICK);
    spinner
}
