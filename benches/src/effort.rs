//! How much is measured: enough for the table, or little enough for three minutes.

use std::time::Duration;

/// The numbers behind `--quick` and its absence.
#[derive(Clone)]
pub struct Effort {
    /// Runs of reads, latency and unique notices; the median counts.
    pub runs: u32,
    /// Calendars that are connected, each with its own workflow, and bare workflows beside them.
    pub calendars: u32,
    /// Notices one at a time in one run.
    pub latency_samples: u32,
    /// Bare signals beside the storm's notices, in one run.
    pub bare_storm_signals: u32,
    /// Rounds of unique notices, one to each calendar, in one run.
    pub unique_rounds: usize,
    /// How long a run of reads lasts at least.
    pub reads: Duration,
    /// Sizes of the calendars that are read for the first time.
    pub full_sync_events: &'static [u32],
    /// Calendars of the rounds after which a worker's memory is measured.
    pub calendars_of_rounds: u32,
    /// Accounts that a gateway starts with.
    pub accounts: u32,
    /// Runs of what takes long or hardly varies: the others.
    pub heavy_runs: u32,
}

impl Effort {
    /// For the committed table.
    pub fn full() -> Self {
        Self {
            runs: 5,
            calendars: 1_000,
            latency_samples: 40,
            bare_storm_signals: 3_000,
            unique_rounds: 5,
            reads: Duration::from_secs(5),
            full_sync_events: &[10_000, 100_000],
            calendars_of_rounds: 2_008,
            accounts: 100_000,
            heavy_runs: 5,
        }
    }

    /// For a quick answer while one works on something.
    pub fn quick() -> Self {
        Self {
            runs: 3,
            calendars: 120,
            latency_samples: 5,
            bare_storm_signals: 2_000,
            unique_rounds: 3,
            reads: Duration::from_secs(1),
            full_sync_events: &[10_000],
            calendars_of_rounds: 80,
            accounts: 5_000,
            heavy_runs: 1,
        }
    }
}
