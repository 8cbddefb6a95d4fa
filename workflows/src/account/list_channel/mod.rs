//! The channel on an account's list of calendars: what is done about it next, and when. It has the same ladder as a calendar's
//! channel; there is no poller beside it, since the daily discovery finds what it misses.

pub(super) mod lane;

use evercal_domain::{ChannelId, ProviderErrorKind, UnixMs};
use serde::{Deserialize, Serialize};

use crate::contract::{Cause, ChannelHint, ChannelOpened, ChannelRef};
use crate::due::Due;
use crate::retry::Timing;
use crate::shared::failure::FailedCall;
use crate::shared::live_channel::{LiveChannel, renewal_due_at};
use crate::shared::{jitter, waits};

/// Channels that may wait to be stopped. Tokens are signed, so only channels that we once made get here.
const TO_STOP_MAX: usize = 16;
/// Channels remembered as over, so that their late notices cost nothing.
const OVER_MAX: usize = 8;
/// When stopping a channel that could not be stopped is tried again, in milliseconds.
const STOP_AGAIN_MS: i64 = 3_600_000;

/// What is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListChannel {
    /// The channel that is live.
    pub live: Option<LiveChannel>,
    /// Whether an attempt at one is under way.
    pub attempting: bool,
    /// What came of the last attempts.
    pub attempts: ListAttempts,
    /// Channels to stop.
    pub to_stop: Vec<ToStop>,
    /// Channels that are over.
    pub over: Vec<ChannelId>,
}

/// What came of the last attempts at a channel on the list of calendars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ListAttempts {
    /// None has failed since one was last opened.
    #[default]
    Fresh,
    /// They failed.
    Failed {
        /// How many, one after the other.
        count: u32,
        /// When the next one is due.
        next_at: UnixMs,
        /// The provider's `Retry-After`, where the last one brought one.
        retry_after: Option<KeptRetryAfter>,
    },
    /// This list cannot be watched.
    Unsupported,
}

/// A provider's `Retry-After`, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRetryAfter {
    /// Until when.
    pub until: UnixMs,
    /// Whether that is so long that people have to see it.
    pub is_shown: bool,
}

/// A channel on the list of calendars that is to be stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToStop {
    /// Which.
    pub channel: ChannelRef,
    /// When to try (again).
    pub not_before: Due,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChannelStep {
    /// Open a channel now.
    Attempt,
    /// Stop a channel that is not needed.
    Stop {
        /// Which.
        channel: ChannelRef,
    },
    /// Nothing until then.
    WaitUntil {
        /// When something is due.
        at: UnixMs,
    },
    /// Nothing until something changes.
    Park,
}

impl ListChannel {
    /// What to do next, while the account can make calls.
    pub fn next_step(&self, is_wanted: bool, timing: &Timing, id: &str, now: UnixMs) -> ListChannelStep {
        let attempt_due = is_wanted.then(|| self.attempt_due(timing, id)).flatten();
        if attempt_due.is_some_and(|due| due.has_come(now)) {
            return ListChannelStep::Attempt;
        }
        if let Some(next) = self.to_stop.iter().find(|entry| entry.not_before.has_come(now)) {
            return ListChannelStep::Stop { channel: next.channel.clone() };
        }
        let stops_due = self.to_stop.iter().map(|entry| entry.not_before);
        match attempt_due.into_iter().chain(stops_due).filter_map(Due::instant).min() {
            Some(at) => ListChannelStep::WaitUntil { at },
            None => ListChannelStep::Park,
        }
    }

    fn attempt_due(&self, timing: &Timing, id: &str) -> Option<Due> {
        match (self.attempts, &self.live) {
            (ListAttempts::Unsupported, _) => None,
            (ListAttempts::Failed { next_at, .. }, _) => Some(Due::At(next_at)),
            (ListAttempts::Fresh, None) => Some(Due::Now),
            (ListAttempts::Fresh, Some(live)) => Some(Due::At(renewal_due_at(live, timing, id))),
        }
    }

    /// Until when the provider asked us to wait, where that is so long that people have to see it.
    pub fn asked_until(&self) -> Option<UnixMs> {
        match self.attempts {
            ListAttempts::Failed { retry_after: Some(KeptRetryAfter { until, is_shown: true }), .. } => Some(until),
            ListAttempts::Fresh | ListAttempts::Failed { .. } | ListAttempts::Unsupported => None,
        }
    }

    /// A channel was opened.
    pub fn opened(&mut self, opened: &ChannelOpened) {
        self.attempting = false;
        self.start_afresh();
        self.live = Some(LiveChannel::of(opened));
        opened.superseded.iter().for_each(|channel| self.add_to_stop(channel.clone()));
        self.to_stop.retain(|entry| entry.channel.channel_id != opened.channel_id);
    }

    /// A channel was opened that is of no use, and is to be stopped: a failed attempt, since another one at once would get the
    /// same. The live channel stays, also where its own end was put off by too little.
    pub(crate) fn ends_at_once(&mut self, opened: &ChannelOpened, timing: &Timing, id: &str, now: UnixMs) {
        match &mut self.live {
            Some(live) if opened.kept => live.expires_at = opened.expires_at,
            _ => self.add_to_stop(LiveChannel::of(opened).into()),
        }
        self.failed(&FailedCall::of(Cause::LifetimeTooShort), timing, id, now);
    }

    /// An attempt failed: the ladder, then once in each `regain_interval_s`.
    pub(crate) fn failed(&mut self, failed: &FailedCall, timing: &Timing, id: &str, now: UnixMs) {
        self.attempting = false;
        self.live.take_if(|live| live.expires_at <= now);
        if failed.kind() == Some(ProviderErrorKind::WatchUnsupported) {
            self.attempts = ListAttempts::Unsupported;
            return;
        }
        let (before, kept) = match self.attempts {
            ListAttempts::Failed { count, retry_after, .. } => (count, retry_after),
            ListAttempts::Fresh | ListAttempts::Unsupported => (0, None),
        };
        let (cause, rung) = (failed.cause(), usize::try_from(before).unwrap_or(usize::MAX));
        // What is refused whatever the channel says nothing about this one: no rung of the ladder.
        let count = if cause.is_wider() { before } else { before.saturating_add(1) };
        let regain_s = || jitter::around(timing.regain_interval_s, 10, id, u64::from(count));
        let pause_ms = if cause.is_wider() {
            waits::wider_pause_ms(cause, timing, id)
        } else {
            i64::from(timing.ladder_s.get(rung).copied().unwrap_or_else(regain_s)) * 1_000
        };
        let is_repeated = waits::is_repeated(kept.map(|retry_after| retry_after.until), now);
        let retry_after_ms = failed.retry_after_ms.map(|retry_after_ms| waits::kept_ms(retry_after_ms, is_repeated));
        let next_at = now.plus_ms(pause_ms.max(retry_after_ms.unwrap_or(0)));
        let retry_after = retry_after_ms.map(|retry_after_ms| KeptRetryAfter {
            until: now.plus_ms(retry_after_ms),
            is_shown: waits::is_shown(retry_after_ms),
        });
        self.attempts = ListAttempts::Failed { count, next_at, retry_after };
    }

    /// Forgets failed attempts: there are new tokens, or somebody does not want to wait.
    pub fn start_afresh(&mut self) {
        self.attempts = ListAttempts::Fresh;
        self.to_stop.iter_mut().for_each(|entry| entry.not_before = Due::Now);
    }

    /// No channel is wanted any more: the live one is stopped.
    pub fn set_aside(&mut self) {
        if let Some(live) = self.live.take() {
            self.add_to_stop(live.into());
        }
    }

    /// A notice came on this channel: one that nobody knows is stopped.
    pub fn receive(&mut self, hint: &ChannelHint) {
        let is_live = self.live.as_ref().is_some_and(|live| live.is_of(hint));
        // The first notice may overtake the answer that makes the channel known.
        if !is_live && !self.attempting && !self.over.contains(&hint.channel_id) {
            let remote_id = hint.remote_id.clone();
            self.add_to_stop(ChannelRef { channel_id: hint.channel_id, remote_id, expires_at: None });
        }
    }

    fn add_to_stop(&mut self, channel: ChannelRef) {
        let listed = self.to_stop.iter().any(|entry| entry.channel.channel_id == channel.channel_id);
        if !listed && self.to_stop.len() < TO_STOP_MAX {
            self.to_stop.push(ToStop { channel, not_before: Due::Now });
        }
    }

    /// A channel is over, one way or the other.
    pub fn mark_over(&mut self, id: ChannelId) {
        self.to_stop.retain(|entry| entry.channel.channel_id != id);
        self.over.push(id);
        if self.over.len() > OVER_MAX {
            self.over.remove(0);
        }
    }

    /// A channel could not be stopped: again later, unless nobody knows when it ends or it has ended by then.
    pub fn stop_failed(&mut self, id: ChannelId, now: UnixMs) {
        let again_at = now.plus_ms(STOP_AGAIN_MS);
        let lives_on = |channel: &ChannelRef| channel.expires_at.is_some_and(|expires_at| expires_at > again_at);
        self.to_stop.retain(|entry| entry.channel.channel_id != id || lives_on(&entry.channel));
        let of_it = self.to_stop.iter_mut().filter(|entry| entry.channel.channel_id == id);
        of_it.for_each(|entry| entry.not_before = Due::At(again_at));
    }
}

#[cfg(test)]
mod tests;
