//! Occurrences: replaced per owner, read by range.

use std::collections::HashMap;

use evercal_domain::event::Occurrence;
use evercal_domain::limits::EVENTS_PAGE_BYTES_MAX;
use evercal_domain::{CalendarId, ProviderEventId};
use futures::TryStreamExt as _;
use sqlx::QueryBuilder;

use super::mirror::IDS_PER_STATEMENT;
use super::{Backend, Connection, DELETE_OCCURRENCES, Engine, failed};
use crate::error::StoreError;
use crate::sql::reading::{OCCURRENCES, OccurrenceKey, OccurrencePlace, OccurrenceRow, TimeColumns};
use crate::sql::{micros, midnight_micros, readable, rows_to_fetch};
use crate::touched::Touched;
use crate::types::{OccurrenceRange, OwnerOccurrences, Page, PageRequest, ReadOccurrence};

/// Rows in one `INSERT`; 14 parameters each.
const ROWS_PER_STATEMENT: usize = 100;

pub(super) async fn occurrences(
    store: &Backend,
    calendar: CalendarId,
    range: &OccurrenceRange,
    page: &PageRequest,
) -> Result<Page<ReadOccurrence>, StoreError> {
    let after = OccurrenceKey::read(page.after.as_deref())?;
    let mut rows = sqlx::query_as(OCCURRENCES)
        .bind(calendar.to_string())
        .bind(micros(range.to).max(midnight_micros(range.to_date)))
        .bind(micros(range.from))
        .bind(micros(range.to))
        .bind(range.from_date.to_string())
        .bind(range.to_date.to_string())
        .bind(after.sort_us)
        .bind(after.owner_id)
        .bind(after.original_us)
        .bind(rows_to_fetch(page))
        .fetch(&store.read);
    // Bodies can be large, so that a page is bounded by their bytes, too, and no more of them are fetched than it takes.
    let limit = usize::try_from(page.limit.max(1)).unwrap_or(usize::MAX);
    let (mut taken, mut bytes, mut more) = (Vec::new(), 0, false);
    while let Some(row) = rows.try_next().await.map_err(failed("read occurrences"))? {
        let row: OccurrenceRow = row;
        if taken.len() >= limit || bytes >= EVENTS_PAGE_BYTES_MAX {
            more = true;
            break;
        }
        bytes += row.body_bytes();
        taken.push(row);
    }
    let next = taken.last().filter(|_| more).map(OccurrenceRow::cursor);
    Ok(Page { items: readable(taken), next })
}

/// Replaces all occurrences of each owner; of an owner that is given twice the last entry counts.
pub(super) async fn replace(
    connection: &mut Connection,
    calendar: &str,
    owners: &[OwnerOccurrences],
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let owners: HashMap<&ProviderEventId, &[Occurrence]> =
        owners.iter().map(|owner| (&owner.owner, owner.occurrences.as_slice())).collect();
    let ids: Vec<&ProviderEventId> = owners.keys().copied().collect();
    delete(connection, calendar, &ids, touched).await?;

    let mut rows: Vec<(&ProviderEventId, &Occurrence, TimeColumns)> = owners
        .into_iter()
        .flat_map(|(owner, occurrences)| occurrences.iter().map(move |one| (owner, one, TimeColumns::of(&one.start))))
        .collect();
    // In the order of the key, neighbours in the file are written together.
    rows.sort_by(|left, right| (left.2.sort_us, left.0).cmp(&(right.2.sort_us, right.0)));
    for (owner, occurrence, _) in &rows {
        touched.note_written(owner, occurrence);
    }
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Engine>::new(
            "INSERT INTO occurrences (calendar_id, sort_us, owner_id, original_us, original_all_day, original_zone, \
             source_id, series_id, start_us, start_zone, start_date, end_us, end_zone, end_date) ",
        );
        query.push_values(rows, |mut values, (owner, occurrence, start)| {
            let (original, end) = (TimeColumns::of(&occurrence.original_start), TimeColumns::of(&occurrence.end));
            values
                .push_bind(calendar)
                .push_bind(start.sort_us)
                .push_bind(owner.as_str())
                .push_bind(original.sort_us)
                .push_bind(occurrence.original_start.is_all_day())
                .push_bind(original.zone)
                .push_bind(occurrence.source_id.as_str())
                .push_bind(occurrence.series_id.as_ref().map(ProviderEventId::as_str))
                .push_bind(start.us)
                .push_bind(start.zone)
                .push_bind(start.date.as_deref())
                .push_bind(end.us)
                .push_bind(end.zone)
                .push_bind(end.date);
        });
        // The key is the identity of an occurrence: the same one given twice is one.
        query.push(" ON CONFLICT DO NOTHING");
        query.build().execute(&mut *connection).await.map_err(failed("write occurrences"))?;
    }
    Ok(())
}

/// Deletes all occurrences of owners.
pub(super) async fn delete(
    connection: &mut Connection,
    calendar: &str,
    owners: &[&ProviderEventId],
    touched: &mut Touched,
) -> Result<(), StoreError> {
    for owners in owners.chunks(IDS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Engine>::new(DELETE_OCCURRENCES);
        query.push(" WHERE calendar_id = ").push_bind(calendar).push(" AND owner_id IN (");
        let mut list = query.separated(", ");
        for owner in owners {
            list.push_bind(owner.as_str());
        }
        query.push(") RETURNING ").push(OccurrencePlace::COLUMNS);
        let places = query.build_query_as().fetch_all(&mut *connection).await;
        touched.note_deleted(places.map_err(failed("delete occurrences"))?);
    }
    Ok(())
}
