//! The register of channels.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{AccountId, CalendarId, Channel, ChannelEnd, ChannelId, ChannelState, RemoteChannelId, Watched};

use super::Backend;
use crate::columns::micros;
use crate::entities::channels::{ChannelRow, Channels};
use crate::error::StoreError;

/// The columns of a [`ChannelRow`].
macro_rules! select_channels {
    ($rest:literal) => {
        concat!(
            "SELECT id, account_id, calendar_id, remote_id, state, created_at, live_at, ended_at, expires_at FROM channels ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO channels (id, account_id, calendar_id, remote_id, state, created_at, live_at, ended_at, \
     expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";

/// A channel that has ended meanwhile stays ended, but its resource is kept: without it nobody could stop it.
const ACTIVATE: &str = "UPDATE channels SET remote_id = $2, expires_at = $3, live_at = COALESCE(live_at, $4), \
     state = CASE WHEN state = 'pending' THEN 'live' ELSE state END WHERE id = $1";

/// What has ended keeps how and when.
const END: &str = "UPDATE channels SET ended_at = COALESCE(ended_at, $3), \
     state = CASE WHEN state IN ('stopped', 'expired') THEN state ELSE $2 END WHERE id = $1";

pub const BY_ID: &str = select_channels!("WHERE id = $1");

const ALIVE_OF_CALENDAR: &str = select_channels!("WHERE calendar_id = $1 AND state IN ('pending', 'live') ORDER BY id");

const ALIVE_OF_LIST: &str =
    select_channels!("WHERE account_id = $1 AND calendar_id IS NULL AND state IN ('pending', 'live') ORDER BY id");

pub const OF_LIST: &str = select_channels!("WHERE account_id = $1 AND calendar_id IS NULL ORDER BY id");

pub const OF_CALENDAR: &str = select_channels!("WHERE calendar_id = $1 ORDER BY id");

#[async_trait]
impl Channels for Backend {
    async fn insert_channel(&self, channel: &Channel) -> Result<(), StoreError> {
        let query = sqlx::query(INSERT)
            .bind(channel.id.to_string())
            .bind(channel.watched.account_id().to_string())
            .bind(channel.watched.calendar_id().map(|id| id.to_string()))
            .bind(channel.remote_id.as_ref().map(RemoteChannelId::as_str))
            .bind(channel.state.as_str())
            .bind(micros(channel.created_at))
            .bind(channel.live_at.map(micros))
            .bind(channel.ended_at.map(micros))
            .bind(micros(channel.expires_at));
        self.write(query, "insert a channel").await.map(drop)
    }

    async fn activate_channel(
        &self,
        id: ChannelId,
        remote_id: Option<&RemoteChannelId>,
        expires_at: DateTime<Utc>,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(ACTIVATE)
            .bind(id.to_string())
            .bind(remote_id.map(RemoteChannelId::as_str))
            .bind(micros(expires_at))
            .bind(micros(at));
        self.write_one(query, "activate a channel").await
    }

    async fn end_channel(&self, id: ChannelId, end: ChannelEnd, at: DateTime<Utc>) -> Result<(), StoreError> {
        let query = sqlx::query(END).bind(id.to_string()).bind(ChannelState::from(end).as_str()).bind(micros(at));
        self.write_one(query, "end a channel").await
    }

    async fn channel(&self, id: ChannelId) -> Result<Option<Channel>, StoreError> {
        let query = sqlx::query_as::<_, ChannelRow>(BY_ID).bind(id.to_string());
        self.read_one(query, "read a channel").await
    }

    async fn channels_alive(&self, watched: Watched) -> Result<Vec<Channel>, StoreError> {
        let (statement, id) = match watched {
            Watched::Calendar { calendar_id, .. } => (ALIVE_OF_CALENDAR, calendar_id.to_string()),
            Watched::CalendarList { account_id } => (ALIVE_OF_LIST, account_id.to_string()),
        };
        let query = sqlx::query_as::<_, ChannelRow>(statement).bind(id);
        self.read_all(query, "list the channels that may be alive").await
    }

    async fn channels_of_list(&self, account: AccountId) -> Result<Vec<Channel>, StoreError> {
        let query = sqlx::query_as::<_, ChannelRow>(OF_LIST).bind(account.to_string());
        self.read_all(query, "list the channels of a list of calendars").await
    }

    async fn channels_of_calendar(&self, calendar: CalendarId) -> Result<Vec<Channel>, StoreError> {
        let query = sqlx::query_as::<_, ChannelRow>(OF_CALENDAR).bind(calendar.to_string());
        self.read_all(query, "list a calendar's channels").await
    }
}
