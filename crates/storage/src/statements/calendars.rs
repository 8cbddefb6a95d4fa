//! Calendars and the state of their subscriptions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{AccessRole, AccountId, Calendar, CalendarId, CalendarState, EventView, RemoteCalendar, TenantId};

use super::{Backend, Database, Engine, failed, found, not_found, reconciliation};
use crate::columns::{corrupt, micros, parsed, storable};
use crate::entities::calendars::{CalendarRow, Calendars, CalendarsReconciled, StateRecord};
use crate::error::StoreError;
use crate::paging::{Page, PageRequest, after_id, page_of, rows_to_fetch};

/// The columns of a [`CalendarRow`].
macro_rules! calendar_columns {
    () => {
        "id, tenant_id, account_id, provider_calendar_id, title, time_zone, access_role, is_primary, \
         id_follows_address, state, detail, state_changed_at, channel_expires_at, event_count, confirmed_at, confirmed_via, \
         last_sync_finished_at, last_sync_changes, last_sync_notice_to_stored_ms, window_end"
    };
}
pub(super) use calendar_columns;

macro_rules! select_calendars {
    ($rest:literal) => {
        concat!("SELECT ", calendar_columns!(), " FROM calendars ", $rest)
    };
}

pub const BY_ID: &str = select_calendars!("WHERE id = $1");

pub const OF_TENANT: &str = select_calendars!("WHERE tenant_id = $1 AND id = $2");

pub const LIST_OF_TENANT: &str =
    select_calendars!("WHERE tenant_id = $1 AND id > $2 AND state <> 'closed' ORDER BY id LIMIT $3");

pub const LIST_OF_ACCOUNT: &str = select_calendars!("WHERE account_id = $1 AND state <> 'closed' ORDER BY id");

pub const OPEN_IDS: &str = "SELECT id FROM calendars WHERE id > $1 AND state <> 'closed' ORDER BY id LIMIT $2";

pub const RECORD_STATE: &str = "UPDATE calendars SET detail = $3, channel_expires_at = $4, state_recorded_at = $5, \
     state_changed_at = CASE WHEN state = $2 THEN state_changed_at ELSE $5 END, state = $2 \
     WHERE id = $1 AND state_recorded_at <= $5";

#[async_trait]
impl Calendars for Backend {
    async fn reconcile_calendars(
        &self,
        account: AccountId,
        listed: &[RemoteCalendar],
        at: DateTime<Utc>,
    ) -> Result<CalendarsReconciled, StoreError> {
        reconciliation::reconcile(self, account, listed, at).await
    }

    async fn calendar(&self, id: CalendarId) -> Result<Option<Calendar>, StoreError> {
        let query = sqlx::query_as::<_, CalendarRow>(BY_ID).bind(id.to_string());
        self.read_one(query, "read a calendar").await
    }

    async fn calendar_of_tenant(&self, tenant: TenantId, id: CalendarId) -> Result<Option<Calendar>, StoreError> {
        let query = sqlx::query_as::<_, CalendarRow>(OF_TENANT).bind(tenant.to_string()).bind(id.to_string());
        self.read_one(query, "read a calendar of a tenant").await
    }

    async fn calendars_of_tenant(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<Calendar>, StoreError> {
        let rows: Vec<CalendarRow> = sqlx::query_as(LIST_OF_TENANT)
            .bind(tenant.to_string())
            .bind(after_id::<CalendarId>(page)?)
            .bind(rows_to_fetch(page))
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("list calendars"))?;
        Ok(page_of(rows, page, |row| row.id.clone()))
    }

    async fn calendars_of_account(&self, account: AccountId) -> Result<Vec<Calendar>, StoreError> {
        let query = sqlx::query_as::<_, CalendarRow>(LIST_OF_ACCOUNT).bind(account.to_string());
        self.read_all(query, "list calendars of an account").await
    }

    async fn open_calendar_ids(&self, after: Option<CalendarId>, limit: u32) -> Result<Vec<CalendarId>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(OPEN_IDS)
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("list open calendars"))?;
        // An id that cannot be read does not keep callers from the others.
        let read = |id: &String| {
            parsed(id, "calendars.id").inspect_err(|error| tracing::error!(%error, "a stored row is left out"))
        };
        Ok(rows.iter().filter_map(|id| read(id).ok()).collect())
    }

    async fn set_access_role(&self, id: CalendarId, role: AccessRole) -> Result<(), StoreError> {
        let rows = reconciliation::set_role(self.write_pool(), &id.to_string(), role, "set an access role").await?;
        found(rows, "set an access role")
    }

    async fn record_state(&self, record: &StateRecord) -> Result<(), StoreError> {
        let id = record.calendar_id.to_string();
        let query = sqlx::query(RECORD_STATE)
            .bind(&id)
            .bind(record.state.as_str())
            .bind(record.detail.as_deref().map(storable))
            .bind(record.channel_expires_at.map(micros))
            .bind(micros(record.at));
        if self.write(query, "record a state").await? > 0 {
            return Ok(());
        }
        // Nothing to do for an older record; only a calendar that does not exist is an error.
        if exists(self.read_pool(), &id, "record a state").await? { Ok(()) } else { Err(not_found("record a state")) }
    }
}

const EXISTS: &str = "SELECT COUNT(*) FROM calendars WHERE id = $1";

/// Whether there is such a calendar. `what` names the operation in errors.
pub async fn exists<'e>(
    executor: impl sqlx::Executor<'e, Database = Database>,
    id: &str,
    what: &'static str,
) -> Result<bool, StoreError> {
    let rows: i64 = sqlx::query_scalar(EXISTS).bind(id).fetch_one(executor).await.map_err(failed(what))?;
    Ok(rows > 0)
}

/// What a reader may see now.
pub const VISIBLE_AS: &str = "SELECT access_role, state FROM calendars WHERE id = $1";

/// How much of a calendar's events may be shown now; `None` where nothing may.
pub async fn view_of(store: &Backend, calendar: CalendarId) -> Result<Option<EventView>, StoreError> {
    let visible_as: Option<(String, String)> = sqlx::query_as(VISIBLE_AS)
        .bind(calendar.to_string())
        .fetch_optional(store.read_pool())
        .await
        .map_err(failed("read what a reader may see"))?;
    let Some((role, state)) = visible_as else { return Ok(None) };
    let role = AccessRole::from_name(&role).ok_or_else(|| corrupt("calendars.access_role"))?;
    let state = CalendarState::from_name(&state).ok_or_else(|| corrupt("calendars.state"))?;
    Ok(state.serves_events().then(|| role.view()))
}
