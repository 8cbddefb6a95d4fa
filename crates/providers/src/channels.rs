//! Push channels, in the domain's words.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::account::Secret;
use evercal_domain::{ChannelId, ProviderError, RemoteChannelId};
use url::Url;

use crate::call::{CallContext, RemoteCalendarRef};

/// Opens, extends and closes channels.
#[async_trait]
pub trait Channels: Send + Sync {
    /// Opens a channel. When the answer is lost, the channel may exist all the same.
    async fn open(
        &self,
        context: &CallContext,
        watched: WatchedRemote<'_>,
        request: &ChannelRequest,
    ) -> Result<Opening, ProviderError>;

    /// Puts off the end of a channel, which stays the same. Only asked of providers whose channels are
    /// [extended](evercal_domain::profile::Push::Extended); of others there is no such channel.
    async fn extend(
        &self,
        _context: &CallContext,
        _watched: WatchedRemote<'_>,
        _remote_id: &RemoteChannelId,
        _asked_at: DateTime<Utc>,
        _until: DateTime<Utc>,
    ) -> Result<Extended, ProviderError> {
        Ok(Extended::Gone)
    }

    /// Closes a channel; one that does not exist any more is closed.
    async fn close(
        &self,
        context: &CallContext,
        id: ChannelId,
        remote_id: &RemoteChannelId,
    ) -> Result<(), ProviderError>;

    /// Finds out what the provider calls channels whose answers were lost: they may exist, and only by that can they be closed.
    /// `known` is what it calls all others on the same thing.
    async fn find_lost(
        &self,
        context: &CallContext,
        watched: WatchedRemote<'_>,
        lost: &[ChannelId],
        known: &[RemoteChannelId],
    ) -> Result<LostChannels, ProviderError>;
}

/// What became of a channel whose end was to be put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// It lives until then; the provider may decide on an earlier end than it was asked for.
    Until(DateTime<Utc>),
    /// The provider does not know it (any more).
    Gone,
}

/// What a channel watches, as its provider knows it.
#[derive(Debug, Clone, Copy)]
pub enum WatchedRemote<'a> {
    /// The events of a calendar.
    Calendar(RemoteCalendarRef<'a>),
    /// The account's list of calendars.
    CalendarList,
}

/// What can be found out of channels whose answers were lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LostChannels {
    /// What the provider calls them. Those that are not among them cannot be closed, and run out.
    Found(BTreeMap<ChannelId, RemoteChannelId>),
    /// It takes another channel on the same thing, which the caller registers and opens as any other; then this is asked again.
    TakesAnother {
        /// How long that one has to live.
        lifetime: Duration,
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
    /// When it is asked for.
    pub asked_at: DateTime<Utc>,
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

/// What came of asking for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It is open.
    Open(ChannelGrant),
    /// The provider has one at a time on the same thing, and these stand in its way, whose notices come to this installation. They
    /// may be lost ones of the same calendar, or live ones of another account that has it too: who keeps the register knows.
    Blocked(Vec<Blocking>),
}

/// A channel that stands in the way of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocking {
    /// Our id of it, where the provider keeps that.
    pub id: Option<ChannelId>,
    /// What the provider calls it.
    pub remote_id: RemoteChannelId,
}
