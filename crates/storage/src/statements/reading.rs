//! Occurrences: replaced per owner, read by range.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use evercal_domain::event::Occurrence;
use evercal_domain::limits::EVENTS_PAGE_BYTES_MAX;
use evercal_domain::zones::Clock;
use evercal_domain::{CalendarId, ProviderEventId};
use futures::TryStreamExt as _;
use sqlx::QueryBuilder;

use super::mirror::IDS_PER_STATEMENT;
use super::{Backend, Connection, Engine, OCCURRENCES, by_keys, failed};
use crate::error::StoreError;
use crate::sql::lookup::Lookup;
use crate::sql::reading::{LENGTHS_MAX_US, OccurrenceKey, OccurrencePlace, OccurrenceRow, length_class};
use crate::sql::{micros, midnight_micros, readable, rows_to_fetch, time_us, zone_of};
use crate::touched::Touched;
use crate::types::{OccurrenceRange, OwnerOccurrences, Page, PageRequest, ReadOccurrence, SeriesRows};

/// Rows in one `INSERT`; 13 parameters each.
const ROWS_PER_STATEMENT: usize = 100;

pub(super) async fn occurrences(
    store: &Backend,
    calendar: CalendarId,
    range: &OccurrenceRange,
    page: &PageRequest,
) -> Result<Page<ReadOccurrence>, StoreError> {
    let after = page.after.as_deref().map(OccurrenceKey::read).transpose()?;
    let clock = range.zone.clock();
    let timed = rows(store, calendar, range, page, after.as_ref(), false, &clock).await?;
    let all_day = rows(store, calendar, range, page, after.as_ref(), true, &clock).await?;
    let (mut rows, next) = merged(timed, all_day, page, &clock);
    // One whose source is gone is shown to nobody.
    rows.retain(|row| row.body.is_some());
    Ok(Page { items: readable(rows), next })
}

/// Timed or all-day rows, in order.
struct Rows {
    rows: VecDeque<OccurrenceRow>,
    /// Whether more of them follow that were not fetched, because these are large.
    are_cut_off: bool,
}

/// Timed or all-day ones, one more than the page has.
async fn rows(
    store: &Backend,
    calendar: CalendarId,
    range: &OccurrenceRange,
    page: &PageRequest,
    after: Option<&OccurrenceKey>,
    all_day: bool,
    clock: &Clock,
) -> Result<Rows, StoreError> {
    let after = after.map_or_else(|| OccurrenceKey::first(all_day), |after| after.among(all_day, clock));
    let (after_start, after_owner, after_original) = after.columns();
    let (from, to) = if all_day {
        (midnight_micros(range.from_date), midnight_micros(range.to_date))
    } else {
        (micros(range.from), micros(range.to))
    };
    // Nothing before the key is read again: it was on the pages before.
    let begun = |length_max: i64| from.saturating_sub(length_max).max(after_start);
    let [day, week, months, year] = LENGTHS_MAX_US;
    let (series_from, series_to) = match range.series {
        SeriesRows::All => (i64::MIN, i64::MAX),
        SeriesRows::StartingWithin { from, to } => (micros(from), micros(to)),
    };
    let mut fetched = sqlx::query_as(OCCURRENCES)
        .bind(calendar.to_string())
        .bind(all_day)
        .bind(from)
        .bind(to)
        .bind(begun(day))
        .bind(begun(week))
        .bind(begun(months))
        .bind(begun(year))
        .bind(after_start)
        .bind(after_start)
        .bind(after_owner)
        .bind(after_original)
        .bind(rows_to_fetch(page))
        .bind(series_from)
        .bind(series_to)
        .fetch(&store.read);
    // Bodies can be large, so that a page is bounded by their bytes, too, and no more of them are fetched than it takes.
    let (mut rows, mut bytes, mut are_cut_off): (Vec<OccurrenceRow>, _, _) = (Vec::new(), 0, false);
    while let Some(row) = fetched.try_next().await.map_err(failed("read occurrences"))? {
        if bytes >= EVENTS_PAGE_BYTES_MAX {
            are_cut_off = true;
            break;
        }
        let row: OccurrenceRow = row;
        bytes += row.body_bytes();
        rows.push(row);
    }
    // They come in this order; but no engine promises it of what a query reads from another one.
    rows.sort_by(|left, right| left.order().cmp(&right.order()));
    Ok(Rows { rows: rows.into(), are_cut_off })
}

/// Two ordered lists as a page and, where more follows, the cursor after it.
fn merged(
    mut timed: Rows,
    mut all_day: Rows,
    page: &PageRequest,
    clock: &Clock,
) -> (Vec<OccurrenceRow>, Option<String>) {
    let limit = usize::try_from(page.limit.max(1)).unwrap_or(usize::MAX);
    let (mut merged, mut bytes) = (Vec::new(), 0);
    while merged.len() < limit && bytes < EVENTS_PAGE_BYTES_MAX {
        // What was not fetched may come before anything of the other list.
        if [&timed, &all_day].iter().any(|rows| rows.rows.is_empty() && rows.are_cut_off) {
            break;
        }
        let takes_timed = match (timed.rows.front(), all_day.rows.front()) {
            (Some(timed), Some(all_day)) => timed.key().compare(&all_day.key(), clock) == Ordering::Less,
            (timed, _) => timed.is_some(),
        };
        let list = if takes_timed { &mut timed } else { &mut all_day };
        let Some(row) = list.rows.pop_front() else { break };
        bytes += row.body_bytes();
        merged.push(row);
    }
    let more = [timed, all_day].iter().any(|rows| rows.are_cut_off || !rows.rows.is_empty());
    let next = merged.last().filter(|_| more).map(|row: &OccurrenceRow| row.key().cursor());
    (merged, next)
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

    let mut rows: Vec<(&ProviderEventId, &Occurrence)> = owners
        .into_iter()
        .flat_map(|(owner, occurrences)| occurrences.iter().map(move |occurrence| (owner, occurrence)))
        .collect();
    // In the order of the key, neighbours in the file are written together.
    rows.sort_by_key(|(owner, occurrence)| (occurrence.start.is_all_day(), time_us(&occurrence.start), *owner));
    for (owner, occurrence) in &rows {
        touched.note_written(owner, occurrence);
    }
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Engine>::new(
            "INSERT INTO occurrences (calendar_id, all_day, start_us, owner_id, original_us, original_all_day, \
             original_zone, source_id, series_id, start_zone, end_us, end_zone, length_class) ",
        );
        query.push_values(rows, |mut values, (owner, occurrence)| {
            let (start_us, end_us) = (time_us(&occurrence.start), time_us(&occurrence.end));
            values
                .push_bind(calendar)
                .push_bind(occurrence.start.is_all_day())
                .push_bind(start_us)
                .push_bind(owner.as_str())
                .push_bind(time_us(&occurrence.original_start))
                .push_bind(occurrence.original_start.is_all_day())
                .push_bind(zone_of(&occurrence.original_start))
                .push_bind(occurrence.source_id.as_str())
                .push_bind(occurrence.series_id.as_ref().map(ProviderEventId::as_str))
                .push_bind(zone_of(&occurrence.start))
                .push_bind(end_us)
                .push_bind(zone_of(&occurrence.end))
                .push_bind(length_class(end_us.saturating_sub(start_us)));
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
    let owners: Vec<&str> = owners.iter().map(|owner| owner.as_str()).collect();
    for owners in owners.chunks(IDS_PER_STATEMENT) {
        let mut query = by_keys::delete(Lookup::OccurrencesByOwner, calendar, owners);
        query.push(" RETURNING ").push(OccurrencePlace::COLUMNS);
        let places = query.build_query_as().fetch_all(&mut *connection).await;
        touched.note_deleted(places.map_err(failed("delete occurrences"))?);
    }
    Ok(())
}
