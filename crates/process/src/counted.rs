//! Log lines that somebody outside can cause as often as they like: of each kind one a second is written, and the others
//! are counted. A kind is a place in the code.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

/// Between two lines of one kind.
const SPACING: Duration = Duration::from_secs(1);
/// Whoever was to report the count is gone after so long: its runtime has ended.
const REPORTING_TIME_MAX: Duration = Duration::from_secs(10);

/// A kind of line. `counted!` makes one for each place.
#[derive(Debug)]
pub struct CountedLine(Mutex<Window>);

#[derive(Debug)]
struct Window {
    /// The next line may be written then.
    ends_at: Option<Instant>,
    /// Not written since the last line.
    left_out: u64,
}

impl CountedLine {
    /// A kind of which no line was written yet.
    pub const fn unwritten() -> Self {
        Self(Mutex::new(Window { ends_at: None, left_out: 0 }))
    }

    /// Whether this one is written. Where it is not, `report` gets the number of lines that were left out when the second is over,
    /// and writes the line of the next second.
    pub fn is_written(&'static self, report: fn(u64)) -> bool {
        let Ok(runtime) = Handle::try_current() else { return true };
        let now = Instant::now();
        let mut window = self.window();
        match window.ends_at {
            Some(ends_at) if now < ends_at || (window.left_out > 0 && now < ends_at + REPORTING_TIME_MAX) => {
                window.left_out += 1;
                if window.left_out == 1 {
                    runtime.spawn(self.report_at(ends_at, report));
                }
                false
            }
            _ => {
                *window = Window { ends_at: Some(now + SPACING), left_out: 0 };
                true
            }
        }
    }

    async fn report_at(&'static self, ends_at: Instant, report: fn(u64)) {
        tokio::time::sleep_until(ends_at).await;
        let left_out = {
            let mut window = self.window();
            window.ends_at = Some(Instant::now() + SPACING);
            std::mem::take(&mut window.left_out)
        };
        report(left_out);
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a line that others can cause: `counted!(warn, "a text that is the same each time", %error)`. The field
/// `left_out` in a line of the same text says how many more there were.
#[macro_export]
macro_rules! counted {
    ($level:ident, $text:literal $(, $($fields:tt)+)?) => {{
        static LINE: $crate::CountedLine = $crate::CountedLine::unwritten();
        if LINE.is_written(|left_out| $crate::tracing::$level!(left_out, $text)) {
            $crate::tracing::$level!($($($fields)+,)? $text);
        }
    }};
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_a_second_and_every_one_is_counted() {
        static LINE: CountedLine = CountedLine::unwritten();
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
        static COUNTS: AtomicU64 = AtomicU64::new(0);
        let report = |left_out| {
            COUNTS.fetch_add(1, Ordering::SeqCst);
            LEFT_OUT.fetch_add(left_out, Ordering::SeqCst);
        };
        for _ in 0..5_000 {
            if LINE.is_written(report) {
                WRITTEN.fetch_add(1, Ordering::SeqCst);
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        // The last count is reported, and its second passes.
        for _ in 0..2 {
            tokio::time::advance(SPACING).await;
            tokio::task::yield_now().await;
        }
        let lines = WRITTEN.load(Ordering::SeqCst) + COUNTS.load(Ordering::SeqCst);
        assert!(lines <= 7, "{lines} lines in five seconds");
        assert_eq!(WRITTEN.load(Ordering::SeqCst) + LEFT_OUT.load(Ordering::SeqCst), 5_000);
        assert!(LINE.is_written(report), "after a quiet second the next one is written at once");
    }
}
