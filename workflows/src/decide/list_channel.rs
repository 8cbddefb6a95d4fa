//! The channel on an account's list of calendars: what is done about it next, and when. It has the same ladder as a calendar's
//! channel; there is no poller beside it, since the daily look finds what it misses.

use evercal_domain::{ChannelId, ProviderErrorKind};
use serde::{Deserialize, Serialize};

use super::channel::renewal_due_ms;
use super::{jitter, waits};
use crate::contract::{ChannelHint, ChannelOpened, ChannelRef};
use crate::failure::{Cause, FailedCall};
use crate::retry::Timing;
use crate::subscription::LiveChannel;

/// Channels that may wait to be stopped. Tokens are signed, so only channels that we once made get here.
const TO_STOP_MAX: usize = 16;
/// Channels remembered as over, so that their late notices cost nothing.
const OVER_MAX: usize = 8;
/// When stopping a channel that could not be stopped is tried again, in milliseconds.
const STOP_AGAIN_MS: i64 = 3_600_000;

/// What is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListChannel {
    /// The channel that is live.
    pub live: Option<LiveChannel>,
    /// Whether an attempt at one is under way.
    pub attempting: bool,
    /// Failed attempts since one was last had.
    pub failures: u32,
    /// When the next attempt is due, if the last one failed.
    pub next_attempt_at_ms: Option<i64>,
    /// Until when the last wish to wait was kept; 0 when there was none.
    pub wish_until_ms: i64,
    /// The same, where it is so long that people have to see it.
    pub asked_until_ms: Option<i64>,
    /// This list cannot be watched.
    pub unsupported: bool,
    /// Channels to stop, and when to try.
    pub to_stop: Vec<(ChannelRef, i64)>,
    /// Channels that are over.
    pub over: Vec<ChannelId>,
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
        /// Unix milliseconds.
        at_ms: i64,
    },
    /// Nothing until something changes.
    Park,
}

impl ListChannel {
    /// What to do next, while the account can make calls.
    pub fn next_step(&self, is_wanted: bool, timing: &Timing, id: &str, now_ms: i64) -> ListChannelStep {
        let attempt_ms = is_wanted.then(|| self.attempt_due_ms(timing, id)).flatten();
        if attempt_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            return ListChannelStep::Attempt;
        }
        if let Some((channel, _)) = self.to_stop.iter().find(|(_, at_ms)| *at_ms <= now_ms) {
            return ListChannelStep::Stop { channel: channel.clone() };
        }
        let stop_ms = self.to_stop.iter().map(|(_, at_ms)| *at_ms).min();
        match attempt_ms.into_iter().chain(stop_ms).min() {
            Some(at_ms) => ListChannelStep::WaitUntil { at_ms },
            None => ListChannelStep::Park,
        }
    }

    fn attempt_due_ms(&self, timing: &Timing, id: &str) -> Option<i64> {
        match (&self.live, self.next_attempt_at_ms) {
            _ if self.unsupported => None,
            (_, Some(at_ms)) => Some(at_ms),
            (None, None) => Some(0),
            (Some(live), None) => Some(renewal_due_ms(live, timing, id)),
        }
    }

    /// A channel was had.
    pub fn opened(&mut self, opened: &ChannelOpened) {
        self.attempting = false;
        self.start_afresh();
        self.live = Some(LiveChannel {
            channel_id: opened.channel_id,
            resource_id: opened.resource_id.clone(),
            opened_at_ms: opened.opened_at_ms,
            expires_at_ms: opened.expires_at_ms,
        });
        opened.superseded.iter().for_each(|channel| self.add_to_stop(channel.clone()));
        self.to_stop.retain(|(channel, _)| channel.channel_id != opened.channel_id);
    }

    /// A channel was had that is of no use, and is to be stopped: a failed attempt, since another one at once would get the
    /// same. The live channel stays.
    pub(crate) fn ends_at_once(&mut self, opened: &ChannelOpened, timing: &Timing, id: &str, now_ms: i64) {
        let ChannelOpened { channel_id, expires_at_ms, .. } = *opened;
        let resource_id = Some(opened.resource_id.clone());
        self.add_to_stop(ChannelRef { channel_id, resource_id, expires_at_ms });
        self.failed(&FailedCall::of(Cause::NoAnswer), timing, id, now_ms);
    }

    /// An attempt failed: the ladder, then once in the interval at which a lost channel is tried for.
    pub(crate) fn failed(&mut self, failed: &FailedCall, timing: &Timing, id: &str, now_ms: i64) {
        self.attempting = false;
        self.failures = self.failures.saturating_add(1);
        self.live = self.live.take().filter(|live| live.expires_at_ms > now_ms);
        if failed.kind() == Some(ProviderErrorKind::WatchUnsupported) {
            self.unsupported = true;
            return;
        }
        let rung = usize::try_from(self.failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let regain_s = || jitter::around(timing.regain_interval_s, 10, id, u64::from(self.failures));
        let pause_ms = i64::from(timing.ladder_s.get(rung).copied().unwrap_or_else(regain_s)) * 1_000;
        let is_repeated = self.wish_until_ms > 0 && self.wish_until_ms <= now_ms;
        let wish_ms = waits::kept_ms(failed.wait_ms, is_repeated);
        self.wish_until_ms = if wish_ms > 0 { now_ms.saturating_add(wish_ms) } else { 0 };
        self.asked_until_ms = waits::is_shown(wish_ms).then_some(self.wish_until_ms);
        self.next_attempt_at_ms = Some(now_ms.saturating_add(pause_ms.max(wish_ms)));
    }

    /// Forgets failed attempts: there are new tokens, or somebody does not want to wait.
    pub fn start_afresh(&mut self) {
        self.failures = 0;
        self.next_attempt_at_ms = None;
        self.wish_until_ms = 0;
        self.asked_until_ms = None;
        self.unsupported = false;
        self.to_stop.iter_mut().for_each(|(_, at_ms)| *at_ms = 0);
    }

    /// No channel is wanted any more: the live one is stopped.
    pub fn set_aside(&mut self) {
        if let Some(LiveChannel { channel_id, resource_id, expires_at_ms, .. }) = self.live.take() {
            self.add_to_stop(ChannelRef { channel_id, resource_id: Some(resource_id), expires_at_ms });
        }
    }

    /// A notice came on this channel: one that nobody knows is stopped.
    pub fn heard(&mut self, hint: &ChannelHint) {
        let is_live = self.live.as_ref().is_some_and(|live| live.channel_id == hint.channel_id);
        // The first notice may overtake the answer that makes the channel known.
        if !is_live && !self.attempting && !self.over.contains(&hint.channel_id) {
            let resource_id = hint.resource_id.clone();
            self.add_to_stop(ChannelRef { channel_id: hint.channel_id, resource_id, expires_at_ms: 0 });
        }
    }

    fn add_to_stop(&mut self, channel: ChannelRef) {
        let listed = self.to_stop.iter().any(|(listed, _)| listed.channel_id == channel.channel_id);
        if !listed && self.to_stop.len() < TO_STOP_MAX {
            self.to_stop.push((channel, 0));
        }
    }

    /// A channel is over, one way or the other.
    pub fn settled(&mut self, id: ChannelId) {
        self.to_stop.retain(|(channel, _)| channel.channel_id != id);
        self.over.push(id);
        if self.over.len() > OVER_MAX {
            self.over.remove(0);
        }
    }

    /// A channel could not be stopped: again later, unless nobody knows when it ends or it has ended by then.
    pub fn stop_failed(&mut self, id: ChannelId, now_ms: i64) {
        let again_ms = now_ms + STOP_AGAIN_MS;
        self.to_stop.retain(|(channel, _)| channel.channel_id != id || channel.expires_at_ms > again_ms);
        self.to_stop
            .iter_mut()
            .filter(|(channel, _)| channel.channel_id == id)
            .for_each(|(_, at_ms)| *at_ms = again_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn opened(at_ms: i64, superseded: Vec<ChannelRef>) -> ChannelOpened {
        ChannelOpened {
            channel_id: ChannelId::generate(),
            resource_id: "resource".into(),
            opened_at_ms: at_ms,
            expires_at_ms: at_ms + 7 * DAY_MS,
            superseded,
        }
    }

    fn next(channel: &ListChannel, now_ms: i64) -> ListChannelStep {
        channel.next_step(true, &Timing::default(), "acc_1", now_ms)
    }

    #[test]
    fn it_is_opened_at_once_and_renewed_a_day_before_it_ends_and_its_predecessor_is_stopped() {
        let mut channel = ListChannel::default();
        assert_eq!(next(&channel, 0), ListChannelStep::Attempt);
        assert_eq!(channel.next_step(false, &Timing::default(), "acc_1", 0), ListChannelStep::Park);
        let first = opened(0, vec![]);
        channel.opened(&first);
        let ListChannelStep::WaitUntil { at_ms } = next(&channel, 0) else { panic!("it waits") };
        assert!((5 * DAY_MS..6 * DAY_MS).contains(&at_ms), "{at_ms}");
        assert_eq!(next(&channel, at_ms), ListChannelStep::Attempt);
        let old = ChannelRef { channel_id: first.channel_id, resource_id: None, expires_at_ms: first.expires_at_ms };
        channel.opened(&opened(at_ms, vec![old.clone()]));
        assert_eq!(next(&channel, at_ms), ListChannelStep::Stop { channel: old });
        channel.settled(first.channel_id);
        assert!(matches!(next(&channel, at_ms), ListChannelStep::WaitUntil { .. }));
    }

    #[test]
    fn a_failed_attempt_climbs_the_ladder_and_then_goes_on_once_an_hour() {
        let mut channel = ListChannel::default();
        let mut pauses = Vec::new();
        for _ in 0..4 {
            channel.failed(&FailedCall::of(Cause::NoAnswer), &Timing::default(), "acc_1", 0);
            pauses.push(channel.next_attempt_at_ms.unwrap() / 60_000);
        }
        assert_eq!(pauses[..3], [5, 10, 20]);
        assert!((54..=66).contains(&pauses[3]), "{pauses:?}");
        let wish = FailedCall { wait_ms: DAY_MS, ..FailedCall::of(Cause::Provider(ProviderErrorKind::RateLimited)) };
        let mut asked = ListChannel::default();
        asked.failed(&wish, &Timing::default(), "acc_1", 0);
        assert_eq!(asked.next_attempt_at_ms, Some(3_600_000), "an hour, until the provider repeats it");
        channel.start_afresh();
        assert_eq!(next(&channel, 0), ListChannelStep::Attempt, "new tokens pass the wait");
    }

    #[test]
    fn a_channel_that_would_end_at_once_is_stopped_and_the_live_one_stays_with_its_failed_attempts() {
        let mut channel = ListChannel::default();
        let live = opened(0, vec![]);
        channel.opened(&live);
        let live_ref = ChannelRef { channel_id: live.channel_id, resource_id: None, expires_at_ms: live.expires_at_ms };
        for failures in 1..=2 {
            let short = ChannelOpened { expires_at_ms: 1_000, ..opened(0, vec![live_ref.clone()]) };
            channel.ends_at_once(&short, &Timing::default(), "acc_1", 0);
            assert_eq!((channel.live.as_ref().unwrap().channel_id, channel.failures), (live.channel_id, failures));
            let ListChannelStep::Stop { channel: stopped } = next(&channel, 0) else { panic!("it is stopped") };
            assert_eq!(stopped.channel_id, short.channel_id);
            channel.settled(short.channel_id);
            assert!(
                matches!(next(&channel, 0), ListChannelStep::WaitUntil { at_ms } if at_ms >= 300_000),
                "the ladder"
            );
        }
    }

    #[test]
    fn a_list_that_cannot_be_watched_is_not_tried_again() {
        let mut channel = ListChannel::default();
        let unsupported = FailedCall::of(Cause::Provider(ProviderErrorKind::WatchUnsupported));
        channel.failed(&unsupported, &Timing::default(), "acc_1", 0);
        assert_eq!(next(&channel, i64::MAX), ListChannelStep::Park);
    }

    #[test]
    fn a_notice_on_a_channel_that_nobody_knows_has_it_stopped_once() {
        let mut channel = ListChannel::default();
        channel.opened(&opened(0, vec![]));
        let hint = |channel_id| ChannelHint { channel_id, resource_id: Some("r".into()), announces_change: true };
        let (own, stray) = (channel.live.as_ref().unwrap().channel_id, ChannelId::generate());
        channel.heard(&hint(own));
        assert!(channel.to_stop.is_empty());
        channel.heard(&hint(stray));
        channel.heard(&hint(stray));
        assert_eq!(channel.to_stop.len(), 1);
        channel.stop_failed(stray, 0);
        assert!(channel.to_stop.is_empty(), "nobody knows when it ends: its next notice names it again");
        channel.heard(&hint(stray));
        channel.settled(stray);
        channel.heard(&hint(stray));
        assert!(channel.to_stop.is_empty(), "its late notices cost nothing");
    }
}
