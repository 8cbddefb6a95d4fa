//! The register of push channels. Not every provider lists them, so this is the only place that knows them all.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, CalendarId, ChannelId, RemoteChannelId};

/// Where a channel is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelState {
    /// Written before the provider is called: it may or may not exist there.
    Pending,
    /// The provider answered; notices may come.
    Live,
    /// Stopped by us, or known never to have existed. Kept until its expiry, since notices still arrive.
    Stopped,
    /// Ran out by itself, or was ended by the provider.
    Expired,
}

names! { ChannelState { Pending = "pending", Live = "live", Stopped = "stopped", Expired = "expired" } }

/// How a channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelEnd {
    /// We stopped it, or it is known never to have existed.
    Stopped,
    /// The provider ended it.
    Expired,
}

impl From<ChannelEnd> for ChannelState {
    fn from(end: ChannelEnd) -> Self {
        match end {
            ChannelEnd::Stopped => Self::Stopped,
            ChannelEnd::Expired => Self::Expired,
        }
    }
}

/// What a provider says of a channel itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleEvent {
    /// Its end has to be put off, else nothing is announced any more.
    MustBeExtended,
    /// It is gone.
    Removed,
    /// Some notices could not be delivered.
    NoticesLost,
    /// Something that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What a channel watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Watched {
    /// The events of a calendar.
    Calendar {
        /// The account through which it is read.
        account_id: AccountId,
        /// The calendar.
        calendar_id: CalendarId,
    },
    /// An account's list of calendars.
    CalendarList {
        /// The account.
        account_id: AccountId,
    },
}

impl Watched {
    /// Whose tokens open and stop the channel.
    pub fn account_id(self) -> AccountId {
        match self {
            Self::Calendar { account_id, .. } | Self::CalendarList { account_id } => account_id,
        }
    }

    /// The calendar, where it is one.
    pub fn calendar_id(self) -> Option<CalendarId> {
        match self {
            Self::Calendar { calendar_id, .. } => Some(calendar_id),
            Self::CalendarList { .. } => None,
        }
    }
}

/// A push channel in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Our id.
    pub id: ChannelId,
    /// What it watches.
    pub watched: Watched,
    /// What the provider calls it, which it may take to stop it. Known from the answer or from a notice.
    pub remote_id: Option<RemoteChannelId>,
    /// Where it is in its life.
    pub state: ChannelState,
    /// When the row was written.
    pub created_at: DateTime<Utc>,
    /// When the provider's answer said that it is live; none where no answer came.
    pub live_at: Option<DateTime<Utc>>,
    /// When it was stopped, or found to be gone.
    pub ended_at: Option<DateTime<Utc>>,
    /// When the provider ends it: asked for while pending, the provider's own answer once live.
    pub expires_at: DateTime<Utc>,
}
