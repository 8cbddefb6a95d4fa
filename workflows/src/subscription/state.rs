//! The state of a subscription: a plain value that signals change, that lanes read, and that travels to the next run.
//!
//! Everything here is pure; what a reader sees as the state is derived, so that no two fields can contradict each other.

use evercal_domain::{CalendarState, ChannelId, ProviderErrorKind, SyncReason};
use serde::{Deserialize, Serialize};

use crate::contract::{AccountChanged, ChannelHint, ChannelOpened, ChannelRef, Notify, SyncCounts};
use crate::decide;
use crate::decide::channel::AfterFailure;
use crate::failure::FailedCall;
use crate::retry::Timing;

/// Channels waiting to be stopped. Tokens are signed, so only channels that we once made get here; a further one is
/// named again by its next notice.
const TO_STOP_MAX: usize = 64;
/// Channels remembered as over, so that their late notices cost nothing. Older ones are looked up in the register.
const OVER_MAX: usize = 16;

/// All that a subscription knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionState {
    /// The channel lane's part.
    pub channel: ChannelProgress,
    /// The sync lane's part.
    pub sync: SyncProgress,
    /// An operator paused it.
    pub paused: bool,
    /// The grant is dead.
    pub needs_reauth: bool,
    /// Not shared any more, or forbidden.
    pub action_required: bool,
    /// Set when it has to end: why.
    pub close: Option<String>,
    /// Set when it has ended.
    pub closed: bool,
}

/// What the channel lane knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelProgress {
    /// The channel that is live.
    pub live: Option<LiveChannel>,
    /// Whether an attempt is under way.
    pub attempting: bool,
    /// Failed attempts since a channel was last had.
    pub failures: u32,
    /// Those among them that said not found or forbidden.
    pub refusals: u32,
    /// When the next attempt is due, if the last one failed.
    pub next_attempt_at_ms: Option<i64>,
    /// The last failure's kind, for people.
    pub last_failure: Option<String>,
    /// The ladder is used up: a poller stands in.
    pub fallback: bool,
    /// The calendar cannot be watched: a poller does it all.
    pub poll_only: bool,
    /// Whether the poller was started.
    pub poller_runs: bool,
    /// Whether the alert about the lost channel stands.
    pub alert_raised: bool,
    /// The channel is suspect: replace it now.
    pub renew_requested: bool,
    /// Channels to stop.
    pub to_stop: Vec<ToStop>,
    /// Channels that are over.
    pub over: Vec<ChannelId>,
    /// Hints that came while an attempt was under way, from channels that may be the one being made.
    pub unidentified: Vec<ChannelHint>,
}

/// A live channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveChannel {
    /// Its id.
    pub channel_id: ChannelId,
    /// The provider's id of what is watched.
    pub resource_id: String,
    /// When it was opened.
    pub opened_at_ms: i64,
    /// When the provider ends it.
    pub expires_at_ms: i64,
}

/// A channel to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToStop {
    /// Which.
    pub channel: ChannelRef,
    /// Whether only a notice told us of it.
    #[serde(default)]
    pub stray: bool,
    /// When to try (again).
    #[serde(default)]
    pub not_before_ms: i64,
}

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
    /// What earlier slices did, when a more urgent reason interrupted them.
    #[serde(default)]
    pub so_far: SyncCounts,
}

impl SubscriptionState {
    /// The state of a new subscription: its first read is due.
    pub fn first() -> Self {
        let mut state = Self::default();
        state.sync.add(SyncReason::Connect, 0, 0);
        state
    }

    /// The state as readers see it.
    pub fn state(&self) -> CalendarState {
        let channel = &self.channel;
        if self.closed {
            CalendarState::Closed
        } else if self.needs_reauth {
            CalendarState::NeedsReauth
        } else if self.action_required {
            CalendarState::ActionRequired
        } else if self.paused {
            CalendarState::Paused
        } else if channel.poll_only {
            CalendarState::PollOnly
        } else if channel.fallback {
            CalendarState::Polling
        } else if channel.live.is_none() {
            CalendarState::Creating
        } else if channel.attempting || channel.failures > 0 {
            CalendarState::Renewing
        } else {
            CalendarState::Live
        }
    }

    /// One sentence about the state, for people.
    pub fn detail(&self) -> Option<String> {
        let failure = self.channel.last_failure.as_deref().unwrap_or("unknown");
        match self.state() {
            CalendarState::Renewing | CalendarState::Creating if self.channel.failures > 0 => {
                Some(format!("attempt {} failed ({failure}); it is repeated", self.channel.failures))
            }
            CalendarState::Polling => Some(format!("no channel could be had ({failure}); polling meanwhile")),
            CalendarState::PollOnly => Some("the provider cannot watch this calendar; it is polled".into()),
            CalendarState::NeedsReauth => Some("the grant is dead: connect the account again".into()),
            CalendarState::ActionRequired => {
                Some("the provider does not show this calendar any more: check its sharing, then resume".into())
            }
            CalendarState::Closed => self.close.clone(),
            _ => None,
        }
    }

    /// Takes a signal in.
    pub fn receive(&mut self, notify: &Notify) {
        if notify.reason != SyncReason::Notice || notify.channels.is_empty() {
            self.sync.add(notify.reason, notify.notices, notify.received_at_ms);
            return;
        }
        let mut announced = false;
        for hint in &notify.channels {
            announced |= self.channel.place(hint) && hint.announces_change;
        }
        if announced {
            self.sync.add(SyncReason::Notice, notify.notices, notify.received_at_ms);
        }
    }

    /// The account tells its subscriptions something.
    pub fn account_changed(&mut self, change: &AccountChanged) {
        match change.needs_reauth {
            Some(true) => self.needs_reauth = true,
            Some(false) if self.needs_reauth => {
                self.needs_reauth = false;
                self.channel.start_afresh();
                // Notices may have passed us by, and the old channel may be gone with the old grant.
                self.channel.renew_requested = self.channel.live.is_some();
                // What could not be stopped with the dead grant can be stopped now.
                self.channel.to_stop.iter_mut().for_each(|entry| entry.not_before_ms = 0);
                self.sync.add(SyncReason::CatchUp, 0, 0);
            }
            _ => {}
        }
    }

    /// An operator wants it to go on, from a pause or from `action_required`.
    pub fn resume(&mut self) {
        self.paused = false;
        if self.action_required {
            self.action_required = false;
            self.channel.start_afresh();
        }
        self.sync.refusals = 0;
        self.sync.add(SyncReason::Operator, 0, 0);
    }

    /// Whether the sync lane has something to do.
    pub fn sync_wanted(&self) -> bool {
        self.sync.pending.is_some() && !self.reading_is_blocked()
    }

    /// Whether reasons wait, for a person to act or for a grant.
    pub fn reading_is_blocked(&self) -> bool {
        self.paused || self.needs_reauth || self.action_required
    }

    /// A channel was had.
    pub fn channel_opened(&mut self, opened: &ChannelOpened) {
        let channel = &mut self.channel;
        channel.attempting = false;
        channel.live = Some(LiveChannel {
            channel_id: opened.channel_id,
            resource_id: opened.resource_id.clone(),
            opened_at_ms: opened.opened_at_ms,
            expires_at_ms: opened.expires_at_ms,
        });
        channel.start_afresh();
        channel.fallback = false;
        channel.renew_requested = false;
        for superseded in &opened.superseded {
            channel.add_to_stop(superseded.clone(), false);
        }
        channel.identify();
        self.sync.missed_pushes = 0;
        self.sync.add(SyncReason::NewChannel, 0, 0);
    }

    /// An attempt at a channel failed.
    pub(crate) fn channel_failed(&mut self, failed: FailedCall, timing: &Timing, id: &str, now_ms: i64) {
        let channel = &mut self.channel;
        channel.attempting = false;
        channel.failures = channel.failures.saturating_add(1);
        if matches!(failed.kind, Some(ProviderErrorKind::NotFound | ProviderErrorKind::Forbidden)) {
            channel.refusals = channel.refusals.saturating_add(1);
        } else {
            channel.refusals = 0;
        }
        channel.last_failure = Some(failed.word().to_owned());
        channel.live = channel.live.take().filter(|live| live.expires_at_ms > now_ms);
        let after = decide::channel::after_failure(failed, channel.failures, channel.refusals, timing, id, now_ms);
        match after {
            AfterFailure::Repeat { at_ms } => channel.next_attempt_at_ms = Some(at_ms),
            AfterFailure::Fallback { at_ms } => {
                channel.next_attempt_at_ms = Some(at_ms);
                channel.fallback = true;
            }
            AfterFailure::PollOnly => {
                channel.start_afresh();
                channel.fallback = false;
                channel.poll_only = true;
            }
            AfterFailure::NeedsReauth => self.needs_reauth = true,
            AfterFailure::ActionRequired => {
                channel.fallback = false;
                self.action_required = true;
            }
        }
        self.channel.identify();
    }
}

impl ChannelProgress {
    /// Forgets failed attempts.
    fn start_afresh(&mut self) {
        self.failures = 0;
        self.refusals = 0;
        self.next_attempt_at_ms = None;
        self.last_failure = None;
    }

    /// Finds out whose notice a hint is; whether it may announce something.
    fn place(&mut self, hint: &ChannelHint) -> bool {
        if self.live.as_ref().is_some_and(|live| live.channel_id == hint.channel_id) {
            return true;
        }
        if self.to_stop.iter().any(|entry| entry.channel.channel_id == hint.channel_id && !entry.stray) {
            return true;
        }
        if self.over.contains(&hint.channel_id) {
            return false;
        }
        if self.attempting {
            // A `sync` message (or a first notice) may overtake the answer that makes the channel known.
            if self.unidentified.len() < TO_STOP_MAX && !self.unidentified.contains(hint) {
                self.unidentified.push(hint.clone());
            }
            return true;
        }
        self.add_stray(hint);
        false
    }

    /// After an attempt: hints from the new channel were right, all others are strays.
    fn identify(&mut self) {
        for hint in std::mem::take(&mut self.unidentified) {
            let known = self.live.as_ref().is_some_and(|live| live.channel_id == hint.channel_id)
                || self.to_stop.iter().any(|entry| entry.channel.channel_id == hint.channel_id);
            if !known {
                self.add_stray(&hint);
            }
        }
    }

    fn add_stray(&mut self, hint: &ChannelHint) {
        let channel =
            ChannelRef { channel_id: hint.channel_id, resource_id: hint.resource_id.clone(), expires_at_ms: 0 };
        self.add_to_stop(channel, true);
    }

    fn add_to_stop(&mut self, channel: ChannelRef, stray: bool) {
        let listed = self.to_stop.iter().any(|entry| entry.channel.channel_id == channel.channel_id);
        if !listed && self.to_stop.len() < TO_STOP_MAX {
            self.to_stop.push(ToStop { channel, stray, not_before_ms: 0 });
        }
    }

    /// A channel is over, one way or the other.
    pub fn settled(&mut self, id: ChannelId) {
        self.to_stop.retain(|entry| entry.channel.channel_id != id);
        if !self.over.contains(&id) {
            self.over.push(id);
        }
        if self.over.len() > OVER_MAX {
            self.over.remove(0);
        }
    }

    /// Stopping failed: again later, unless it has run out by then anyway.
    pub fn stop_later(&mut self, id: ChannelId, at_ms: i64) {
        let Some(entry) = self.to_stop.iter_mut().find(|entry| entry.channel.channel_id == id) else { return };
        // A stray's expiry is unknown; its next notice would name it again.
        if entry.channel.expires_at_ms <= at_ms {
            self.settled(id);
        } else {
            entry.not_before_ms = at_ms;
        }
    }
}

impl SyncProgress {
    /// Adds a reason to what the next sync serves.
    pub fn add(&mut self, reason: SyncReason, notices: u32, received_at_ms: i64) {
        let next = PendingSync { reason, notices, received_at_ms, so_far: SyncCounts::default() };
        self.merge(next);
    }

    /// Merges a sync that was interrupted, or a new reason, into what the next sync serves.
    pub fn merge(&mut self, other: PendingSync) {
        self.pending = Some(match self.pending.take() {
            None => other,
            Some(pending) => PendingSync {
                reason: pending.reason.most_urgent(other.reason),
                notices: pending.notices.saturating_add(other.notices),
                received_at_ms: earliest(pending.received_at_ms, other.received_at_ms),
                so_far: if pending.so_far.started_at_ms == 0 { other.so_far } else { pending.so_far },
            },
        });
    }
}

/// The earlier of two instants where 0 means none.
fn earliest(one_ms: i64, other_ms: i64) -> i64 {
    match (one_ms, other_ms) {
        (0, only) | (only, 0) => only,
        (one_ms, other_ms) => one_ms.min(other_ms),
    }
}

#[cfg(test)]
mod tests;
