//! What the sync lane knows: what the next sync serves, how the last ones went, and when the next look is due.

use evercal_domain::SyncReason;
use serde::{Deserialize, Serialize};

use super::{Trouble, Wait};
use crate::contract::SyncCounts;
use crate::decide;

/// What the sync lane knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncProgress {
    /// What the next sync serves.
    pub pending: Option<PendingSync>,
    /// Whether a sync is running.
    pub running: bool,
    /// Syncs begun; a waiter of `sync_now` waits for the next number.
    pub begun: u64,
    /// Syncs ended.
    pub ended: u64,
    /// How the last one ended: the changes found, or the kind of failure.
    pub last_outcome: Option<Result<i64, String>>,
    /// When the last one ended well.
    pub last_done_at_ms: Option<i64>,
    /// When the next look without a reason is due; 0 before the first.
    pub reconcile_due_at_ms: i64,
    /// Failed syncs in a row.
    pub failures: u32,
    /// Syncs in a row that said that the calendar is gone.
    pub refusals: u32,
    /// Reconciles in a row that found unannounced changes.
    pub missed_pushes: u32,
    /// What the last sync served, if it failed: the next one serves it too.
    pub failed: Option<PendingSync>,
    /// Since when the store has no row of the calendar.
    pub row_missing_since_ms: Option<i64>,
    /// What stands in the way of reading.
    pub trouble: Option<Trouble>,
}

/// What one sync serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSync {
    /// The most urgent of its reasons.
    pub reason: SyncReason,
    /// The notices that it answers.
    #[serde(default)]
    pub notices: u32,
    /// When the first of them reached the gateway; 0 when there was none.
    #[serde(default)]
    pub received_at_ms: i64,
    /// What earlier slices did, when something more urgent interrupted them.
    #[serde(default)]
    pub so_far: SyncCounts,
    /// Attempts at it that failed.
    #[serde(default)]
    pub failed_attempts: u32,
    /// What it waits for before the next attempt.
    #[serde(default)]
    pub wait: Option<Wait>,
}

impl PendingSync {
    pub(super) fn of(reason: SyncReason, notices: u32, received_at_ms: i64) -> Self {
        Self { reason, notices, received_at_ms, so_far: SyncCounts::default(), failed_attempts: 0, wait: None }
    }

    /// What is left of it when it failed. Whoever asked for a sync has an answer and waits no longer; a notice is still one
    /// that came.
    pub(in crate::subscription) fn after_failure(self) -> Self {
        let reason = match self.reason {
            SyncReason::Operator if self.notices > 0 => SyncReason::Notice,
            SyncReason::Operator => SyncReason::Reconcile,
            other => other,
        };
        Self::of(reason, self.notices, self.received_at_ms)
    }

    /// What it waits for where another reason joins it, and how many attempts of it failed: one that may pass the wait
    /// begins anew.
    fn joined_by(&self, reason: SyncReason) -> (Option<Wait>, u32) {
        match self.wait {
            Some(_) if decide::sync::passes_wait(Some(reason), self.reason.priority()) => (None, 0),
            wait => (wait, self.failed_attempts),
        }
    }
}

impl SyncProgress {
    /// Adds a reason to what the next sync serves.
    pub fn add(&mut self, reason: SyncReason, notices: u32, received_at_ms: i64) {
        self.merge(PendingSync::of(reason, notices, received_at_ms));
    }

    /// Merges a sync that was interrupted, or a new reason, into what the next sync serves.
    pub fn merge(&mut self, other: PendingSync) {
        self.pending = Some(match self.pending.take() {
            None => other,
            Some(pending) => {
                let (one, other_one) = (pending.joined_by(other.reason), other.joined_by(pending.reason));
                PendingSync {
                    reason: pending.reason.most_urgent(other.reason),
                    notices: pending.notices.saturating_add(other.notices),
                    received_at_ms: earliest(pending.received_at_ms, other.received_at_ms),
                    so_far: if pending.so_far.started_at_ms == 0 { other.so_far } else { pending.so_far },
                    failed_attempts: one.1.max(other_one.1),
                    wait: one.0.into_iter().chain(other_one.0).max_by_key(|wait| wait.until_ms),
                }
            }
        });
    }

    /// Whoever waits before the next attempt waits no longer.
    pub(super) fn hurry(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.wait = None;
        }
        if self.failed.is_some() {
            self.reconcile_due_at_ms = self.reconcile_due_at_ms.min(1);
        }
    }

    /// Takes what the next sync serves, together with what failed before it.
    pub fn take(&mut self) -> Option<PendingSync> {
        if self.pending.is_some()
            && let Some(failed) = self.failed.take()
        {
            self.merge(failed);
        }
        self.pending.take()
    }
}

/// The earlier of two instants where 0 means none.
fn earliest(one_ms: i64, other_ms: i64) -> i64 {
    match (one_ms, other_ms) {
        (0, only) | (only, 0) => only,
        (one_ms, other_ms) => one_ms.min(other_ms),
    }
}
