//! Payloads of signals. Each field has a default (`#[serde(default)]`), since a signal that a person sends from the Temporal UI
//! has no input, or half of one.

use std::num::NonZeroU32;

use evercal_domain::{
    CalendarId, ChannelId, LifecycleEvent, Priority, RemoteChannelId, SyncReason, SyncStrategy, UnixMs,
};
use serde::{Deserialize, Serialize};

use crate::retry::Timing;

/// Something may have changed: one or many notices, or a reason of our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notify {
    /// Why.
    pub reason: SyncReason,
    /// How many notices this stands for.
    pub notices: u32,
    /// When the first of them reached the gateway, where there was one.
    pub received_at: Option<UnixMs>,
    /// The channels that they came on, each once; empty for reasons of our own.
    pub channels: Vec<ChannelHint>,
    /// How urgent the most urgent of them is, where the provider tells them apart.
    pub priority: Option<Priority>,
}

impl Default for Notify {
    fn default() -> Self {
        Self { reason: SyncReason::Reconcile, notices: 0, received_at: None, channels: Vec::new(), priority: None }
    }
}

impl Notify {
    /// How urgent it is.
    pub fn urgency(&self) -> Priority {
        self.priority.unwrap_or_else(|| self.reason.priority())
    }
}

/// The provider says something of a channel itself, and not of what it watches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifecycle {
    /// What.
    pub event: LifecycleEvent,
    /// Which channel.
    pub channel: Option<ChannelHint>,
}

/// What a notice says about its channel. The token proved that the channel is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelHint {
    /// The channel.
    pub channel_id: ChannelId,
    /// What the provider calls it, where the notice says so.
    pub remote_id: Option<RemoteChannelId>,
    /// Whether a change was announced; false for the `sync` message that only says that the channel works.
    pub announces_change: bool,
}

/// Something about the account concerns its subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountChanged {
    /// Whether the grant can be used; `None` where that has not changed.
    pub grant: Option<Grant>,
    /// The durations to go by from now on.
    pub timing: Option<Timing>,
    /// How changes are found from now on.
    pub strategy: Option<SyncStrategy>,
    /// The provider lists the calendar: what it refused may work again, or the account sees it otherwise than before.
    pub listed: bool,
}

/// Whether an account's grant can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The provider refuses it: somebody has to consent again.
    Dead,
    /// It works, perhaps again.
    #[default]
    Works,
}

/// How often a poller asks for a sync from now on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PollingInterval {
    /// Seconds between two polls; `None` changes nothing.
    pub interval_s: Option<NonZeroU32>,
}

/// End a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Close {
    /// One sentence for people: why.
    pub reason: String,
}

/// A notice came for a calendar whose subscription was not found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionMissing {
    /// The calendar.
    pub calendar_id: Option<CalendarId>,
}

/// A subscription found the grant of its account dead.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GrantLost {
    /// The calendar whose subscription found it out.
    pub calendar_id: Option<CalendarId>,
    /// Why, in a sentence for people, where the provider says more than that.
    pub why: Option<String>,
}

/// An account's list of calendars changed, by a notice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListChanged {
    /// The channel on which the notice came, where one is known.
    pub channel: Option<ChannelHint>,
}

/// A subscription has ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionClosed {
    /// The calendar.
    pub calendar_id: Option<CalendarId>,
}
