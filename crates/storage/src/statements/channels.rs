//! The register of channels.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{AccountId, CalendarId, Channel, ChannelId, ChannelState, RemoteChannelId, Watched};

use super::Backend;
use crate::columns::micros;
use crate::entities::channels::{ChannelRow, Channels};
use crate::error::StoreError;

const INSERT: &str = "INSERT INTO channels (id, account_id, calendar_id, remote_id, state, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";

/// A channel that has ended meanwhile stays ended, but its resource is kept: without it nobody could stop it.
const ACTIVATE: &str = "UPDATE channels SET remote_id = $2, expires_at = $3, \
     state = CASE WHEN state = 'pending' THEN 'live' ELSE state END WHERE id = $1";

const SET_STATE: &str =
    "UPDATE channels SET state = CASE WHEN state IN ('stopped', 'expired') THEN state ELSE $2 END WHERE id = $1";

pub const BY_ID: &str =
    "SELECT id, account_id, calendar_id, remote_id, state, created_at, expires_at FROM channels WHERE id = $1";

const ALIVE_OF_CALENDAR: &str = "SELECT id, account_id, calendar_id, remote_id, state, created_at, expires_at \
     FROM channels WHERE calendar_id = $1 AND state IN ('pending', 'live') ORDER BY id";

const ALIVE_OF_LIST: &str = "SELECT id, account_id, calendar_id, remote_id, state, created_at, expires_at \
     FROM channels WHERE account_id = $1 AND calendar_id IS NULL AND state IN ('pending', 'live') ORDER BY id";

pub const OF_LIST: &str = "SELECT id, account_id, calendar_id, remote_id, state, created_at, expires_at \
     FROM channels WHERE account_id = $1 AND calendar_id IS NULL ORDER BY id";

pub const OF_CALENDAR: &str = "SELECT id, account_id, calendar_id, remote_id, state, created_at, expires_at \
     FROM channels WHERE calendar_id = $1 ORDER BY id";

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
            .bind(micros(channel.expires_at));
        self.write(query, "insert a channel").await.map(drop)
    }

    async fn activate_channel(
        &self,
        id: ChannelId,
        remote_id: Option<&RemoteChannelId>,
        expires_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(ACTIVATE)
            .bind(id.to_string())
            .bind(remote_id.map(RemoteChannelId::as_str))
            .bind(micros(expires_at));
        self.write_one(query, "activate a channel").await
    }

    async fn set_channel_state(&self, id: ChannelId, state: ChannelState) -> Result<(), StoreError> {
        let query = sqlx::query(SET_STATE).bind(id.to_string()).bind(state.as_str());
        self.write_one(query, "set a channel's state").await
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
