//! The register of channels.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{AccountId, CalendarId, Channel, ChannelEnd, ChannelId, ChannelState, RemoteChannelId, Watched};

use crate::columns::{corrupt, instant, instant_or_none, parsed};
use crate::error::StoreError;

/// The register of channels.
#[async_trait]
pub trait Channels: Send + Sync {
    /// Writes a pending channel before the provider is called. The same id again is no error.
    async fn insert_channel(&self, channel: &Channel) -> Result<(), StoreError>;
    /// The provider answered: the channel is live, or lives longer.
    async fn activate_channel(
        &self,
        id: ChannelId,
        remote_id: Option<&RemoteChannelId>,
        expires_at: DateTime<Utc>,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// A channel has ended. One that has ended before keeps how and when.
    async fn end_channel(&self, id: ChannelId, end: ChannelEnd, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// A channel.
    async fn channel(&self, id: ChannelId) -> Result<Option<Channel>, StoreError>;
    /// The channels on something that the provider may still serve, oldest first: those that have neither been stopped nor
    /// been marked as expired.
    async fn channels_alive(&self, watched: Watched) -> Result<Vec<Channel>, StoreError>;
    /// A calendar's channels, oldest first, all states.
    async fn channels_of_calendar(&self, calendar: CalendarId) -> Result<Vec<Channel>, StoreError>;
    /// The channels of an account's list of calendars, oldest first, all states.
    async fn channels_of_list(&self, account: AccountId) -> Result<Vec<Channel>, StoreError>;
}

#[derive(sqlx::FromRow)]
pub struct ChannelRow {
    id: String,
    account_id: String,
    calendar_id: Option<String>,
    remote_id: Option<String>,
    state: String,
    created_at: i64,
    live_at: Option<i64>,
    ended_at: Option<i64>,
    expires_at: i64,
}

impl TryFrom<ChannelRow> for Channel {
    type Error = StoreError;

    fn try_from(row: ChannelRow) -> Result<Self, StoreError> {
        let account_id = parsed(&row.account_id, "channels.account_id")?;
        let watched = match row.calendar_id {
            Some(id) => Watched::Calendar { account_id, calendar_id: parsed(&id, "channels.calendar_id")? },
            None => Watched::CalendarList { account_id },
        };
        Ok(Self {
            id: parsed(&row.id, "channels.id")?,
            watched,
            remote_id: row.remote_id.map(RemoteChannelId::new),
            state: ChannelState::from_name(&row.state).ok_or_else(|| corrupt("channels.state"))?,
            created_at: instant(row.created_at, "channels.created_at")?,
            live_at: instant_or_none(row.live_at, "channels.live_at")?,
            ended_at: instant_or_none(row.ended_at, "channels.ended_at")?,
            expires_at: instant(row.expires_at, "channels.expires_at")?,
        })
    }
}
