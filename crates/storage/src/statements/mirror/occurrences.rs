//! Occurrences: read by range, replaced per owner.
//!
//! A read must not cost more the older a calendar is, so the search for occurrences that began before the range goes only as
//! far back as one of their length can have begun. Lengths are in classes: nearly all are in the first, and the scan of the key begins a day
//! before the range; those of the others have an index of their own.

use async_trait::async_trait;
use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use evercal_domain::event::Occurrence;
use evercal_domain::limits::EVENTS_PAGE_BYTES_MAX;
use evercal_domain::zones::Clock;
use evercal_domain::{CalendarId, ProviderEventId};
use evercal_mirror::OwnerOccurrences;
use futures::TryStreamExt as _;
use sqlx::QueryBuilder;

use super::inserts::Inserts;
use super::{Backend, Connection, Database, Engine, IDS_PER_STATEMENT, calendars, failed, revisions};
use crate::columns::{micros, midnight_micros, readable, time_us, zone_of};
use crate::entities::mirror::occurrence_key::OccurrenceKey;
use crate::entities::mirror::occurrences::{
    LENGTHS_MAX_US, OccurrenceRange, OccurrenceRow, Occurrences, ReadOccurrence, SeriesRows, StoredOccurrence,
    length_class,
};
use crate::error::StoreError;
use crate::lookup::Lookup;
use crate::paging::{Page, PageRequest, rows_to_fetch};
use crate::touched::Touched;

/// Rows in one `INSERT`; 13 parameters each.
const OCCURRENCES_PER_STATEMENT: usize = 100;

#[async_trait]
impl Occurrences for Backend {
    async fn occurrences(
        &self,
        calendar: CalendarId,
        range: &OccurrenceRange,
        page: &PageRequest,
    ) -> Result<Page<ReadOccurrence>, StoreError> {
        let after = page.after.as_deref().map(OccurrenceKey::read).transpose()?;
        let clock = range.zone.clock();
        let timed = rows(self, calendar, range, page, after.as_ref(), false, &clock).await?;
        let all_day = rows(self, calendar, range, page, after.as_ref(), true, &clock).await?;
        let (mut rows, next) = merged(timed, all_day, page, &clock);
        // One whose source is gone is shown to nobody.
        rows.retain(|row| row.body.is_some());
        let mut items: Vec<ReadOccurrence> = readable(rows);
        // Read after the rows: a role that was lowered before then hides what it has to.
        let Some(view) = calendars::view_of(self, calendar).await? else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        for read in &mut items {
            read.event.hide_beyond(view);
        }
        Ok(Page { items, next })
    }

    async fn revision_of(&self, calendar: CalendarId, range: &OccurrenceRange) -> Result<i64, StoreError> {
        revisions::of(self, calendar, range).await
    }
}

/// Some rows from `$3` until before `$4`; of mirrored series only what starts from `$14` until before `$15`.
macro_rules! some {
    ($index:literal, $($which:literal),+) => {
        concat!(
            "SELECT * FROM occurrences a",
            $index,
            " WHERE calendar_id = $1 AND all_day = $2 AND ",
            $($which,)+
            " AND ((start_us >= $14 AND start_us < $15) OR NOT EXISTS (SELECT 1 FROM events m WHERE m.calendar_id = $1 AND m.provider_event_id = a.owner_id \
             AND m.kind = 'master'))"
        )
    };
}

/// Those of a class of lengths that began before the range.
macro_rules! long {
    ($index:literal, $which:literal) => {
        some!(
            $index,
            $which,
            " AND length_class > 0 AND start_us < $3 AND end_us > $3 AND (start_us, owner_id, original_us) > ($10, $11, $12)"
        )
    };
}

/// Timed or (`$2`) all-day occurrences, each list of rows by start. Overlap is half open; something without duration belongs
/// to the range in which it starts. The scan of the key begins after the key `$5`, `$16`, `$17`, and nowhere else: of two
/// bounds PostgreSQL may take the one that is farther away, and read all the past. `$6` to `$9` bound where each longer class
/// of lengths is scanned from, after the key `$10` to `$12`.
macro_rules! occurrences {
    ($index:literal) => {
        concat!(
            "SELECT o.all_day, o.start_us, o.owner_id, o.original_us, o.original_all_day, o.original_zone, \
             o.source_id, o.series_id, o.start_zone, o.end_us, o.end_zone, (SELECT e.body FROM events e \
             WHERE e.calendar_id = $1 AND e.provider_event_id = o.source_id AND e.kind <> 'cancelled') AS body FROM (",
            some!(
                "",
                "(start_us, owner_id, original_us) > ($5, $16, $17) AND start_us < $4 \
                 AND (start_us >= $3 OR (length_class = 0 AND end_us > $3))"
            ),
            " UNION ALL ",
            long!($index, "length_class = 1 AND start_us >= $6"),
            " UNION ALL ",
            long!($index, "length_class = 2 AND start_us >= $7"),
            " UNION ALL ",
            long!($index, "length_class = 3 AND start_us >= $8"),
            " UNION ALL ",
            long!($index, "length_class = 4 AND start_us >= $9"),
            // SQLite prepares a statement again with each number that is bound to a bare `LIMIT`, to plan by it.
            " ORDER BY start_us, owner_id, original_us LIMIT CAST($13 AS BIGINT)) o"
        )
    };
}

/// Where the index of the long ones is not named, an engine that knows no statistics walks through all occurrences since
/// the longest of a class can have begun.
pub const OCCURRENCES: &str =
    if Backend::NAMES_INDEXES { occurrences!(" INDEXED BY occurrences_long") } else { occurrences!("") };

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
    // No owner has the empty name, so that whatever starts then comes after it.
    let (day_owner, day_original) =
        if after_start < begun(day) { ("", i64::MIN) } else { (after_owner, after_original) };
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
        .bind(day_owner)
        .bind(day_original)
        .fetch(store.read_pool());
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

/// Writes the occurrences of owners, of which none are left; of an owner that is given twice the last entry counts.
pub async fn insert(
    inserts: &mut Inserts<'_>,
    calendar: &str,
    owners: &[OwnerOccurrences],
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let owners: HashMap<&ProviderEventId, &[Occurrence]> =
        owners.iter().map(|owner| (&owner.owner, owner.occurrences.as_slice())).collect();
    let mut rows: Vec<(&ProviderEventId, &Occurrence)> = owners
        .into_iter()
        .flat_map(|(owner, occurrences)| occurrences.iter().map(move |occurrence| (owner, occurrence)))
        .collect();
    // In the order of the key, neighbours in the file are written together.
    rows.sort_by_key(|(owner, occurrence)| (occurrence.start.is_all_day(), time_us(&occurrence.start), *owner));
    for (owner, occurrence) in &rows {
        touched.note_written(owner, occurrence);
    }
    for rows in rows.chunks(OCCURRENCES_PER_STATEMENT) {
        let push = |query: &mut QueryBuilder<Database>| {
            query.push(
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
        };
        inserts.add("write occurrences", rows.len(), push).await?;
    }
    Ok(())
}

/// Deletes all occurrences of owners.
pub async fn delete(
    connection: &mut Connection,
    calendar: &str,
    owners: impl Iterator<Item = &ProviderEventId>,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let owners: Vec<&str> = owners.map(ProviderEventId::as_str).collect();
    for owners in owners.chunks(IDS_PER_STATEMENT) {
        let mut query = QueryBuilder::new("DELETE FROM occurrences");
        Backend::push_where_keys(&mut query, Lookup::OccurrencesByOwner, calendar, owners);
        query.push(" RETURNING ").push(StoredOccurrence::COLUMNS);
        let rows = query.build_query_as().fetch_all(&mut *connection).await;
        touched.note_deleted(rows.map_err(failed("delete occurrences"))?);
    }
    Ok(())
}
