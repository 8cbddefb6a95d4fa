//! Comparing a provider's list of calendars with ours.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use evercal_domain::{AccessRole, AccountId, CalendarId, RemoteCalendar};

use super::{Backend, Connection, Database, Engine, execute, failed, locks, not_found};
use crate::columns::{micros, parsed, storable, to_json};
use crate::entities::calendars::CalendarsReconciled;
use crate::entities::mirror::position::Cursor;
use crate::error::StoreError;

const RECONCILE: &str = "reconcile calendars";

/// Adds what is new, updates the rest, and names what vanished.
pub async fn reconcile(
    store: &Backend,
    account: AccountId,
    listed: &[RemoteCalendar],
    at: DateTime<Utc>,
) -> Result<CalendarsReconciled, StoreError> {
    let account = account.to_string();
    let mut transaction = store.begin().await?;
    let tenant = locks::account(&mut transaction, &account, RECONCILE).await?.ok_or_else(|| not_found(RECONCILE))?;
    let before = read_as(&mut transaction, &account).await?;
    follow_address(&mut transaction, &account, listed).await?;
    let mut listed_ids = HashSet::new();
    let mut reconciled = CalendarsReconciled::default();
    for remote in listed {
        let id = upsert(&mut transaction, &tenant, &account, remote, at).await?;
        let before = before.get(&id);
        let role_before = before.and_then(|before| AccessRole::from_name(&before.access_role));
        let sees_otherwise = role_before.is_some_and(|before| before.view() != remote.access_role.view());
        let zone = remote.time_zone.as_deref().map(storable);
        let is_moved = before.is_some_and(|before| before.time_zone.as_deref() != zone.as_deref());
        if sees_otherwise {
            set_role(&mut *transaction, &id, remote.access_role, RECONCILE).await?;
        }
        if is_moved {
            leave_zone(&mut transaction, &id).await?;
        }
        let id: CalendarId = parsed(&id, "calendars.id")?;
        if listed_ids.insert(id) {
            reconciled.listed.push(id);
            reconciled.seen_otherwise.extend((sees_otherwise || is_moved).then_some(id));
        }
    }
    for id in open_ids(&mut transaction, &account).await? {
        let id: CalendarId = parsed(&id, "calendars.id")?;
        if !listed_ids.contains(&id) {
            reconciled.vanished.push(id);
        }
    }
    store.commit(transaction, RECONCILE).await?;
    Ok(reconciled)
}

/// In which role and zone a calendar was read until now.
struct ReadAs {
    access_role: String,
    time_zone: Option<String>,
}

pub const READ_AS: &str = "SELECT id, access_role, time_zone FROM calendars WHERE account_id = $1";

/// The calendars of an account, by our ids.
async fn read_as(connection: &mut Connection, account: &str) -> Result<HashMap<String, ReadAs>, StoreError> {
    let rows: Vec<(String, String, Option<String>)> =
        sqlx::query_as(READ_AS).bind(account).fetch_all(connection).await.map_err(failed(RECONCILE))?;
    Ok(rows.into_iter().map(|(id, access_role, time_zone)| (id, ReadAs { access_role, time_zone })).collect())
}

const FOLLOWS_ADDRESS: &str = "SELECT id, provider_calendar_id FROM calendars \
     WHERE account_id = $1 AND id_follows_address AND state <> 'closed'";

/// Not where another row has the new id already: that calendar is another one.
const RENAME: &str = "UPDATE calendars SET provider_calendar_id = $3 WHERE id = $1 AND NOT EXISTS \
     (SELECT 1 FROM calendars WHERE account_id = $2 AND provider_calendar_id = $3)";

/// Gives a calendar whose id is the person's address its new id after a change of address: it keeps its row, so that its readers
/// keep our id of it.
async fn follow_address(
    connection: &mut Connection,
    account: &str,
    listed: &[RemoteCalendar],
) -> Result<(), StoreError> {
    let known: Vec<(String, String)> =
        sqlx::query_as(FOLLOWS_ADDRESS).bind(account).fetch_all(&mut *connection).await.map_err(failed(RECONCILE))?;
    if let Some((id, address)) = new_address(&known, listed) {
        let query = sqlx::query(RENAME).bind(id).bind(account).bind(address);
        execute(connection, query, RECONCILE).await?;
    }
    Ok(())
}

/// Our id of such a calendar and its new id at the provider, where it was listed under another one before.
fn new_address<'a>(known: &'a [(String, String)], listed: &'a [RemoteCalendar]) -> Option<(&'a str, &'a str)> {
    let [(id, before)] = known else { return None };
    let mut addresses =
        listed.iter().filter(|remote| remote.id_follows_address).map(|remote| remote.provider_id.as_str());
    let (address, None) = (addresses.next()?, addresses.next()) else { return None };
    let is_still_listed = listed.iter().any(|remote| remote.provider_id.as_str() == before);
    (!is_still_listed && address != before).then_some((id, address))
}

/// A known calendar keeps its id, its mirror and its state; only a closed one begins anew. With another zone, series that name
/// none of their own repeat by another clock: stored occurrences count no more until they are expanded again, and a running
/// pass, which expands by the old one, cannot commit.
const UPSERT: &str = "INSERT INTO calendars (id, tenant_id, account_id, provider_calendar_id, title, time_zone, \
     access_role, is_primary, state, state_changed_at, state_recorded_at, sync_cursor, id_follows_address) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'creating', $9, $9, $10, $11) \
     ON CONFLICT (account_id, provider_calendar_id) DO UPDATE SET title = excluded.title, \
     time_zone = excluded.time_zone, access_role = excluded.access_role, is_primary = excluded.is_primary, \
     id_follows_address = excluded.id_follows_address, \
     state = CASE WHEN calendars.state = 'closed' THEN 'creating' ELSE calendars.state END, \
     detail = CASE WHEN calendars.state = 'closed' THEN NULL ELSE calendars.detail END, \
     channel_expires_at = CASE WHEN calendars.state = 'closed' THEN NULL ELSE calendars.channel_expires_at END, \
     state_changed_at = CASE WHEN calendars.state = 'closed' THEN excluded.state_changed_at \
     ELSE calendars.state_changed_at END, \
     state_recorded_at = CASE WHEN calendars.state = 'closed' THEN excluded.state_recorded_at \
     ELSE calendars.state_recorded_at END \
     RETURNING id";

/// Writes a listed calendar down; answers our id of it.
async fn upsert(
    connection: &mut Connection,
    tenant: &str,
    account: &str,
    remote: &RemoteCalendar,
    at: DateTime<Utc>,
) -> Result<String, StoreError> {
    sqlx::query_scalar(UPSERT)
        .bind(CalendarId::generate().to_string())
        .bind(tenant)
        .bind(account)
        .bind(remote.provider_id.as_str())
        .bind(storable(&remote.title))
        .bind(remote.time_zone.as_deref().map(storable))
        .bind(remote.access_role.as_str())
        .bind(remote.primary)
        .bind(micros(at))
        .bind(to_json(&Cursor::Start, "calendars.sync_cursor")?)
        .bind(remote.id_follows_address)
        .fetch_one(connection)
        .await
        .map_err(failed(RECONCILE))
}

/// The account sees more or less of the calendar than the mirror was read with: a full pass is due. The new revision makes
/// the commits of a running pass fail, since it may hold what must not be seen any more.
const SET_ROLE: &str = "UPDATE calendars SET access_role = $2, revision = revision + 1, sync_cursor = $3 WHERE id = $1";

/// Writes down the role in which the account sees a calendar; answers how many rows that changed. `what` names the operation
/// in errors.
pub async fn set_role<'e>(
    executor: impl sqlx::Executor<'e, Database = Database>,
    id: &str,
    role: AccessRole,
    what: &'static str,
) -> Result<u64, StoreError> {
    let done = sqlx::query(SET_ROLE)
        .bind(id)
        .bind(role.as_str())
        .bind(to_json(&Cursor::Start, "calendars.sync_cursor")?)
        .execute(executor)
        .await
        .map_err(failed(what))?;
    Ok(done.rows_affected())
}

/// The calendar is in another zone, and what is stored of series that name none of their own is wrong: it counts no more, and a
/// full pass is due. The new revision makes the commits of a running pass fail, which expands by the old zone.
const LEAVE_ZONE: &str =
    "UPDATE calendars SET window_end = NULL, revision = revision + 1, sync_cursor = $2 WHERE id = $1";

/// Stored occurrences count no more, since the calendar is in another zone.
async fn leave_zone(connection: &mut Connection, id: &str) -> Result<(), StoreError> {
    let query = sqlx::query(LEAVE_ZONE).bind(id).bind(to_json(&Cursor::Start, "calendars.sync_cursor")?);
    execute(connection, query, RECONCILE).await.map(drop)
}

pub const OPEN_IDS_OF_ACCOUNT: &str =
    "SELECT id FROM calendars WHERE account_id = $1 AND state <> 'closed' ORDER BY id";

/// Our ids of the account's calendars that are not closed.
async fn open_ids(connection: &mut Connection, account: &str) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(OPEN_IDS_OF_ACCOUNT).bind(account).fetch_all(connection).await.map_err(failed(RECONCILE))
}
