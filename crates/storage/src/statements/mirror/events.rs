//! The rows of a mirror.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evercal_domain::{CalendarId, Event, ProviderEventId};
use sqlx::QueryBuilder;

use super::{
    Backend, Connection, Database, Engine, IDS_PER_STATEMENT, ROWS_PER_STATEMENT, calendars, failed, occurrences,
};
use crate::columns::{from_json, readable};
use crate::entities::mirror::events::{ItemRow, RowState, StaleItem, StaleRow, StateRow, StoredItem};
use crate::error::StoreError;
use crate::lookup::Lookup;
use crate::page::NewRow;
use crate::paging::{Page, PageRequest, page_of, rows_to_fetch};
use crate::touched::Touched;

/// Rows by their ids, as a commit sees them.
pub type States = HashMap<ProviderEventId, RowState>;

const EVENT: &str = "SELECT body FROM events \
     WHERE calendar_id = $1 AND provider_event_id = $2 AND kind <> 'cancelled'";

pub async fn read(store: &Backend, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<Event>, StoreError> {
    // No row has such an id, and PostgreSQL takes no such text.
    if id.as_str().contains('\0') {
        return Ok(None);
    }
    let body: Option<String> = sqlx::query_scalar(EVENT)
        .bind(calendar.to_string())
        .bind(id.as_str())
        .fetch_optional(store.read_pool())
        .await
        .map_err(failed("read an event"))?;
    let event: Option<Event> = body.map(|body| from_json(&body, "events.body")).transpose()?;
    let (Some(mut event), Some(view)) = (event, calendars::view_of(store, calendar).await?) else { return Ok(None) };
    event.hide_beyond(view);
    Ok(Some(event))
}

pub const ITEMS: &str = "SELECT provider_event_id, kind, series_master_id, body FROM events \
     WHERE calendar_id = $1 AND provider_event_id > $2 ORDER BY provider_event_id LIMIT $3";

pub async fn list(store: &Backend, calendar: CalendarId, page: &PageRequest) -> Result<Page<StoredItem>, StoreError> {
    let rows: Vec<ItemRow> = sqlx::query_as(ITEMS)
        .bind(calendar.to_string())
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(rows_to_fetch(page))
        .fetch_all(store.read_pool())
        .await
        .map_err(failed("list items"))?;
    Ok(page_of(rows, page, |row| row.provider_event_id.clone()))
}

pub const WARNED: &str = "SELECT provider_event_id, kind, series_master_id, body FROM events \
     WHERE calendar_id = $1 AND warned ORDER BY provider_event_id LIMIT $2";

pub async fn warned(store: &Backend, calendar: CalendarId, limit: u32) -> Result<Vec<StoredItem>, StoreError> {
    let rows: Vec<ItemRow> = sqlx::query_as(WARNED)
        .bind(calendar.to_string())
        .bind(i64::from(limit))
        .fetch_all(store.read_pool())
        .await
        .map_err(failed("read warnings"))?;
    Ok(readable(rows))
}

pub const MASTER_IDS: &str = "SELECT provider_event_id FROM events \
     WHERE calendar_id = $1 AND kind = 'master' AND provider_event_id > $2 ORDER BY provider_event_id LIMIT $3";

pub async fn master_ids(
    store: &Backend,
    calendar: CalendarId,
    after: Option<&ProviderEventId>,
    limit: u32,
) -> Result<Vec<ProviderEventId>, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar(MASTER_IDS)
        .bind(calendar.to_string())
        .bind(after.map(ProviderEventId::as_str).unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(store.read_pool())
        .await
        .map_err(failed("list masters"))?;
    Ok(ids.into_iter().map(ProviderEventId::new).collect())
}

pub const STALE_ITEMS: &str = "SELECT provider_event_id, series_master_id FROM events \
     WHERE calendar_id = $1 AND generation < $2 ORDER BY provider_event_id";

pub async fn stale(store: &Backend, calendar: CalendarId, generation: i64) -> Result<Vec<StaleItem>, StoreError> {
    let rows: Vec<StaleRow> = sqlx::query_as(STALE_ITEMS)
        .bind(calendar.to_string())
        .bind(generation)
        .fetch_all(store.read_pool())
        .await
        .map_err(failed("read stale items"))?;
    Ok(rows.into_iter().map(StaleRow::read).collect())
}

pub async fn related(
    store: &Backend,
    calendar: CalendarId,
    ids: &[ProviderEventId],
) -> Result<Vec<StoredItem>, StoreError> {
    let named: BTreeSet<&str> = ids.iter().map(ProviderEventId::as_str).collect();
    let mut rows = BTreeMap::new();
    collect(store, calendar, Lookup::EventsById, &named, &mut rows).await?;
    // The owners of what was named, and what was named itself: it may be a master that is not mirrored.
    let owners: BTreeSet<String> = rows.values().map(|row: &ItemRow| row.owner().to_owned()).collect();
    let owners: BTreeSet<&str> = owners.iter().map(String::as_str).chain(named.iter().copied()).collect();
    let masters: BTreeSet<&str> = owners.difference(&named).copied().collect();
    collect(store, calendar, Lookup::EventsById, &masters, &mut rows).await?;
    collect(store, calendar, Lookup::EventsBySeries, &owners, &mut rows).await?;
    Ok(rows.into_values().map(ItemRow::read_or_unreadable).collect())
}

/// Adds the rows with these ids, their own or their series'.
async fn collect(
    store: &Backend,
    calendar: CalendarId,
    lookup: Lookup,
    ids: &BTreeSet<&str>,
    found: &mut BTreeMap<String, ItemRow>,
) -> Result<(), StoreError> {
    const COLUMNS: &str = "provider_event_id, kind, series_master_id, body";
    let ids: Vec<&str> = ids.iter().copied().collect();
    for ids in ids.chunks(IDS_PER_STATEMENT) {
        let mut query = Backend::select_by_keys(COLUMNS, lookup, &calendar.to_string(), ids);
        let rows: Vec<ItemRow> =
            query.build_query_as().fetch_all(store.read_pool()).await.map_err(failed("read related items"))?;
        found.extend(rows.into_iter().map(|row| (row.provider_event_id.clone(), row)));
    }
    Ok(())
}

/// The rows with these ids, their own or their series'.
pub async fn states(
    connection: &mut Connection,
    calendar: &str,
    lookup: Lookup,
    ids: impl Iterator<Item = &ProviderEventId>,
) -> Result<States, StoreError> {
    const COLUMNS: &str = "provider_event_id, kind, series_master_id, fingerprint, updated_at";
    let ids: Vec<&str> = ids.map(ProviderEventId::as_str).collect();
    let mut states = States::with_capacity(ids.len());
    for ids in ids.chunks(IDS_PER_STATEMENT) {
        let mut query = Backend::select_by_keys(COLUMNS, lookup, calendar, ids);
        let rows: Vec<StateRow> =
            query.build_query_as().fetch_all(&mut *connection).await.map_err(failed("read known events"))?;
        states.extend(rows.into_iter().map(StateRow::read));
    }
    Ok(states)
}

/// Writes rows, whether they were there or not.
pub async fn upsert(
    connection: &mut Connection,
    calendar: &str,
    generation: i64,
    rows: &[NewRow],
) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Database>::new(
            "INSERT INTO events (calendar_id, provider_event_id, generation, kind, series_master_id, fingerprint, \
             updated_at, body, warned) ",
        );
        query.push_values(rows, |mut values, row| {
            values
                .push_bind(calendar)
                .push_bind(row.provider_id.as_str())
                .push_bind(generation)
                .push_bind(row.state.kind.as_str())
                .push_bind(row.state.series_master_id.as_ref().map(ProviderEventId::as_str))
                .push_bind(row.state.fingerprint.as_str())
                .push_bind(row.state.updated_us)
                .push_bind(row.body.as_str())
                .push_bind(row.warned);
        });
        query.push(
            " ON CONFLICT (calendar_id, provider_event_id) DO UPDATE SET generation = excluded.generation, \
             kind = excluded.kind, series_master_id = excluded.series_master_id, \
             fingerprint = excluded.fingerprint, updated_at = excluded.updated_at, body = excluded.body, \
             warned = excluded.warned",
        );
        query.build().execute(&mut *connection).await.map_err(failed("write events"))?;
    }
    Ok(())
}

const RENEW_GENERATION: &str = "UPDATE events SET generation = $3 WHERE calendar_id = $1 AND provider_event_id = $2";

/// Marks a row as seen by a pass that could not read it.
pub async fn renew_generation(
    connection: &mut Connection,
    calendar: &str,
    id: &str,
    generation: i64,
) -> Result<(), StoreError> {
    sqlx::query(RENEW_GENERATION)
        .bind(calendar)
        .bind(id)
        .bind(generation)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("quarantine an event"))
}

/// Deletes rows and the occurrences that they own; those of an exception belong to its series, which the page replaces.
pub async fn delete(
    connection: &mut Connection,
    calendar: &str,
    ids: &[&ProviderEventId],
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let keys: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    for keys in keys.chunks(IDS_PER_STATEMENT) {
        let mut query = Backend::delete_by_keys(Lookup::EventsById, calendar, keys);
        query.build().execute(&mut *connection).await.map_err(failed("delete events"))?;
    }
    occurrences::delete(connection, calendar, ids, touched).await
}

pub const STALE_STATES: &str = "SELECT provider_event_id, kind, series_master_id, fingerprint, updated_at FROM events \
     WHERE calendar_id = $1 AND generation < $2 ORDER BY provider_event_id";

/// Deletes what the full pass that ends did not see.
pub async fn delete_stale(
    connection: &mut Connection,
    calendar: &str,
    generation: i64,
    touched: &mut Touched,
) -> Result<Vec<(ProviderEventId, RowState)>, StoreError> {
    let rows: Vec<StateRow> = sqlx::query_as(STALE_STATES)
        .bind(calendar)
        .bind(generation)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read stale events"))?;
    delete_states(connection, calendar, rows, touched).await
}

/// Cancelled occurrences whose series is neither mirrored nor waiting in quarantine. All of them have a master; saying so
/// leads SQLite to the index of cancelled rows instead of through all events.
pub const ORPHAN_STATES: &str = "SELECT c.provider_event_id, c.kind, c.series_master_id, c.fingerprint, c.updated_at \
     FROM events c \
     WHERE c.calendar_id = $1 AND c.kind = 'cancelled' AND c.series_master_id > '' \
     AND NOT EXISTS (SELECT 1 FROM events m WHERE m.calendar_id = c.calendar_id \
     AND m.provider_event_id = c.series_master_id) \
     AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.calendar_id = c.calendar_id \
     AND q.item_key = 'id:' || c.series_master_id) ORDER BY c.provider_event_id";

/// Deletes cancelled occurrences without a series. They come when a page after the one that deleted the master still
/// tells its cancelled occurrences; only at the end of a pass is it known that no later page brings the master.
pub async fn delete_orphans(
    connection: &mut Connection,
    calendar: &str,
    touched: &mut Touched,
) -> Result<Vec<(ProviderEventId, RowState)>, StoreError> {
    let rows: Vec<StateRow> = sqlx::query_as(ORPHAN_STATES)
        .bind(calendar)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read orphaned cancellations"))?;
    delete_states(connection, calendar, rows, touched).await
}

async fn delete_states(
    connection: &mut Connection,
    calendar: &str,
    rows: Vec<StateRow>,
    touched: &mut Touched,
) -> Result<Vec<(ProviderEventId, RowState)>, StoreError> {
    let states: Vec<_> = rows.into_iter().map(StateRow::read).collect();
    let ids: Vec<&ProviderEventId> = states.iter().map(|(id, _)| id).collect();
    delete(connection, calendar, &ids, touched).await?;
    Ok(states)
}
