//! A channel that is live, on a calendar or on an account's list of calendars: the lifetime that is asked for, and when it is
//! renewed.

use evercal_domain::{ChannelId, RemoteChannelId, UnixMs};
use serde::{Deserialize, Serialize};

use super::jitter;
use crate::contract::{ChannelHint, ChannelOpened, ChannelRef, Renewed};
use crate::retry::{CHANNEL_LIFETIME_MIN_S, Timing};

/// A live channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveChannel {
    /// Its id.
    pub channel_id: ChannelId,
    /// What the provider calls it.
    pub remote_id: Option<RemoteChannelId>,
    /// When it was opened, or its end put off last.
    pub opened_at: UnixMs,
    /// When the provider ends it.
    pub expires_at: UnixMs,
}

impl LiveChannel {
    /// One that was opened just now.
    pub(crate) fn of(opened: &ChannelOpened) -> Self {
        let ChannelOpened { channel_id, opened_at, expires_at, .. } = *opened;
        Self { channel_id, remote_id: opened.remote_id.clone(), opened_at, expires_at }
    }

    /// Whether a notice came on it: by what the provider calls the channel, where both say so. Of two that a provider made under
    /// one id of ours, because it had lost an answer, only one is this.
    pub(crate) fn is_of(&self, hint: &ChannelHint) -> bool {
        match (&self.remote_id, &hint.remote_id) {
            (Some(known), Some(named)) => known == named,
            _ => self.channel_id == hint.channel_id,
        }
    }

    /// The channel as its renewal names it.
    pub(crate) fn renewed(&self) -> Renewed {
        Renewed { channel: self.clone().into(), alive_at: self.opened_at }
    }
}

impl From<LiveChannel> for ChannelRef {
    fn from(LiveChannel { channel_id, remote_id, expires_at, .. }: LiveChannel) -> Self {
        Self { channel_id, remote_id, expires_at: Some(expires_at) }
    }
}

/// When a live channel's renewal is due: the lead before its expiry (half its life where that is shorter than two
/// leads), and earlier by the margin and by the offset of the id in the spread.
pub fn renewal_due_at(live: &LiveChannel, timing: &Timing, id: &str) -> UnixMs {
    let lifetime_ms = live.expires_at.since_ms(live.opened_at).max(0);
    let lead_ms = (i64::from(timing.renew_lead_s) * 1_000).min(lifetime_ms / 2);
    let spread_s = jitter::offset(id, "renewal", u64::from(timing.renew_spread_s) + 1);
    let earlier_ms = (i64::from(timing.renew_margin_s) + i64::try_from(spread_s).unwrap_or(0)) * 1_000;
    // A short-lived channel must not be renewed the moment it is made.
    let earlier_ms = earlier_ms.min(lifetime_ms / 4);
    live.expires_at.minus_ms(lead_ms + earlier_ms)
}

/// Whether a channel was granted for so short a time that renewing it would be all that happens.
pub fn grants_too_little(opened: &ChannelOpened, timing: &Timing) -> bool {
    let least_s = CHANNEL_LIFETIME_MIN_S.min(timing.channel_lifetime_s / 4);
    opened.expires_at.since_ms(opened.opened_at) < i64::from(least_s) * 1_000
}

/// The lifetime to ask for, in seconds: a little less than the maximum, by id, so that expiries spread.
pub fn lifetime_s(timing: &Timing, id: &str) -> u32 {
    let spread = timing.channel_lifetime_spread_s.min(timing.channel_lifetime_s / 2);
    let less = jitter::offset(id, "expiry", u64::from(spread) + 1);
    timing.channel_lifetime_s - u32::try_from(less).unwrap_or(0)
}
