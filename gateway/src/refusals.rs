//! Counts the notices that were answered with 503. Providers do not repeat everything that was refused, so that each of
//! them makes a catch-up due (`catch_up.rs`).

use std::sync::atomic::{AtomicU64, Ordering};

/// How many notices this process has refused since it began.
#[derive(Debug, Default)]
pub(crate) struct Refusals(AtomicU64);

impl Refusals {
    /// Counts some more.
    pub(crate) fn add(&self, notices: u32) {
        self.0.fetch_add(u64::from(notices), Ordering::SeqCst);
    }

    /// All so far.
    pub(crate) fn total(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
