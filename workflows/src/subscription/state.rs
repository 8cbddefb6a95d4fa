//! How the state of a subscription changes: by signals, by what lanes find out, and by what an operator wants.
//!
//! Everything here is pure; what a reader sees as the state is derived, so that no two fields can contradict each other.

use evercal_domain::{CalendarState, ChannelId, ProviderErrorKind, SyncReason, SyncStrategy, UnixMs};

use super::channel::decide::{AfterFailure, after_failure};
use super::channel::lifecycle::{self, LifecycleStep};
use super::channel::{ChannelProgress, Cover, NextAttempt, Push, StopReason, WantedChannel};
use super::sync::decide::{is_gone, refused_pause_ms};
use super::trouble::{Attempts, Refusal, RefusedCall, Trouble};
use super::{PendingSync, SubscriptionState};
use crate::contract::{AccountChanged, Cause, ChannelOpened, Failure, Grant, Lifecycle, Notify};
use crate::due::Due;
use crate::retry::Timing;
use crate::shared::failure::FailedCall;
use crate::shared::live_channel::LiveChannel;
use crate::shared::waits::WaitReason;

impl SubscriptionState {
    /// The state of a new subscription: its first read is due.
    pub fn first(strategy: SyncStrategy) -> Self {
        let channel = ChannelProgress { push: Push::first(strategy), ..ChannelProgress::default() };
        let mut state = Self { channel, strategy, ..Self::default() };
        state.sync.add(SyncReason::Connect, 0, None);
        state
    }

    /// The state of a subscription that begins with its end, so that it opens no channel first.
    pub fn closing(strategy: SyncStrategy, reason: String) -> Self {
        let mut state = Self::first(strategy);
        state.life.end(reason);
        state
    }

    /// The state as the next run begins with it.
    #[must_use]
    pub fn in_next_run(mut self) -> Self {
        self.channel.poller = self.channel.poller.in_next_run();
        self
    }

    /// The state as readers see it.
    pub fn state(&self) -> CalendarState {
        if self.life.is_withdrawn() {
            CalendarState::Closed
        } else if self.grant == Grant::Dead {
            CalendarState::NeedsReauth
        } else if self.refusal.is_some() {
            CalendarState::ActionRequired
        } else if self.paused {
            CalendarState::Paused
        } else {
            self.channel_state()
        }
    }

    fn channel_state(&self) -> CalendarState {
        match &self.channel.push {
            Push::Unwanted | Push::Unsupported { .. } => CalendarState::PollOnly,
            Push::Wanted(WantedChannel { cover: Cover::Fallback, .. }) => CalendarState::Polling,
            Push::Wanted(WantedChannel { live: None, .. }) => CalendarState::Creating,
            Push::Wanted(WantedChannel { failed: Some(_), .. }) => CalendarState::Renewing,
            Push::Wanted(_) if self.channel.attempt.is_some() => CalendarState::Renewing,
            Push::Wanted(_) => CalendarState::Live,
        }
    }

    /// One sentence about the state, for people.
    pub fn detail(&self) -> Option<String> {
        match self.state() {
            CalendarState::NeedsReauth => Some("the grant is dead: connect the account again".into()),
            CalendarState::ActionRequired => self.refusal.as_ref().map(Refusal::sentence),
            CalendarState::Closed => self.life.ending_reason().map(str::to_owned),
            CalendarState::Paused => None,
            _ => {
                let channel = self.channel.push.trouble().map(|trouble| trouble.sentence("its channel"));
                let reading = self.sync.trouble.as_ref().map(|trouble| trouble.sentence("reading"));
                let mut sentences: Vec<String> = self.channel_detail().into_iter().collect();
                for sentence in channel.into_iter().chain(reading) {
                    if !sentences.contains(&sentence) {
                        sentences.push(sentence);
                    }
                }
                (!sentences.is_empty()).then(|| sentences.join("; "))
            }
        }
    }

    fn channel_detail(&self) -> Option<String> {
        let wanted = match &self.channel.push {
            Push::Wanted(wanted) => wanted,
            Push::Unsupported { .. } if self.strategy.watches() => {
                return Some("the provider cannot watch this calendar; it is polled".into());
            }
            Push::Unwanted | Push::Unsupported { .. } => return Some("polled by choice: no channel is opened".into()),
        };
        match (wanted.cover, &wanted.failed) {
            (Cover::Fallback, failed) => {
                let failure = failed.as_ref().map_or_else(|| "unknown".to_owned(), |failed| failed.last.to_string());
                Some(format!("no channel could be opened ({failure}); polling meanwhile"))
            }
            (_, Some(failed)) => Some(format!("attempt {} failed ({}); it is repeated", failed.count, failed.last)),
            (Cover::PollerUntilFirstChannel, None) => Some("polled until the first channel is open".into()),
            (Cover::Nobody, None) => None,
        }
    }

    /// Takes a signal in.
    pub fn receive(&mut self, notify: &Notify) {
        if notify.reason != SyncReason::Notice || notify.channels.is_empty() {
            self.sync.merge(PendingSync::asked_by(notify));
            return;
        }
        let mut announced = false;
        for hint in &notify.channels {
            announced |= self.channel.identify(hint) && hint.announces_change;
        }
        if announced {
            self.sync.merge(PendingSync::asked_by(notify));
        }
    }

    /// Takes in what the provider says of the channel itself.
    pub fn lifecycle(&mut self, lifecycle: &Lifecycle, now: UnixMs) {
        match lifecycle::decide(&self.channel.push, lifecycle, now) {
            LifecycleStep::Nothing => {}
            LifecycleStep::Extend { at } => self.channel.push.extend_early(at),
            LifecycleStep::Replace => self.channel.push.suspect(),
            LifecycleStep::Sync => self.sync.add(SyncReason::CatchUp, 0, None),
        }
    }

    /// Something about the account changed.
    pub fn account_changed(&mut self, change: &AccountChanged) {
        match change.grant {
            Some(Grant::Dead) => self.grant = Grant::Dead,
            Some(Grant::Works) => self.grant_works(),
            None => {}
        }
        if let Some(strategy) = change.strategy {
            self.change_strategy(strategy);
        }
        if change.listed {
            self.try_refused_again(SyncReason::CatchUp);
            // The account may see the calendar otherwise than before: it is read anew.
            if self.refusal.is_none() && self.grant == Grant::Works {
                self.sync.add(SyncReason::CatchUp, 0, None);
            }
        }
    }

    /// Somebody consented again. A grant that worked all the time passes the waits too: the provider may ask less of it.
    fn grant_works(&mut self) {
        if self.grant == Grant::Dead {
            self.grant = Grant::Works;
            // Notices may have passed us by, and the old channel may be gone with the old grant.
            self.channel.push.start_afresh();
            // What could not be stopped with the dead grant can be stopped now.
            self.channel.to_stop.iter_mut().for_each(|entry| entry.not_before = Due::Now);
            self.sync.add(SyncReason::CatchUp, 0, None);
        }
        self.retry_after_until = None;
        self.channel.hurry();
        self.sync.hurry();
        if self.refusal.is_some() {
            self.try_refused_again(SyncReason::CatchUp);
        }
    }

    /// What failed is seen to work again: whoever waits for that waits no longer.
    pub fn retry_now(&mut self) {
        if self.channel.push.wait_reason() == WaitReason::Recovery {
            self.channel.hurry();
        }
        self.retry_sync_now();
    }

    /// The same, for the sync alone.
    pub(crate) fn retry_sync_now(&mut self) {
        if self.sync.trouble.as_ref().is_none_or(Trouble::may_pass) {
            self.sync.hurry();
        }
    }

    /// Tries what was refused once more. It stays refused until the provider is seen to answer.
    pub(crate) fn try_refused_again(&mut self, reason: SyncReason) {
        if let Some(refusal) = &mut self.refusal {
            refusal.trying = true;
            self.sync.add(reason, 0, None);
        }
    }

    /// The provider refuses this calendar, although others of its account answer.
    pub(crate) fn refused(&mut self, of: RefusedCall, failure: Failure, timing: &Timing, now: UnixMs) {
        let next_try_at = now.plus_ms(refused_pause_ms(timing, self.refusals_confirmed));
        self.refusals_confirmed = self.refusals_confirmed.saturating_add(1);
        self.refusal = Some(Refusal { failure, of, next_try_at, trying: false });
        self.sync.trouble = None;
        self.sync.reconcile_due_by(Due::At(next_try_at));
    }

    /// The store has no row of this calendar. When that stays so, it is gone, and so is the subscription.
    pub(crate) fn row_missing(&mut self, timing: &Timing, now: UnixMs) {
        let since = *self.sync.row_missing_since.get_or_insert(now);
        if is_gone(since, timing, now) {
            self.life.end("the store has no such calendar any more".to_owned());
        }
    }

    /// The provider let us read. What it had refused works again.
    pub(crate) fn read_works(&mut self) {
        self.sync.refusals = 0;
        self.sync.trouble = None;
        self.retry_after_until = None;
        // That reading works says nothing about a refused channel, but that it may be tried again.
        let is_over = |refusal: &mut Refusal| refusal.of == RefusedCall::Reading || refusal.trying;
        if let Some(refusal) = self.refusal.take_if(is_over) {
            // Notices may have passed us by, and the old channel may be gone with the access.
            self.channel.push.start_afresh();
            if refusal.of == RefusedCall::Reading && !self.strategy.watches() {
                self.refusals_confirmed = 0;
            }
        }
    }

    /// From now on changes are found in another way. Whichever way it goes, changes are found without a gap: the poller
    /// starts before the channel is stopped, and goes on until a channel is open.
    fn change_strategy(&mut self, strategy: SyncStrategy) {
        if strategy == self.strategy {
            return;
        }
        self.strategy = strategy;
        let unwanted = self.channel.push.follow(strategy, self.channel.poller);
        self.channel.stop_unwanted(unwanted);
    }

    /// An operator wants it to go on, from a pause or from `action_required`.
    pub fn resume(&mut self) {
        self.paused = false;
        self.sync.refusals = 0;
        self.try_refused_again(SyncReason::Operator);
        self.sync.add(SyncReason::Operator, 0, None);
    }

    /// Somebody asked for a sync. A calendar that is refused is tried again for that.
    pub fn sync_asked(&mut self) {
        self.try_refused_again(SyncReason::Operator);
        self.sync.add(SyncReason::Operator, 0, None);
    }

    /// Whether the sync lane has something to do.
    pub fn sync_wanted(&self) -> bool {
        self.sync.pending.is_some() && !self.reading_is_blocked()
    }

    /// Whether reasons wait, for a person to act or for a grant.
    pub fn reading_is_blocked(&self) -> bool {
        self.paused || self.grant == Grant::Dead || self.refusal.as_ref().is_some_and(|refusal| !refusal.trying)
    }

    /// A channel was opened, or its end put off. That none is wanted any more may have been said during the attempt.
    pub fn channel_opened(&mut self, opened: &ChannelOpened) {
        let channel = &mut self.channel;
        // A provider that asks for its channel to be extended may have paused what it announces until then.
        let may_have_paused = opened.kept && channel.push.is_extended_early();
        let unwanted = if opened.kept {
            // It was to be stopped while no channel was wanted; now one is, and this is it.
            channel.to_stop.retain(|entry| entry.channel.channel_id != opened.channel_id);
            channel.push.extended(LiveChannel::of(opened))
        } else {
            channel.push.opened(LiveChannel::of(opened))
        };
        for superseded in &opened.superseded {
            channel.add_to_stop(superseded.clone(), StopReason::Superfluous);
        }
        channel.attempt_ends(Some(opened.channel_id));
        channel.stop_unwanted(unwanted);
        self.retry_after_until = None;
        self.refusals_confirmed = 0;
        if !opened.kept {
            self.sync.missed_pushes = 0;
            self.sync.add(SyncReason::NewChannel, 0, None);
        } else if may_have_paused {
            self.sync.add(SyncReason::CatchUp, 0, None);
        }
    }

    /// An attempt at a channel failed.
    pub(crate) fn channel_failed(&mut self, failed: &FailedCall, timing: &Timing, id: &str, now: UnixMs) {
        self.channel.push.count_failure(failed, now);
        let after = after_failure(self, failed, timing, id, now);
        match after {
            AfterFailure::Repeat { wait } | AfterFailure::Fallback { wait } => {
                if let Push::Wanted(wanted) = &mut self.channel.push {
                    let failures = wanted.failed.as_ref().map_or(0, |failed| failed.count);
                    let trouble = Trouble::of(failed, Attempts::Failed(failures), &wait, now);
                    // What the state says already needs no second sentence.
                    let trouble = trouble.filter(|trouble| !matches!(trouble, Trouble::Failing { .. }));
                    wanted.next = NextAttempt::Repeated { due: Due::At(wait.until), reason: wait.reason, trouble };
                    if matches!(after, AfterFailure::Fallback { .. }) {
                        wanted.cover = Cover::Fallback;
                    }
                }
                if wait.reason == WaitReason::RetryAfter {
                    self.retry_after_until = Some(wait.until);
                }
            }
            AfterFailure::PollOnly => self.channel.push.mark_unsupported(),
            AfterFailure::NeedsReauth => self.grant = Grant::Dead,
            AfterFailure::ActionRequired => {
                if let Push::Wanted(wanted) = &mut self.channel.push {
                    wanted.cover = Cover::Nobody;
                }
                self.refused(RefusedCall::Watching, failed.failure.clone(), timing, now);
            }
        }
        self.channel.attempt_ends(None);
    }

    /// A channel was opened that is of no use, and is to be stopped: a failed attempt, since another one at once would get the
    /// same. The live channel stays, also where its own end was put off by too little.
    pub(crate) fn channel_ends_at_once(&mut self, opened: &ChannelOpened, timing: &Timing, id: &str, now: UnixMs) {
        if opened.kept {
            self.channel.push.ends_at(opened.expires_at);
        } else {
            self.channel.stop_unwanted(Some(LiveChannel::of(opened)));
        }
        self.channel_failed(&FailedCall::of(Cause::LifetimeTooShort), timing, id, now);
    }

    /// A channel could not be stopped.
    pub(crate) fn stop_failed(&mut self, channel: ChannelId, kind: Option<ProviderErrorKind>, again_at: UnixMs) {
        let is_stray = self.channel.is_to_stop(channel, StopReason::Stray);
        if !is_stray || kind == Some(ProviderErrorKind::GrantRevoked) {
            self.channel.stop_later(channel, again_at);
        } else {
            self.channel.forget_stray(channel);
            // Whether it is one of the register's nobody could find out: what it announced may be a real change.
            self.sync.add(SyncReason::Notice, 1, None);
        }
    }
}

#[cfg(test)]
mod tests;
