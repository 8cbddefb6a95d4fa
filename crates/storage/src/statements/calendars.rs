//! Calendars.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{AccessRole, AccountId, Calendar, CalendarId, RemoteCalendar, TenantId};

use super::{Backend, failed, found, locks, not_found};
use crate::error::StoreError;
use crate::repository::Calendars;
use crate::sql::calendars::{self as sql, CalendarRow};
use crate::sql::{after_id, micros, page_of, parsed, readable, rows_to_fetch, storable, to_json};
use crate::types::{CalendarsReconciled, Cursor, Page, PageRequest, StateRecord};

/// Our id of the primary calendar and its new id at the provider, where it was listed under another one before.
fn renamed_primary<'a>(known: &'a [(String, String)], listed: &'a [RemoteCalendar]) -> Option<(&'a str, &'a str)> {
    let [(id, before)] = known else { return None };
    let mut primaries = listed.iter().filter(|remote| remote.primary).map(|remote| remote.provider_id.as_str());
    let (primary, None) = (primaries.next()?, primaries.next()) else { return None };
    let is_still_listed = listed.iter().any(|remote| remote.provider_id.as_str() == before);
    (!is_still_listed && primary != before).then_some((id, primary))
}

#[async_trait]
impl Calendars for Backend {
    async fn reconcile_calendars(
        &self,
        account: AccountId,
        listed: &[RemoteCalendar],
        at: DateTime<Utc>,
    ) -> Result<CalendarsReconciled, StoreError> {
        let start = to_json(&Cursor::Start, "calendars.sync_cursor")?;
        let mut transaction = self.begin().await?;
        let tenant = locks::account(&mut transaction, &account.to_string(), "reconcile calendars").await?;
        let tenant = tenant.ok_or_else(|| not_found("reconcile calendars"))?;
        let before: Vec<(String, String, Option<String>)> = sqlx::query_as(sql::SEEN_BEFORE)
            .bind(account.to_string())
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed("reconcile calendars"))?;
        let before: HashMap<String, (String, Option<String>)> =
            before.into_iter().map(|(id, role, zone)| (id, (role, zone))).collect();
        let mut seen = HashSet::new();
        let mut reconciled = CalendarsReconciled::default();
        // A person has one primary calendar, whose id at some providers is their address: with another id it is the same
        // calendar after a change of address, so it keeps its row, and its readers keep its id.
        let known: Vec<(String, String)> = sqlx::query_as(sql::PRIMARY_OF_ACCOUNT)
            .bind(account.to_string())
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed("reconcile calendars"))?;
        if let Some((id, address)) = renamed_primary(&known, listed) {
            sqlx::query(sql::RENAME)
                .bind(id)
                .bind(account.to_string())
                .bind(address)
                .execute(&mut *transaction)
                .await
                .map_err(failed("reconcile calendars"))?;
        }
        for remote in listed {
            let id: String = sqlx::query_scalar(sql::UPSERT)
                .bind(CalendarId::generate().to_string())
                .bind(&tenant)
                .bind(account.to_string())
                .bind(remote.provider_id.as_str())
                .bind(storable(&remote.title))
                .bind(remote.time_zone.as_deref().map(storable))
                .bind(remote.access_role.as_str())
                .bind(remote.primary)
                .bind(micros(at))
                .bind(&start)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed("reconcile calendars"))?;
            let before = before.get(&id);
            let role_before = before.and_then(|(role, _)| AccessRole::from_name(role));
            let sees_otherwise = role_before.is_some_and(|before| before.view() != remote.access_role.view());
            let is_moved =
                before.is_some_and(|(_, zone)| zone.as_deref() != remote.time_zone.as_deref().map(storable).as_deref());
            if sees_otherwise {
                sqlx::query(sql::SET_ROLE)
                    .bind(&id)
                    .bind(remote.access_role.as_str())
                    .bind(&start)
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed("reconcile calendars"))?;
            }
            if is_moved {
                sqlx::query(sql::LEAVE_ZONE)
                    .bind(&id)
                    .bind(&start)
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed("reconcile calendars"))?;
            }
            let id: CalendarId = parsed(&id, "calendars.id")?;
            if seen.insert(id) {
                reconciled.listed.push(id);
                reconciled.seen_otherwise.extend((sees_otherwise || is_moved).then_some(id));
            }
        }
        let open: Vec<String> = sqlx::query_scalar(sql::OPEN_IDS_OF_ACCOUNT)
            .bind(account.to_string())
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed("reconcile calendars"))?;
        for id in open {
            let id: CalendarId = parsed(&id, "calendars.id")?;
            if !seen.contains(&id) {
                reconciled.vanished.push(id);
            }
        }
        self.commit(transaction, "reconcile calendars").await?;
        Ok(reconciled)
    }

    async fn calendar(&self, id: CalendarId) -> Result<Option<Calendar>, StoreError> {
        let row: Option<CalendarRow> = sqlx::query_as(sql::BY_ID)
            .bind(id.to_string())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read a calendar"))?;
        row.map(Calendar::try_from).transpose()
    }

    async fn calendar_of_tenant(&self, tenant: TenantId, id: CalendarId) -> Result<Option<Calendar>, StoreError> {
        let row: Option<CalendarRow> = sqlx::query_as(sql::OF_TENANT)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read a calendar of a tenant"))?;
        row.map(Calendar::try_from).transpose()
    }

    async fn calendars_of_tenant(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<Calendar>, StoreError> {
        let rows: Vec<CalendarRow> = sqlx::query_as(sql::LIST_OF_TENANT)
            .bind(tenant.to_string())
            .bind(after_id::<CalendarId>(page)?)
            .bind(rows_to_fetch(page))
            .fetch_all(&self.read)
            .await
            .map_err(failed("list calendars"))?;
        Ok(page_of(rows, page, |row| row.id.clone()))
    }

    async fn calendars_of_account(&self, account: AccountId) -> Result<Vec<Calendar>, StoreError> {
        let rows: Vec<CalendarRow> = sqlx::query_as(sql::LIST_OF_ACCOUNT)
            .bind(account.to_string())
            .fetch_all(&self.read)
            .await
            .map_err(failed("list calendars of an account"))?;
        Ok(readable(rows))
    }

    async fn open_calendar_ids(&self, after: Option<CalendarId>, limit: u32) -> Result<Vec<CalendarId>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(sql::OPEN_IDS)
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await
            .map_err(failed("list open calendars"))?;
        // One that cannot be read keeps nobody from walking to the others.
        let read = |id: &String| {
            parsed(id, "calendars.id").inspect_err(|error| tracing::error!(%error, "a stored row is left out"))
        };
        Ok(rows.iter().filter_map(|id| read(id).ok()).collect())
    }

    async fn set_access_role(&self, id: CalendarId, role: AccessRole) -> Result<(), StoreError> {
        let done = sqlx::query(sql::SET_ROLE)
            .bind(id.to_string())
            .bind(role.as_str())
            .bind(to_json(&Cursor::Start, "calendars.sync_cursor")?)
            .execute(&self.write)
            .await
            .map_err(failed("set an access role"))?;
        found(done.rows_affected(), "set an access role")
    }

    async fn record_state(&self, record: &StateRecord) -> Result<(), StoreError> {
        let id = record.calendar_id.to_string();
        let done = sqlx::query(sql::RECORD_STATE)
            .bind(&id)
            .bind(record.state.as_str())
            .bind(record.detail.as_deref().map(storable))
            .bind(record.channel_expires_at.map(micros))
            .bind(micros(record.at))
            .execute(&self.write)
            .await
            .map_err(failed("record a state"))?;
        if done.rows_affected() > 0 {
            return Ok(());
        }
        // Nothing to do for an older record; only a calendar that does not exist is an error.
        let rows: i64 =
            sqlx::query_scalar(sql::EXISTS).bind(&id).fetch_one(&self.read).await.map_err(failed("record a state"))?;
        found(rows.unsigned_abs(), "record a state")
    }
}
