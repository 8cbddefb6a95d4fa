//! States of a subscription for tests, by what they mean: a test names what is so, and not how it is kept.

use evercal_domain::{ChannelId, SyncStrategy, UnixMs};

use super::{Poller, Refusal, SubscriptionState, ToStop};
use crate::contract::{AccountChanged, Alert, Grant};
use crate::due::Due;
use crate::retry::Timing;
use crate::shared::live_channel::LiveChannel;

/// A channel that nobody else has.
pub(super) fn live(opened_at: UnixMs, expires_at: UnixMs) -> LiveChannel {
    #[expect(clippy::disallowed_methods, reason = "tests make ids")]
    let channel_id = ChannelId::generate();
    LiveChannel { channel_id, remote_id: None, opened_at, expires_at }
}

impl SubscriptionState {
    /// Begun with this strategy, its first read done.
    pub(super) fn quiet(strategy: SyncStrategy) -> Self {
        let mut state = Self::first(strategy);
        state.sync.pending = None;
        state
    }

    /// Watched by this channel.
    pub(super) fn watched_by(live: LiveChannel) -> Self {
        let mut state = Self::quiet(SyncStrategy::Webhook);
        state.channel.live = Some(live);
        state
    }

    /// The same, with another strategy.
    pub(super) fn choosing(mut self, strategy: SyncStrategy) -> Self {
        self.account_changed(&AccountChanged { strategy: Some(strategy), ..AccountChanged::default() });
        self
    }

    pub(super) fn closing_for(mut self, reason: &str) -> Self {
        self.life.end(reason.to_owned());
        self
    }

    pub(super) fn with_dead_grant(mut self) -> Self {
        self.grant = Grant::Dead;
        self
    }

    pub(super) fn with_refusal(mut self, refusal: Refusal) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// An attempt at a channel is under way.
    pub(super) fn attempting(mut self) -> Self {
        self.channel.attempting = true;
        self
    }

    /// So many attempts at a channel have failed, and the next one is due then.
    pub(super) fn after_failures(mut self, failures: u32, next_attempt: Option<Due>) -> Self {
        self.channel.failures = failures;
        self.channel.next_attempt = next_attempt;
        self
    }

    /// So many of the failed attempts said that the calendar is not found, or forbidden.
    pub(super) fn after_refusals(mut self, refusals: u32) -> Self {
        self.channel.refusals = refusals;
        self
    }

    /// The ladder is used up.
    pub(super) fn in_fallback(mut self) -> Self {
        self.channel.fallback = true;
        self
    }

    /// The provider cannot watch the calendar.
    pub(super) fn unwatchable(mut self) -> Self {
        self.channel.poll_only = true;
        self
    }

    /// The channel is suspect.
    pub(super) fn with_renewal_requested(mut self) -> Self {
        self.channel.renew_requested = true;
        self
    }

    /// The poller runs, and was told the interval that is configured.
    pub(super) fn with_poller(self) -> Self {
        self.with_poller_told(Some(Timing::default().polling_interval_s))
    }

    /// The poller runs, and was told this interval by this run.
    pub(super) fn with_poller_told(mut self, interval_s: Option<u32>) -> Self {
        self.channel.poller = Poller::Runs { told_interval_s: interval_s };
        self
    }

    pub(super) fn without_poller(mut self) -> Self {
        self.channel.poller = Poller::Stopped;
        self
    }

    /// This is what was last said about the lost channel.
    pub(super) fn with_alert(mut self, alert: Alert) -> Self {
        self.channel.alert = alert;
        self
    }

    pub(super) fn with_channel_to_stop(mut self, entry: ToStop) -> Self {
        self.channel.to_stop.push(entry);
        self
    }
}
