//! The state of a subscription: a plain value that signals change, that lanes read, and that travels to the next run.
//!
//! Everything here is pure; what a reader sees as the state is derived, so that no two fields can contradict each other.

mod channel;

use evercal_domain::{CalendarState, ChannelId, ProviderErrorKind, SyncReason, SyncStrategy};
use serde::{Deserialize, Serialize};

pub use channel::{ChannelProgress, LiveChannel, ToStop};

use crate::contract::{AccountChanged, ChannelOpened, ChannelRef, Notify, SyncCounts};
use crate::decide;
use crate::decide::channel::AfterFailure;
use crate::failure::FailedCall;
use crate::retry::Timing;

/// All that a subscription knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionState {
    /// The channel lane's part.
    pub channel: ChannelProgress,
    /// The sync lane's part.
    pub sync: SyncProgress,
    /// How changes are found.
    pub strategy: SyncStrategy,
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
    /// The provider asked not to be called before; 0 when it did not.
    #[serde(default)]
    pub not_before_ms: i64,
}

impl PendingSync {
    fn of(reason: SyncReason, notices: u32, received_at_ms: i64) -> Self {
        Self { reason, notices, received_at_ms, so_far: SyncCounts::default(), not_before_ms: 0 }
    }

    /// What is left of it when it failed. Whoever asked for a sync has an answer and waits no longer; a notice is still one
    /// that came.
    pub(super) fn after_failure(self) -> Self {
        let reason = match self.reason {
            SyncReason::Operator if self.notices > 0 => SyncReason::Notice,
            SyncReason::Operator => SyncReason::Reconcile,
            other => other,
        };
        Self::of(reason, self.notices, self.received_at_ms)
    }

    /// Until when it waits where another reason joins it: one that may push it aside may also call before.
    fn waits_until_ms(&self, joined_by: SyncReason) -> i64 {
        if decide::sync::overtakes(Some(joined_by), self.reason.priority()) { 0 } else { self.not_before_ms }
    }
}

impl SubscriptionState {
    /// The state of a new subscription: its first read is due.
    pub fn first(strategy: SyncStrategy) -> Self {
        let mut state = Self { strategy, ..Self::default() };
        state.sync.add(SyncReason::Connect, 0, 0);
        state
    }

    /// What the run before handed over. The poller is told its interval by each run: so one that somebody ended is missed.
    #[must_use]
    pub fn in_next_run(mut self) -> Self {
        self.channel.poller_interval_s = 0;
        self
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
        } else if channel.poll_only || !self.strategy.watches() {
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
            CalendarState::Creating if self.channel.bridging => Some("polled until the first channel is open".into()),
            CalendarState::PollOnly if !self.strategy.watches() => {
                Some("polled by choice: no channel is opened".into())
            }
            CalendarState::PollOnly => Some("the provider cannot watch this calendar; it is polled".into()),
            CalendarState::NeedsReauth => Some("the grant is dead: connect the account again".into()),
            CalendarState::ActionRequired => Some(
                "the provider refuses this calendar: check its sharing; it is tried again daily while it is listed"
                    .into(),
            ),
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
        if let Some(strategy) = change.strategy {
            self.change_strategy(strategy);
        }
        if change.listed && self.action_required {
            self.try_again();
            // Notices may have passed us by, and the old channel may be gone with the access.
            self.channel.renew_requested = self.channel.live.is_some();
            self.sync.add(SyncReason::CatchUp, 0, 0);
        }
    }

    /// What was refused may work again. It is given up again when it is confirmed that it does not.
    fn try_again(&mut self) {
        self.action_required = false;
        self.channel.start_afresh();
        self.sync.refusals = 0;
    }

    /// From now on changes are found in another way. Whichever way it goes, one of the two looks without a gap: the poller
    /// starts before the channel is stopped, and goes on until a channel is had.
    fn change_strategy(&mut self, strategy: SyncStrategy) {
        if strategy == self.strategy {
            return;
        }
        self.strategy = strategy;
        self.channel.bridging = self.channel.poller_runs && self.channel.live.is_none();
        self.set_unwanted_channel_aside();
    }

    /// An attempt may have been under way when no channel was wanted any more.
    fn set_unwanted_channel_aside(&mut self) {
        if !self.strategy.watches() {
            self.channel.set_aside();
        }
    }

    /// An operator wants it to go on, from a pause or from `action_required`.
    pub fn resume(&mut self) {
        self.paused = false;
        if self.action_required {
            self.try_again();
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
        channel.bridging = false;
        channel.renew_requested = false;
        for superseded in &opened.superseded {
            channel.add_to_stop(superseded.clone(), false);
        }
        channel.identify();
        self.sync.missed_pushes = 0;
        self.sync.add(SyncReason::NewChannel, 0, 0);
        self.set_unwanted_channel_aside();
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
        let after = decide::channel::after_failure(self, failed, timing, id, now_ms);
        let channel = &mut self.channel;
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
                channel.bridging = false;
                self.action_required = true;
            }
        }
        self.channel.identify();
        self.set_unwanted_channel_aside();
    }

    /// A channel was had that is of no use, and is to be stopped: a failed attempt, since another one at once would get the
    /// same. The live channel stays.
    pub(crate) fn channel_ends_at_once(&mut self, opened: &ChannelOpened, timing: &Timing, id: &str, now_ms: i64) {
        let ChannelOpened { channel_id, expires_at_ms, .. } = *opened;
        let resource_id = Some(opened.resource_id.clone());
        self.channel.add_to_stop(ChannelRef { channel_id, resource_id, expires_at_ms }, false);
        self.channel_failed(FailedCall { kind: None, wait_ms: 0 }, timing, id, now_ms);
        self.channel.last_failure = self.channel.last_failure.take().map(|_no_answer| "lifetime_too_short".to_owned());
    }

    /// A channel could not be stopped.
    pub(crate) fn stop_failed(&mut self, channel: ChannelId, kind: Option<ProviderErrorKind>, again_at_ms: i64) {
        let is_stray = self.channel.is_stray(channel);
        if !is_stray || kind == Some(ProviderErrorKind::GrantRevoked) {
            self.channel.stop_later(channel, again_at_ms);
        } else {
            self.channel.forget_stray(channel);
            // Whether it is one of the register's nobody could find out: what it announced may be a real change.
            self.sync.add(SyncReason::Notice, 1, 0);
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
            Some(pending) => PendingSync {
                reason: pending.reason.most_urgent(other.reason),
                notices: pending.notices.saturating_add(other.notices),
                received_at_ms: earliest(pending.received_at_ms, other.received_at_ms),
                so_far: if pending.so_far.started_at_ms == 0 { other.so_far } else { pending.so_far },
                not_before_ms: pending.waits_until_ms(other.reason).max(other.waits_until_ms(pending.reason)),
            },
        });
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

#[cfg(test)]
mod tests;
