//! Which workers are alive, by the signs of life that they write into the store (`worker/src/heartbeat.rs`).
//!
//! A worker's time of day is not compared with ours, but for the first check: a worker whose sign changes is alive, whatever its
//! clock says. Not for what a missing worker means: `routes/health.rs`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use evercal_domain::heartbeat::WORKER_SILENCE_MAX;
use tokio::time::Instant;

/// What is known of the workers.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    known: HashMap<String, Known>,
    has_checked: bool,
    /// Since when none is alive.
    missing_since: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct Known {
    beat_at: DateTime<Utc>,
    /// When its sign of life was seen to change.
    seen_at: Option<Instant>,
}

/// What is known of the workers now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WorkersHealth {
    pub alive: usize,
    pub missing_since: Option<DateTime<Utc>>,
}

impl Workers {
    /// Whether none was alive at the last check.
    pub(crate) fn are_missing(&self) -> bool {
        self.missing_since.is_some()
    }

    /// Takes the signs of life that the store has; none where it does not answer.
    pub(crate) fn update(&mut self, beats: Option<Vec<(String, DateTime<Utc>)>>, now: DateTime<Utc>) -> WorkersHealth {
        if let Some(beats) = beats {
            let is_first = !std::mem::replace(&mut self.has_checked, true);
            let mut before = std::mem::take(&mut self.known);
            for (name, beat_at) in beats {
                let seen_at = match before.remove(&name) {
                    Some(known) if known.beat_at == beat_at => known.seen_at,
                    // Of the rows that were there before this process only a fresh one is a sign of life.
                    None if is_first && (now - beat_at).abs().to_std().is_ok_and(|age| age > WORKER_SILENCE_MAX) => {
                        None
                    }
                    _ => Some(Instant::now()),
                };
                self.known.insert(name, Known { beat_at, seen_at });
            }
        }
        let is_alive = |known: &&Known| known.seen_at.is_some_and(|seen_at| seen_at.elapsed() <= WORKER_SILENCE_MAX);
        let alive = self.known.values().filter(is_alive).count();
        self.missing_since = if alive == 0 { self.missing_since.or(Some(now)) } else { None };
        WorkersHealth { alive, missing_since: self.missing_since }
    }
}

#[cfg(test)]
mod tests;
