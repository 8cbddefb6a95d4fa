//! States of a subscription for tests, by what they mean: a test names what is so, and not how it is kept.

use evercal_domain::{ChannelId, ProviderErrorKind, SyncStrategy, UnixMs};

use crate::contract::{AccountChanged, Alert, Cause, Failure, Grant};
use crate::due::Due;
use crate::retry::Timing;
use crate::shared::live_channel::LiveChannel;
use crate::shared::waits::WaitReason;
use crate::subscription::{
    Cover, FailedAttempts, NextAttempt, Poller, Push, Refusal, RunningAttempt, SubscriptionState, ToStop, WantedChannel,
};

/// A channel that nobody else has.
pub(in crate::subscription) fn live(opened_at: UnixMs, expires_at: UnixMs) -> LiveChannel {
    #[expect(clippy::disallowed_methods, reason = "tests make ids")]
    let channel_id = ChannelId::generate();
    LiveChannel { channel_id, remote_id: None, opened_at, expires_at }
}

impl SubscriptionState {
    /// Begun with this strategy, its first read done.
    pub(in crate::subscription) fn quiet(strategy: SyncStrategy) -> Self {
        let mut state = Self::first(strategy);
        state.sync.pending = None;
        state
    }

    /// Watched by this channel.
    pub(in crate::subscription) fn watched_by(live: LiveChannel) -> Self {
        let mut state = Self::quiet(SyncStrategy::Webhook);
        state.wanted().live = Some(live);
        state
    }

    /// The channel of a subscription that wants one.
    fn wanted(&mut self) -> &mut WantedChannel {
        let Push::Wanted(wanted) = &mut self.channel.push else { panic!("no channel is wanted") };
        wanted
    }

    /// The same, with another strategy.
    pub(in crate::subscription) fn choosing(mut self, strategy: SyncStrategy) -> Self {
        self.account_changed(&AccountChanged { strategy: Some(strategy), ..AccountChanged::default() });
        self
    }

    pub(in crate::subscription) fn closing_for(mut self, reason: &str) -> Self {
        self.life.end(reason.to_owned());
        self
    }

    pub(in crate::subscription) fn with_dead_grant(mut self) -> Self {
        self.grant = Grant::Dead;
        self
    }

    pub(in crate::subscription) fn with_refusal(mut self, refusal: Refusal) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// An attempt at a channel is under way.
    pub(in crate::subscription) fn attempting(mut self) -> Self {
        self.channel.attempt = Some(RunningAttempt::default());
        self
    }

    /// So many attempts at a channel have failed, and the next one is due then.
    pub(in crate::subscription) fn after_failures(mut self, failures: u32, next_attempt: Option<Due>) -> Self {
        let last = Failure::of(Cause::Provider(ProviderErrorKind::TemporaryFailure));
        self.wanted().failed = (failures > 0).then_some(FailedAttempts { count: failures, refusals: 0, last });
        if let Some(due) = next_attempt {
            self.wanted().next = NextAttempt::Repeated { due, reason: WaitReason::Recovery, trouble: None };
        }
        self
    }

    /// So many of the failed attempts said that the calendar is not found, or forbidden.
    pub(in crate::subscription) fn after_refusals(mut self, refusals: u32) -> Self {
        if let Some(failed) = &mut self.wanted().failed {
            failed.refusals = refusals;
        }
        self
    }

    /// The ladder is used up.
    pub(in crate::subscription) fn in_fallback(mut self) -> Self {
        self.wanted().cover = Cover::Fallback;
        self
    }

    /// The provider cannot watch the calendar.
    pub(in crate::subscription) fn unwatchable(mut self) -> Self {
        self.channel.push.mark_unsupported();
        self
    }

    /// The channel is suspect.
    pub(in crate::subscription) fn with_renewal_requested(mut self) -> Self {
        self.channel.push.suspect();
        self
    }

    /// The poller runs, with the interval that is configured.
    pub(in crate::subscription) fn with_poller(self) -> Self {
        self.with_poller_interval(Some(Timing::default().polling_interval_s))
    }

    /// The poller runs, with this interval, set by this run.
    pub(in crate::subscription) fn with_poller_interval(mut self, interval_s: Option<u32>) -> Self {
        self.channel.poller = Poller::Runs { interval_s };
        self
    }

    pub(in crate::subscription) fn without_poller(mut self) -> Self {
        self.channel.poller = Poller::Stopped;
        self
    }

    /// This is what was last said about the lost channel.
    pub(in crate::subscription) fn with_alert(mut self, alert: Alert) -> Self {
        self.channel.alert = alert;
        self
    }

    pub(in crate::subscription) fn with_channel_to_stop(mut self, entry: ToStop) -> Self {
        self.channel.to_stop.push(entry);
        self
    }
}
