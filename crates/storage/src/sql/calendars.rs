//! SQL and rows of calendars.

use evercal_domain::calendar::LastSync;
use evercal_domain::{AccessRole, Calendar, CalendarState, ProviderCalendarId, RemoteCalendar, Via};

use super::{corrupt, instant, instant_or_none, parsed};
use crate::error::StoreError;

macro_rules! select_calendars {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant_id, account_id, provider_calendar_id, title, time_zone, access_role, is_primary, state, \
             detail, state_changed_at, channel_expires_at, event_count, confirmed_at, confirmed_via, \
             last_sync_finished_at, last_sync_changes, last_sync_notice_to_stored_ms, window_end FROM calendars ",
            $rest
        )
    };
}

pub const BY_ID: &str = select_calendars!("WHERE id = $1");

pub const OF_TENANT: &str = select_calendars!("WHERE tenant_id = $1 AND id = $2");

pub const LIST_OF_TENANT: &str =
    select_calendars!("WHERE tenant_id = $1 AND id > $2 AND state <> 'closed' ORDER BY id LIMIT $3");

pub const LIST_OF_ACCOUNT: &str = select_calendars!("WHERE account_id = $1 AND state <> 'closed' ORDER BY id");

pub const OPEN_IDS: &str = "SELECT id FROM calendars WHERE id > $1 AND state <> 'closed' ORDER BY id LIMIT $2";

/// A known calendar keeps its id, its mirror and its state; only a closed one begins anew. With another zone, series that name
/// none of their own repeat by another clock: stored occurrences count no more until they are expanded again, and a pass under
/// way, which goes by the old one, is shut out.
pub const UPSERT: &str = "INSERT INTO calendars (id, tenant_id, account_id, provider_calendar_id, title, time_zone, \
     access_role, is_primary, state, state_changed_at, state_recorded_at, sync_cursor) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'creating', $9, $9, $10) \
     ON CONFLICT (account_id, provider_calendar_id) DO UPDATE SET title = excluded.title, \
     time_zone = excluded.time_zone, access_role = excluded.access_role, is_primary = excluded.is_primary, \
     state = CASE WHEN calendars.state = 'closed' THEN 'creating' ELSE calendars.state END, \
     detail = CASE WHEN calendars.state = 'closed' THEN NULL ELSE calendars.detail END, \
     channel_expires_at = CASE WHEN calendars.state = 'closed' THEN NULL ELSE calendars.channel_expires_at END, \
     state_changed_at = CASE WHEN calendars.state = 'closed' THEN excluded.state_changed_at \
     ELSE calendars.state_changed_at END, \
     state_recorded_at = CASE WHEN calendars.state = 'closed' THEN excluded.state_recorded_at \
     ELSE calendars.state_recorded_at END \
     RETURNING id";

pub const PRIMARY_OF_ACCOUNT: &str =
    "SELECT id, provider_calendar_id FROM calendars WHERE account_id = $1 AND is_primary AND state <> 'closed'";

/// Not onto another row, which that calendar would be.
pub const RENAME: &str = "UPDATE calendars SET provider_calendar_id = $3 WHERE id = $1 AND NOT EXISTS \
     (SELECT 1 FROM calendars WHERE account_id = $2 AND provider_calendar_id = $3)";

/// As whom and in which zone the calendars of an account were read until now.
pub const SEEN_BEFORE: &str = "SELECT id, access_role, time_zone FROM calendars WHERE account_id = $1";

/// The account sees more or less of the calendar than the mirror was read with: a full pass is due, and a pass under way is
/// shut out, since it may hold what must not be seen any more.
pub const SET_ROLE: &str =
    "UPDATE calendars SET access_role = $2, revision = revision + 1, sync_cursor = $3 WHERE id = $1";

/// The calendar is in another zone, and what is stored of series that name none of their own is wrong: it counts no more, a full
/// pass is due, and a pass under way is shut out, since it goes by the zone of before.
pub const LEAVE_ZONE: &str =
    "UPDATE calendars SET window_end = NULL, revision = revision + 1, sync_cursor = $2 WHERE id = $1";

/// What a reader may see now.
pub const SEEN_AS: &str = "SELECT access_role, state FROM calendars WHERE id = $1";

/// Calendars that are closed or refused since then, and still mirrored.
pub const WITHDRAWN: &str = "SELECT id FROM calendars WHERE state IN ('closed', 'action_required') \
     AND state_changed_at < $1 AND EXISTS (SELECT 1 FROM events e WHERE e.calendar_id = calendars.id) LIMIT $2";

pub const OPEN_IDS_OF_ACCOUNT: &str =
    "SELECT id FROM calendars WHERE account_id = $1 AND state <> 'closed' ORDER BY id";

pub const RECORD_STATE: &str = "UPDATE calendars SET detail = $3, channel_expires_at = $4, state_recorded_at = $5, \
     state_changed_at = CASE WHEN state = $2 THEN state_changed_at ELSE $5 END, state = $2 \
     WHERE id = $1 AND state_recorded_at <= $5";

pub const EXISTS: &str = "SELECT COUNT(*) FROM calendars WHERE id = $1";

#[derive(sqlx::FromRow)]
pub struct CalendarRow {
    pub id: String,
    tenant_id: String,
    account_id: String,
    provider_calendar_id: String,
    title: String,
    time_zone: Option<String>,
    access_role: String,
    is_primary: bool,
    state: String,
    detail: Option<String>,
    state_changed_at: i64,
    channel_expires_at: Option<i64>,
    event_count: i64,
    confirmed_at: Option<i64>,
    confirmed_via: Option<String>,
    last_sync_finished_at: Option<i64>,
    last_sync_changes: Option<i64>,
    last_sync_notice_to_stored_ms: Option<i64>,
    window_end: Option<i64>,
}

impl TryFrom<CalendarRow> for Calendar {
    type Error = StoreError;

    fn try_from(row: CalendarRow) -> Result<Self, StoreError> {
        let via = |name: String| Via::from_name(&name).ok_or_else(|| corrupt("calendars.confirmed_via"));
        let last_sync = match instant_or_none(row.last_sync_finished_at, "calendars.last_sync_finished_at")? {
            Some(finished_at) => Some(LastSync {
                finished_at,
                changes: row.last_sync_changes.ok_or_else(|| corrupt("calendars.last_sync_changes"))?,
                notice_to_stored_ms: row.last_sync_notice_to_stored_ms,
            }),
            None => None,
        };
        Ok(Self {
            id: parsed(&row.id, "calendars.id")?,
            tenant_id: parsed(&row.tenant_id, "calendars.tenant_id")?,
            account_id: parsed(&row.account_id, "calendars.account_id")?,
            remote: RemoteCalendar {
                provider_id: ProviderCalendarId::new(row.provider_calendar_id),
                title: row.title,
                time_zone: row.time_zone,
                access_role: AccessRole::from_name(&row.access_role).ok_or_else(|| corrupt("calendars.access_role"))?,
                primary: row.is_primary,
            },
            state: CalendarState::from_name(&row.state).ok_or_else(|| corrupt("calendars.state"))?,
            detail: row.detail,
            state_changed_at: instant(row.state_changed_at, "calendars.state_changed_at")?,
            channel_expires_at: instant_or_none(row.channel_expires_at, "calendars.channel_expires_at")?,
            confirmed_at: instant_or_none(row.confirmed_at, "calendars.confirmed_at")?,
            confirmed_via: row.confirmed_via.map(via).transpose()?,
            last_sync,
            event_count: row.event_count,
            window_end: instant_or_none(row.window_end, "calendars.window_end")?,
        })
    }
}
