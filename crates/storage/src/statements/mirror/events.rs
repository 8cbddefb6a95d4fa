//! The rows of a mirror.

use async_trait::async_trait;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::{CalendarId, Event, ProviderEventId};
use evercal_mirror::{NewBody, NewRow, StoredRow};
use sqlx::QueryBuilder;

use super::inserts::Inserts;
use super::{
    Backend, Connection, Database, Engine, IDS_PER_STATEMENT, ROWS_PER_STATEMENT, calendars, failed, fetch_value,
    occurrences,
};
use crate::columns::{from_json, storable, to_json};
use crate::entities::mirror::events::{EVENT_COLUMNS, EventRow, MirroredEvents};
use crate::error::StoreError;
use crate::lookup::Lookup;
use crate::paging::{Page, PageRequest, page_of, rows_to_fetch};
use crate::touched::Touched;

const EVENT: &str = "SELECT body FROM events \
     WHERE calendar_id = $1 AND provider_event_id = $2 AND kind NOT IN ('cancelled', 'occurrence')";

pub const RAW: &str = "SELECT body, raw FROM events \
     WHERE calendar_id = $1 AND provider_event_id = $2 AND kind NOT IN ('cancelled', 'occurrence')";

pub const ITEMS: &str = "SELECT provider_event_id, kind, series_master_id, fingerprint, version, body FROM events \
     WHERE calendar_id = $1 AND provider_event_id > $2 ORDER BY provider_event_id LIMIT $3";

pub const WARNED: &str = "SELECT provider_event_id, kind, series_master_id, fingerprint, version, body FROM events \
     WHERE calendar_id = $1 AND warned ORDER BY provider_event_id LIMIT $2";

pub const MASTER_IDS: &str = "SELECT provider_event_id FROM events \
     WHERE calendar_id = $1 AND kind = 'master' AND provider_event_id > $2 ORDER BY provider_event_id LIMIT $3";

#[async_trait]
impl MirroredEvents for Backend {
    async fn event(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<Event>, StoreError> {
        // No row has such an id, and PostgreSQL takes no such text.
        if id.as_str().contains('\0') {
            return Ok(None);
        }
        let query = sqlx::query_scalar::<_, String>(EVENT).bind(calendar.to_string()).bind(id.as_str());
        let body = fetch_value(self.read_pool(), query, "read an event").await?;
        let event: Option<Event> = body.map(|body| from_json(&body, "events.body")).transpose()?;
        let (Some(mut event), Some(view)) = (event, calendars::view_of(self, calendar).await?) else { return Ok(None) };
        event.hide_beyond(view);
        Ok(Some(event))
    }

    async fn event_raw(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<String>, StoreError> {
        if id.as_str().contains('\0') {
            return Ok(None);
        }
        let row: Option<(String, Option<String>)> = sqlx::query_as(RAW)
            .bind(calendar.to_string())
            .bind(id.as_str())
            .fetch_optional(self.read_pool())
            .await
            .map_err(failed("read an event's own text"))?;
        let Some((body, raw)) = row else { return Ok(None) };
        let event: Event = from_json(&body, "events.body")?;
        // Read after the row: a role that was lowered before then hides what it has to.
        let view = calendars::view_of(self, calendar).await?;
        Ok(raw.filter(|_| view.is_some_and(|view| event.shows_details_in(view))))
    }

    async fn items(&self, calendar: CalendarId, page: &PageRequest) -> Result<Page<StoredRow>, StoreError> {
        let rows: Vec<EventRow> = sqlx::query_as(ITEMS)
            .bind(calendar.to_string())
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(rows_to_fetch(page))
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("list items"))?;
        Ok(page_of(rows, page, |row| row.provider_event_id.clone()))
    }

    async fn warned(&self, calendar: CalendarId, limit: u32) -> Result<Vec<StoredRow>, StoreError> {
        let query = sqlx::query_as::<_, EventRow>(WARNED).bind(calendar.to_string()).bind(i64::from(limit));
        self.read_all(query, "read warnings").await
    }

    async fn master_ids(
        &self,
        calendar: CalendarId,
        after: Option<&ProviderEventId>,
        limit: u32,
    ) -> Result<Vec<ProviderEventId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(MASTER_IDS)
            .bind(calendar.to_string())
            .bind(after.map(ProviderEventId::as_str).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("list masters"))?;
        Ok(ids.into_iter().map(ProviderEventId::new).collect())
    }

    async fn related_rows(&self, calendar: CalendarId, ids: &[ProviderEventId]) -> Result<Vec<StoredRow>, StoreError> {
        related(self, calendar, &ids.iter().map(ProviderEventId::as_str).collect()).await
    }
}

pub async fn related(
    store: &Backend,
    calendar: CalendarId,
    named: &BTreeSet<&str>,
) -> Result<Vec<StoredRow>, StoreError> {
    let mut rows = BTreeMap::new();
    // What was named may be a master that is not mirrored.
    collect(store, calendar, named, &mut rows).await?;
    let owners: BTreeSet<String> = rows.values().map(|row: &EventRow| row.owner().to_owned()).collect();
    let masters = owners.iter().map(String::as_str).filter(|owner| !named.contains(owner)).collect();
    collect(store, calendar, &masters, &mut rows).await?;
    Ok(rows.into_values().map(EventRow::read_or_unreadable).collect())
}

/// Adds the rows with these ids and those of the series with these ids, both in one round trip.
async fn collect(
    store: &Backend,
    calendar: CalendarId,
    ids: &BTreeSet<&str>,
    found: &mut BTreeMap<String, EventRow>,
) -> Result<(), StoreError> {
    let calendar = calendar.to_string();
    let ids: Vec<&str> = ids.iter().copied().collect();
    for ids in ids.chunks(IDS_PER_STATEMENT) {
        let mut query = QueryBuilder::default();
        Backend::push_select_by_keys(&mut query, EVENT_COLUMNS, Lookup::EventsById, &calendar, ids);
        query.push(" UNION ALL ");
        Backend::push_select_by_keys(&mut query, EVENT_COLUMNS, Lookup::EventsBySeries, &calendar, ids);
        let rows: Vec<EventRow> =
            query.build_query_as().fetch_all(store.read_pool()).await.map_err(failed("read related items"))?;
        found.extend(rows.into_iter().map(|row| (row.provider_event_id.clone(), row)));
    }
    Ok(())
}

/// A row with its body as text, which needs no lock to be made.
pub struct WrittenRow<'a> {
    row: &'a NewRow,
    version: Option<Cow<'a, str>>,
    body: String,
    raw: Option<Cow<'a, str>>,
}

impl<'a> WrittenRow<'a> {
    pub fn of(row: &'a NewRow) -> Result<Self, StoreError> {
        Ok(match &row.body {
            NewBody::Event(remote) => Self {
                row,
                version: remote.version.as_deref().map(storable),
                body: to_json(&remote.event, "events.body")?,
                raw: remote.raw.as_deref().map(storable),
            },
            NewBody::Cancelled(position) => {
                Self { row, version: None, body: to_json(position, "events.body")?, raw: None }
            }
            NewBody::Occurrence(occurrence) => {
                Self { row, version: None, body: to_json(occurrence, "events.body")?, raw: None }
            }
        })
    }
}

/// Writes rows, whether they were there or not.
pub async fn upsert(
    inserts: &mut Inserts<'_>,
    calendar: &str,
    generation: i64,
    rows: &[WrittenRow<'_>],
) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let push = |query: &mut QueryBuilder<Database>| {
            query.push(
                "INSERT INTO events (calendar_id, provider_event_id, generation, kind, series_master_id, fingerprint, \
                 version, warned, body, raw) ",
            );
            query.push_values(rows, |mut values, WrittenRow { row, version, body, raw }| {
                values
                    .push_bind(calendar)
                    .push_bind(row.provider_id.as_str())
                    .push_bind(generation)
                    .push_bind(row.state.kind.as_str())
                    .push_bind(row.state.series_master_id.as_ref().map(ProviderEventId::as_str))
                    .push_bind(row.state.fingerprint.as_str())
                    .push_bind(version.as_deref())
                    .push_bind(row.is_warned())
                    .push_bind(body.as_str())
                    .push_bind(raw.as_deref());
            });
            query.push(
                " ON CONFLICT (calendar_id, provider_event_id) DO UPDATE SET generation = excluded.generation, \
                 kind = excluded.kind, series_master_id = excluded.series_master_id, \
                 fingerprint = excluded.fingerprint, version = excluded.version, warned = excluded.warned, \
                 body = excluded.body, raw = excluded.raw",
            );
        };
        inserts.add("write events", rows.len(), push).await?;
    }
    Ok(())
}

/// Keeps rows in a full pass although no page had them, or had them in a form that could not be read.
pub async fn renew_generation(
    connection: &mut Connection,
    calendar: &str,
    ids: &[ProviderEventId],
    generation: i64,
) -> Result<(), StoreError> {
    let keys: Vec<&str> = ids.iter().map(ProviderEventId::as_str).collect();
    for keys in keys.chunks(IDS_PER_STATEMENT) {
        let mut query = QueryBuilder::new("UPDATE events SET generation = ");
        query.push_bind(generation);
        Backend::push_where_keys(&mut query, Lookup::EventsById, calendar, keys);
        query.build().execute(&mut *connection).await.map_err(failed("keep events"))?;
    }
    Ok(())
}

/// Deletes rows and the occurrences that they own; those of an exception belong to its series, which the page replaces.
pub async fn delete(
    connection: &mut Connection,
    calendar: &str,
    ids: &[ProviderEventId],
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let keys: Vec<&str> = ids.iter().map(ProviderEventId::as_str).collect();
    for keys in keys.chunks(IDS_PER_STATEMENT) {
        let mut query = QueryBuilder::new("DELETE FROM events");
        Backend::push_where_keys(&mut query, Lookup::EventsById, calendar, keys);
        query.build().execute(&mut *connection).await.map_err(failed("delete events"))?;
    }
    occurrences::delete(connection, calendar, ids.iter(), touched).await
}
