//! SQL and rows of the register of channels.

use evercal_domain::{Channel, ChannelState, Watched};

use super::{corrupt, instant, parsed};
use crate::error::StoreError;

pub const INSERT: &str = "INSERT INTO channels (id, account_id, calendar_id, resource_id, state, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";

/// A channel that has ended meanwhile stays ended, but its resource is kept: without it nobody could stop it.
pub const ACTIVATE: &str = "UPDATE channels SET resource_id = $2, expires_at = $3, \
     state = CASE WHEN state = 'pending' THEN 'live' ELSE state END WHERE id = $1";

pub const SET_STATE: &str =
    "UPDATE channels SET state = CASE WHEN state IN ('stopped', 'expired') THEN state ELSE $2 END WHERE id = $1";

pub const BY_ID: &str =
    "SELECT id, account_id, calendar_id, resource_id, state, created_at, expires_at FROM channels WHERE id = $1";

pub const OF_CALENDAR: &str = "SELECT id, account_id, calendar_id, resource_id, state, created_at, expires_at \
     FROM channels WHERE calendar_id = $1 ORDER BY id";

pub const OF_LIST: &str = "SELECT id, account_id, calendar_id, resource_id, state, created_at, expires_at \
     FROM channels WHERE account_id = $1 AND calendar_id IS NULL ORDER BY id";

pub const ALIVE_OF_CALENDAR: &str = "SELECT id, account_id, calendar_id, resource_id, state, created_at, expires_at \
     FROM channels WHERE calendar_id = $1 AND state IN ('pending', 'live') ORDER BY id";

pub const ALIVE_OF_LIST: &str = "SELECT id, account_id, calendar_id, resource_id, state, created_at, expires_at \
     FROM channels WHERE account_id = $1 AND calendar_id IS NULL AND state IN ('pending', 'live') ORDER BY id";

#[derive(sqlx::FromRow)]
pub struct ChannelRow {
    id: String,
    account_id: String,
    calendar_id: Option<String>,
    resource_id: Option<String>,
    state: String,
    created_at: i64,
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
            resource_id: row.resource_id,
            state: ChannelState::from_name(&row.state).ok_or_else(|| corrupt("channels.state"))?,
            created_at: instant(row.created_at, "channels.created_at")?,
            expires_at: instant(row.expires_at, "channels.expires_at")?,
        })
    }
}
