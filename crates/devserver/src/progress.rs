//! Shows that a build of minutes is alive: a spinner on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use evercal_process::say;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use tokio::time::Instant;

/// Time between two lines where stderr is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Time between two pictures of the spinner.
const SPINNER_INTERVAL: Duration = Duration::from_millis(120);

pub(crate) struct Progress {
    title: String,
    started_at: Instant,
    display: Display,
}

enum Display {
    Spinner(ProgressBar),
    Lines { next_at: Instant },
}

impl Progress {
    pub(crate) fn start(title: impl Into<String>) -> Self {
        let title = title.into();
        let started_at = Instant::now();
        let display = if std::io::stderr().is_terminal() {
            // Cleared also when a failure ends it, so that the error stands alone.
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
                .with_finish(ProgressFinish::AndClear)
                .with_prefix(title.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {wide_msg:.dim}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(SPINNER_INTERVAL);
            Display::Spinner(bar)
        } else {
            say(format_args!("{title} ..."));
            Display::Lines { next_at: started_at + LINE_INTERVAL }
        };
        Self { title, started_at, display }
    }

    /// Call often, at least each second; `detail` is what is being done now.
    pub(crate) fn show(&mut self, detail: &str) {
        match &mut self.display {
            Display::Spinner(bar) => bar.set_message(detail.to_owned()),
            Display::Lines { next_at } => {
                let now = Instant::now();
                if now >= *next_at {
                    *next_at = now + LINE_INTERVAL;
                    say(still_at(&self.title, self.started_at.elapsed(), detail));
                }
            }
        }
    }

    pub(crate) fn finish(self) {
        if let Display::Spinner(bar) = self.display {
            bar.finish_and_clear();
        }
        say(format_args!("{}: done in {} s", self.title, self.started_at.elapsed().as_secs()));
    }
}

/// `detail` is empty while the program has not said anything yet.
fn still_at(title: &str, elapsed: Duration, detail: &str) -> String {
    let comma = if detail.is_empty() { "" } else { ", " };
    format!("{title} ... {} s{comma}{detail}", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_done_stands_behind_a_comma_and_nothing_behind_none() {
        let at = |detail| still_at("building", Duration::from_secs(10), detail);
        assert_eq!(at("net/http"), "building ... 10 s, net/http");
        assert_eq!(at(""), "building ... 10 s");
    }
}
