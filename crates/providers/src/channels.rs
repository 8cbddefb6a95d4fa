//! Push channels, in the domain's words.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::account::Secret;
use evercal_domain::{ChannelId, ProviderCalendarId, ProviderError, RemoteChannelId};
use url::Url;

use crate::call::CallContext;

/// Opens and closes channels.
#[async_trait]
pub trait Channels: Send + Sync {
    /// Opens a channel. When the answer is lost, the channel may exist all the same.
    async fn open(
        &self,
        context: &CallContext,
        watched: WatchedRemote<'_>,
        request: &ChannelRequest,
    ) -> Result<ChannelGrant, ProviderError>;

    /// Closes a channel; one that does not exist any more is closed.
    async fn close(
        &self,
        context: &CallContext,
        id: ChannelId,
        remote_id: &RemoteChannelId,
    ) -> Result<(), ProviderError>;

    /// How channels are found whose answers were lost: they may exist, and their remote ids are unknown.
    fn lost(&self) -> LostChannels;

    /// The provider's id of a channel whose answer was lost, as far as it follows from the id of another channel on the same thing.
    fn remote_id_from(&self, known: &RemoteChannelId, lost: ChannelId) -> Option<RemoteChannelId>;
}

/// What a channel watches, as its provider knows it.
#[derive(Debug, Clone, Copy)]
pub enum WatchedRemote<'a> {
    /// The events of a calendar.
    Calendar(&'a ProviderCalendarId),
    /// The account's list of calendars.
    CalendarList,
}

/// How channels are found whose answers were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostChannels {
    /// By another channel on the same thing ([`Channels::remote_id_from`]). Where none is known, one is opened for it.
    FromAnother {
        /// How long a channel lives that is opened for this alone.
        helper_lifetime: Duration,
    },
}

/// A channel to open.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelRequest {
    /// Its id; a new one for each attempt.
    pub id: ChannelId,
    /// Where notices go; HTTPS at real providers.
    pub address: Url,
    /// What each notice brings back to prove itself (`domain::channel_token`).
    pub token: Secret,
    /// When it should end; the provider may decide on an earlier end.
    pub expires_at: DateTime<Utc>,
}

/// An open channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelGrant {
    /// What the provider calls it, where it takes more than our id to close it.
    pub remote_id: Option<RemoteChannelId>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}
