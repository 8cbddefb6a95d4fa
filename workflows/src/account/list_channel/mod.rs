//! The channel on an account's list of calendars: what is done about it next, and when. It has the same ladder as a calendar's
//! channel; there is no poller beside it, since the daily look finds what it misses.

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
        /// The provider's wish to wait, where the last one brought one.
        wish: Option<KeptWish>,
    },
    /// This list cannot be watched.
    Unsupported,
}

/// A provider's wish to be left alone, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWish {
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
            ListAttempts::Failed { wish: Some(KeptWish { until, is_shown: true }), .. } => Some(until),
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
    /// same. The live channel stays.
    pub(crate) fn ends_at_once(&mut self, opened: &ChannelOpened, timing: &Timing, id: &str, now: UnixMs) {
        self.add_to_stop(LiveChannel::of(opened).into());
        self.failed(&FailedCall::of(Cause::LifetimeTooShort), timing, id, now);
    }

    /// An attempt failed: the ladder, then once in the interval at which a lost channel is tried for.
    pub(crate) fn failed(&mut self, failed: &FailedCall, timing: &Timing, id: &str, now: UnixMs) {
        self.attempting = false;
        self.live.take_if(|live| live.expires_at <= now);
        if failed.kind() == Some(ProviderErrorKind::WatchUnsupported) {
            self.attempts = ListAttempts::Unsupported;
            return;
        }
        let (before, kept) = match self.attempts {
            ListAttempts::Failed { count, wish, .. } => (count, wish),
            ListAttempts::Fresh | ListAttempts::Unsupported => (0, None),
        };
        let cause = failed.cause();
        if cause.is_wider() {
            // It says nothing about this channel: no rung of the ladder.
            let next_at = now.plus_ms(waits::wider_pause_ms(cause, timing, id));
            self.attempts = ListAttempts::Failed { count: before, next_at, wish: None };
            return;
        }
        let rung = usize::try_from(before).unwrap_or(usize::MAX);
        let count = before.saturating_add(1);
        let regain_s = || jitter::around(timing.regain_interval_s, 10, id, u64::from(count));
        let pause_ms = i64::from(timing.ladder_s.get(rung).copied().unwrap_or_else(regain_s)) * 1_000;
        let is_repeated = waits::is_repeated(kept.map(|wish| wish.until), now);
        let wish_ms = failed.asked_wait_ms.map(|wish_ms| waits::kept_ms(wish_ms, is_repeated));
        let next_at = now.plus_ms(pause_ms.max(wish_ms.unwrap_or(0)));
        let wish = wish_ms.map(|wish_ms| KeptWish { until: now.plus_ms(wish_ms), is_shown: waits::is_shown(wish_ms) });
        self.attempts = ListAttempts::Failed { count, next_at, wish };
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
    pub fn heard(&mut self, hint: &ChannelHint) {
        let is_live = self.live.as_ref().is_some_and(|live| live.channel_id == hint.channel_id);
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
    pub fn settled(&mut self, id: ChannelId) {
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
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make ids")]

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    const START: UnixMs = UnixMs::EPOCH;

    fn opened(at: UnixMs, superseded: Vec<ChannelRef>) -> ChannelOpened {
        ChannelOpened {
            channel_id: ChannelId::generate(),
            remote_id: Some(evercal_domain::RemoteChannelId::new("resource")),
            opened_at: at,
            expires_at: at.plus_ms(7 * DAY_MS),
            superseded,
        }
    }

    fn next(channel: &ListChannel, now: UnixMs) -> ListChannelStep {
        channel.next_step(true, &Timing::default(), "acc_1", now)
    }

    /// When an attempt is repeated that failed.
    fn next_at(channel: &ListChannel) -> UnixMs {
        let ListAttempts::Failed { next_at, .. } = channel.attempts else { panic!("it failed: {channel:?}") };
        next_at
    }

    #[test]
    fn what_is_refused_whatever_the_channel_is_no_rung_of_its_ladder() {
        for cause in [Cause::ProviderOff, Cause::Provider(ProviderErrorKind::ProjectRefused)] {
            let mut channel = ListChannel::default();
            let mut now = START;
            for _ in 0..10 {
                channel.failed(&FailedCall::of(cause), &Timing::default(), "acc_1", now);
                let pause_ms = next_at(&channel).since_ms(now);
                assert!((1..=5 * 60_000).contains(&pause_ms), "{cause:?}: {pause_ms}");
                now = next_at(&channel);
            }
            channel.failed(&FailedCall::of(Cause::LifetimeTooShort), &Timing::default(), "acc_1", now);
            assert_eq!(next_at(&channel).since_ms(now), 5 * 60_000, "the first rung");
        }
    }

    #[test]
    fn it_is_opened_at_once_and_renewed_a_day_before_it_ends_and_its_predecessor_is_stopped() {
        let mut channel = ListChannel::default();
        assert_eq!(next(&channel, START), ListChannelStep::Attempt);
        assert_eq!(channel.next_step(false, &Timing::default(), "acc_1", START), ListChannelStep::Park);
        let first = opened(START, vec![]);
        channel.opened(&first);
        let ListChannelStep::WaitUntil { at } = next(&channel, START) else { panic!("it waits") };
        assert!((5 * DAY_MS..6 * DAY_MS).contains(&at.since_ms(START)), "{at}");
        assert_eq!(next(&channel, at), ListChannelStep::Attempt);
        let old = ChannelRef { channel_id: first.channel_id, remote_id: None, expires_at: Some(first.expires_at) };
        channel.opened(&opened(at, vec![old.clone()]));
        assert_eq!(next(&channel, at), ListChannelStep::Stop { channel: old });
        channel.settled(first.channel_id);
        assert!(matches!(next(&channel, at), ListChannelStep::WaitUntil { .. }));
    }

    #[test]
    fn a_failed_attempt_climbs_the_ladder_and_then_goes_on_once_an_hour() {
        let mut channel = ListChannel::default();
        let mut pauses = Vec::new();
        for _ in 0..4 {
            channel.failed(&FailedCall::of(Cause::NoAnswer), &Timing::default(), "acc_1", START);
            pauses.push(next_at(&channel).since_ms(START) / 60_000);
        }
        assert_eq!(pauses[..3], [5, 10, 20]);
        assert!((54..=66).contains(&pauses[3]), "{pauses:?}");
        let wish = FailedCall {
            asked_wait_ms: Some(DAY_MS),
            ..FailedCall::of(Cause::Provider(ProviderErrorKind::RateLimited))
        };
        let mut asked = ListChannel::default();
        asked.failed(&wish, &Timing::default(), "acc_1", START);
        assert_eq!(next_at(&asked), START.plus_ms(3_600_000), "an hour, until the provider repeats it");
        assert_eq!(asked.asked_until(), Some(next_at(&asked)), "which people see");
        channel.start_afresh();
        assert_eq!(next(&channel, START), ListChannelStep::Attempt, "new tokens pass the wait");
    }

    #[test]
    fn a_channel_that_would_end_at_once_is_stopped_and_the_live_one_stays_with_its_failed_attempts() {
        let mut channel = ListChannel::default();
        let live = opened(START, vec![]);
        channel.opened(&live);
        let live_ref = ChannelRef { channel_id: live.channel_id, remote_id: None, expires_at: Some(live.expires_at) };
        for failures in 1..=2 {
            let short = ChannelOpened { expires_at: START.plus_ms(1_000), ..opened(START, vec![live_ref.clone()]) };
            channel.ends_at_once(&short, &Timing::default(), "acc_1", START);
            assert_eq!(channel.live.as_ref().unwrap().channel_id, live.channel_id);
            assert!(matches!(channel.attempts, ListAttempts::Failed { count, .. } if count == failures));
            let ListChannelStep::Stop { channel: stopped } = next(&channel, START) else { panic!("it is stopped") };
            assert_eq!(stopped.channel_id, short.channel_id);
            channel.settled(short.channel_id);
            assert!(
                matches!(next(&channel, START), ListChannelStep::WaitUntil { at } if at >= START.plus_ms(300_000)),
                "the ladder"
            );
        }
    }

    #[test]
    fn a_list_that_cannot_be_watched_is_not_tried_again() {
        let mut channel = ListChannel::default();
        let unsupported = FailedCall::of(Cause::Provider(ProviderErrorKind::WatchUnsupported));
        channel.failed(&unsupported, &Timing::default(), "acc_1", START);
        assert_eq!(next(&channel, UnixMs::MAX), ListChannelStep::Park);
    }

    #[test]
    fn a_notice_on_a_channel_that_nobody_knows_has_it_stopped_once() {
        let mut channel = ListChannel::default();
        channel.opened(&opened(START, vec![]));
        let hint = |channel_id| ChannelHint {
            channel_id,
            remote_id: Some(evercal_domain::RemoteChannelId::new("r")),
            announces_change: true,
        };
        let (own, stray) = (channel.live.as_ref().unwrap().channel_id, ChannelId::generate());
        channel.heard(&hint(own));
        assert!(channel.to_stop.is_empty());
        channel.heard(&hint(stray));
        channel.heard(&hint(stray));
        assert_eq!(channel.to_stop.len(), 1);
        channel.stop_failed(stray, START);
        assert!(channel.to_stop.is_empty(), "nobody knows when it ends: its next notice names it again");
        channel.heard(&hint(stray));
        channel.settled(stray);
        channel.heard(&hint(stray));
        assert!(channel.to_stop.is_empty(), "its late notices cost nothing");
    }
}
