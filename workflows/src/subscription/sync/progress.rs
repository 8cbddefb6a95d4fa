//! What the sync lane knows: what the next sync serves, how the last ones went, and when the next reconcile is due.

use evercal_domain::{Priority, SyncReason, UnixMs};
use serde::{Deserialize, Serialize};

use super::decide;
use crate::contract::{Notify, SyncCounts, SyncEnd};
use crate::due::Due;
use crate::shared::waits::Wait;
use crate::subscription::trouble::Trouble;

/// What the sync lane knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncProgress {
    /// What the next sync serves.
    pub pending: Option<PendingSync>,
    /// Whether a sync is running.
    pub running: bool,
    /// Syncs begun; a waiter of `sync_now` waits for the next number.
    pub begun: u64,
    /// Syncs ended.
    pub ended: u64,
    /// How the last one ended.
    pub last_end: Option<SyncEnd>,
    /// When the last one that read everything ended.
    pub last_done_at: Option<UnixMs>,
    /// The one of them that the search attribute shows.
    pub shown_done_at: Option<UnixMs>,
    /// When the next reconcile is due; `None` before the first is planned.
    pub reconcile_due: Option<Due>,
    /// Syncs in a row that said that the calendar is gone.
    pub refusals: u32,
    /// Reconciles in a row that found unannounced changes.
    pub missed_pushes: u32,
    /// What the last sync served, if it failed: the next one serves it too.
    pub failed: Option<PendingSync>,
    /// Since when the store has no row of the calendar.
    pub row_missing_since: Option<UnixMs>,
    /// What stands in the way of reading.
    pub trouble: Option<Trouble>,
}

/// What one sync serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSync {
    /// The most urgent of its reasons.
    pub reason: SyncReason,
    /// How urgent it is: as its reason, or as the most urgent of its notices says.
    pub priority: Priority,
    /// The notices that it answers.
    pub notices: u32,
    /// When the first of them reached the gateway, where there was one.
    pub received_at: Option<UnixMs>,
    /// What earlier slices did, when something more urgent interrupted them.
    pub so_far: SyncCounts,
    /// Attempts at it that failed.
    pub failed_attempts: u32,
    /// What it waits for before the next attempt.
    pub wait: Option<Wait>,
}

impl PendingSync {
    pub(in crate::subscription) fn of(reason: SyncReason, notices: u32, received_at: Option<UnixMs>) -> Self {
        let priority = reason.priority();
        Self { reason, priority, notices, received_at, so_far: SyncCounts::default(), failed_attempts: 0, wait: None }
    }

    /// For what a signal asks for.
    pub(in crate::subscription) fn asked_by(notify: &Notify) -> Self {
        Self { priority: notify.urgency(), ..Self::of(notify.reason, notify.notices, notify.received_at) }
    }

    /// What is left of it when it failed. Whoever asked for a sync has an answer and waits no longer; a notice is still one
    /// that came.
    pub(in crate::subscription) fn after_failure(self) -> Self {
        let reason = match self.reason {
            SyncReason::Operator if self.notices > 0 => SyncReason::Notice,
            SyncReason::Operator => SyncReason::Reconcile,
            other => other,
        };
        Self::of(reason, self.notices, self.received_at)
    }

    /// What is left of its attempts where another reason joins it: one that may pass the wait begins anew.
    fn joined_by(&self, priority: Priority) -> Tried {
        match self.wait {
            Some(_) if decide::passes_wait(Some(priority), self.priority) => Tried::default(),
            wait => Tried { failed_attempts: self.failed_attempts, wait },
        }
    }
}

/// How often a sync was tried in vain, and what it waits for before the next attempt.
#[derive(Debug, Clone, Copy, Default)]
struct Tried {
    failed_attempts: u32,
    wait: Option<Wait>,
}

impl Tried {
    /// What holds for two syncs that become one: the later wait, and the attempts of the one that has more.
    fn with(self, other: Self) -> Self {
        Self {
            failed_attempts: self.failed_attempts.max(other.failed_attempts),
            wait: self.wait.into_iter().chain(other.wait).max_by_key(|wait| wait.until),
        }
    }
}

impl SyncProgress {
    /// Adds a reason to what the next sync serves.
    pub fn add(&mut self, reason: SyncReason, notices: u32, received_at: Option<UnixMs>) {
        self.merge(PendingSync::of(reason, notices, received_at));
    }

    /// Merges a sync that was interrupted, or a new reason, into what the next sync serves.
    pub fn merge(&mut self, other: PendingSync) {
        self.pending = Some(match self.pending.take() {
            None => other,
            Some(pending) => {
                let tried = pending.joined_by(other.priority).with(other.joined_by(pending.priority));
                PendingSync {
                    reason: pending.reason.most_urgent(other.reason),
                    priority: pending.priority.min(other.priority),
                    notices: pending.notices.saturating_add(other.notices),
                    received_at: pending.received_at.into_iter().chain(other.received_at).min(),
                    so_far: if pending.so_far.started_at.is_none() { other.so_far } else { pending.so_far },
                    failed_attempts: tried.failed_attempts,
                    wait: tried.wait,
                }
            }
        });
    }

    /// Whoever waits before the next attempt waits no longer.
    pub(in crate::subscription) fn hurry(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.wait = None;
        }
        if self.failed.is_some() {
            self.reconcile_due_by(Due::Now);
        }
    }

    /// The next reconcile comes at this time at the latest. Before the first is planned there is nothing to bring forward:
    /// that one is due in any case.
    pub(in crate::subscription) fn reconcile_due_by(&mut self, latest: Due) {
        self.reconcile_due = self.reconcile_due.map(|due| due.min(latest));
    }

    /// Whether the next reconcile is due earlier than this.
    pub(in crate::subscription) fn reconcile_is_due_before(&self, at: UnixMs) -> bool {
        self.reconcile_due.is_some_and(|due| due < Due::At(at))
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

#[cfg(test)]
mod tests;
