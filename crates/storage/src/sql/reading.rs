//! SQL and rows of reading occurrences.
//!
//! A read must not pay for the past, so an occurrence that began before the range is looked for only as far back as one of
//! its length can have begun. Lengths are in classes: nearly all are in the first, and the scan of the key begins a day
//! before the range; those of the others have an index of their own.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use evercal_domain::event::Occurrence;
use evercal_domain::zones::Clock;
use evercal_domain::{Event, EventTime, ProviderEventId};
use serde::{Deserialize, Serialize};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::{
    from_cursor, from_json, instant, invalid_cursor, micros, midnight_micros, parsed, time_us, to_cursor, zone_of,
};
use crate::error::StoreError;
use crate::types::ReadOccurrence;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
/// The longest length of each class but the last one, which has no longest.
pub const LENGTHS_MAX_US: [i64; 4] = [DAY_US, 8 * DAY_US, 64 * DAY_US, 512 * DAY_US];

/// The class of a length.
pub fn length_class(length_us: i64) -> i64 {
    let class = LENGTHS_MAX_US.iter().take_while(|longest| length_us > **longest).count();
    i64::try_from(class).unwrap_or(i64::MAX)
}

/// Some rows from `$3` until before `$4`, after the key `$10` to `$12`; of mirrored series only what starts from `$14` until
/// before `$15`.
macro_rules! some {
    ($index:literal, $which:literal) => {
        concat!(
            "SELECT * FROM occurrences a",
            $index,
            " WHERE calendar_id = $1 AND all_day = $2 AND ",
            $which,
            " AND (start_us, owner_id, original_us) > ($10, $11, $12) AND ((start_us >= $14 AND start_us < $15) \
             OR NOT EXISTS (SELECT 1 FROM events m WHERE m.calendar_id = $1 AND m.provider_event_id = a.owner_id \
             AND m.kind = 'master'))"
        )
    };
}

/// Timed or (`$2`) all-day occurrences, each list of rows by start. Overlap is half open; something without duration belongs
/// to the range in which it starts. `$5` to `$9` bound where each class of lengths is scanned from.
macro_rules! occurrences {
    ($index:literal) => {
        concat!(
            "SELECT o.all_day, o.start_us, o.owner_id, o.original_us, o.original_all_day, o.original_zone, \
             o.source_id, o.series_id, o.start_zone, o.end_us, o.end_zone, (SELECT e.body FROM events e \
             WHERE e.calendar_id = $1 AND e.provider_event_id = o.source_id AND e.kind <> 'cancelled') AS body FROM (",
            some!("", "start_us >= $5 AND start_us < $4 AND (start_us >= $3 OR (length_class = 0 AND end_us > $3))"),
            " UNION ALL ",
            some!($index, "length_class > 0 AND length_class = 1 AND start_us >= $6 AND start_us < $3 AND end_us > $3"),
            " UNION ALL ",
            some!($index, "length_class > 0 AND length_class = 2 AND start_us >= $7 AND start_us < $3 AND end_us > $3"),
            " UNION ALL ",
            some!($index, "length_class > 0 AND length_class = 3 AND start_us >= $8 AND start_us < $3 AND end_us > $3"),
            " UNION ALL ",
            some!($index, "length_class > 0 AND length_class = 4 AND start_us >= $9 AND start_us < $3 AND end_us > $3"),
            // SQLite prepares a statement again with each number that is bound to a bare `LIMIT`, to plan by it.
            " ORDER BY start_us, owner_id, original_us LIMIT CAST($13 AS BIGINT)) o"
        )
    };
}

pub const OCCURRENCES: &str = occurrences!("");
/// The same for SQLite, which knows no statistics here: unless the index of the long ones is named, it walks through all
/// occurrences since the longest of a class can have begun.
pub const OCCURRENCES_INDEXED: &str = occurrences!(" INDEXED BY occurrences_long");

#[derive(Debug)]
pub struct OccurrenceRow {
    all_day: bool,
    start_us: i64,
    owner_id: String,
    original_us: i64,
    original_all_day: bool,
    original_zone: Option<String>,
    source_id: String,
    series_id: Option<String>,
    start_zone: Option<String>,
    end_us: i64,
    end_zone: Option<String>,
    /// `None` where its source is gone.
    pub body: Option<String>,
}

/// By their places: a page has hundreds of rows, and looking for each column by its name is seen in the profile.
impl<'r, R: Row> FromRow<'r, R> for OccurrenceRow
where
    usize: ColumnIndex<R>,
    bool: Column<'r, R>,
    i64: Column<'r, R>,
    String: Column<'r, R>,
    Option<String>: Column<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            all_day: row.try_get(0)?,
            start_us: row.try_get(1)?,
            owner_id: row.try_get(2)?,
            original_us: row.try_get(3)?,
            original_all_day: row.try_get(4)?,
            original_zone: row.try_get(5)?,
            source_id: row.try_get(6)?,
            series_id: row.try_get(7)?,
            start_zone: row.try_get(8)?,
            end_us: row.try_get(9)?,
            end_zone: row.try_get(10)?,
            body: row.try_get(11)?,
        })
    }
}

/// What can be read from a column of a row.
trait Column<'r, R: Row>: Decode<'r, R::Database> + Type<R::Database> {}
impl<'r, R: Row, T: Decode<'r, R::Database> + Type<R::Database>> Column<'r, R> for T {}

impl OccurrenceRow {
    pub fn order(&self) -> (i64, &str, i64) {
        (self.start_us, &self.owner_id, self.original_us)
    }

    pub fn key(&self) -> OccurrenceKey {
        OccurrenceKey {
            all_day: self.all_day,
            start_us: self.start_us,
            owner_id: self.owner_id.clone(),
            original_us: self.original_us,
        }
    }

    /// The size of its body.
    pub fn body_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, String::len)
    }
}

impl TryFrom<OccurrenceRow> for ReadOccurrence {
    type Error = StoreError;

    fn try_from(row: OccurrenceRow) -> Result<Self, StoreError> {
        let key = row.key();
        let event: Event = from_json(row.body.as_deref().unwrap_or_default(), "events.body")?;
        let occurrence = Occurrence {
            source_id: ProviderEventId::new(row.source_id),
            series_id: row.series_id.map(ProviderEventId::new),
            original_start: time(row.original_all_day, row.original_us, row.original_zone, "occurrences.original_us")?,
            start: time(row.all_day, row.start_us, row.start_zone, "occurrences.start_us")?,
            end: time(row.all_day, row.end_us, row.end_zone, "occurrences.end_us")?,
        };
        Ok(Self { key, occurrence, event })
    }
}

fn time(all_day: bool, us: i64, zone: Option<String>, column: &'static str) -> Result<EventTime, StoreError> {
    let at = instant(us, column)?;
    if all_day {
        return Ok(EventTime::Date { date: at.date_naive() });
    }
    Ok(EventTime::Instant { at, zone: zone.map(|zone| parsed(&zone, column)).transpose()? })
}

/// All that a row of `occurrences` says, to see whether one that is written is the one that was there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, sqlx::FromRow)]
pub struct OccurrencePlace {
    owner_id: String,
    source_id: String,
    series_id: Option<String>,
    original_us: i64,
    original_all_day: bool,
    original_zone: Option<String>,
    pub all_day: bool,
    pub start_us: i64,
    start_zone: Option<String>,
    pub end_us: i64,
    end_zone: Option<String>,
}

impl OccurrencePlace {
    /// The columns, for `RETURNING`.
    pub const COLUMNS: &str = "owner_id, source_id, series_id, original_us, original_all_day, original_zone, all_day, \
         start_us, start_zone, end_us, end_zone";

    /// Of an occurrence that is written.
    pub fn of(owner: &ProviderEventId, occurrence: &Occurrence) -> Self {
        let zone = |time: &EventTime| zone_of(time).map(str::to_owned);
        Self {
            owner_id: owner.as_str().to_owned(),
            source_id: occurrence.source_id.as_str().to_owned(),
            series_id: occurrence.series_id.as_ref().map(|id| id.as_str().to_owned()),
            original_us: time_us(&occurrence.original_start),
            original_all_day: occurrence.original_start.is_all_day(),
            original_zone: zone(&occurrence.original_start),
            all_day: occurrence.start.is_all_day(),
            start_us: time_us(&occurrence.start),
            start_zone: zone(&occurrence.start),
            end_us: time_us(&occurrence.end),
            end_zone: zone(&occurrence.end),
        }
    }
}

/// The place of an occurrence among the others of its calendar. It names rows, not offsets, so that a page begins where
/// the last one ended whatever was written in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccurrenceKey {
    #[serde(rename = "d")]
    all_day: bool,
    #[serde(rename = "s")]
    start_us: i64,
    #[serde(rename = "o")]
    owner_id: String,
    #[serde(rename = "p")]
    original_us: i64,
}

impl OccurrenceKey {
    /// Of an occurrence and its owner: the master of its series, or itself.
    pub fn of(owner: &ProviderEventId, occurrence: &Occurrence) -> Self {
        Self {
            all_day: occurrence.start.is_all_day(),
            start_us: time_us(&occurrence.start),
            owner_id: owner.as_str().to_owned(),
            original_us: time_us(&occurrence.original_start),
        }
    }

    /// Reads a cursor. Nothing begins at the edge of time, where whoever counts a day back would fall off.
    pub fn read(cursor: &str) -> Result<Self, StoreError> {
        let key: Self = from_cursor(cursor)?;
        let start = DateTime::from_timestamp_micros(key.start_us);
        let has_days_around = |start: DateTime<Utc>| {
            start.checked_sub_signed(TimeDelta::days(1)).is_some()
                && start.checked_add_signed(TimeDelta::days(1)).is_some()
        };
        if start.is_some_and(has_days_around) { Ok(key) } else { Err(invalid_cursor()) }
    }

    /// Where the page after it begins.
    pub fn cursor(&self) -> String {
        to_cursor(self)
    }

    /// The start as it is stored; of a date its midnight in UTC.
    pub fn start_us(&self) -> i64 {
        self.start_us
    }

    /// The order of reading: by start, of a date the beginning of that day by this clock; dates first.
    pub fn compare(&self, other: &Self, clock: &Clock) -> Ordering {
        let place = |key: &Self| (key.begins_us(clock), !key.all_day);
        place(self)
            .cmp(&place(other))
            .then_with(|| self.owner_id.cmp(&other.owner_id))
            .then_with(|| self.original_us.cmp(&other.original_us))
    }

    fn begins_us(&self, clock: &Clock) -> i64 {
        if self.all_day { day_begins_us(self.date(), clock) } else { self.start_us }
    }

    fn date(&self) -> NaiveDate {
        date_of(self.start_us)
    }

    /// The key after which the rows come, timed or all-day ones, that come after this one.
    #[must_use]
    pub fn among(&self, all_day: bool, clock: &Clock) -> Self {
        if self.all_day == all_day {
            return self.clone();
        }
        let start_us = if all_day {
            // On its own day all of them have been.
            let at = DateTime::from_timestamp_micros(self.start_us).unwrap_or_default();
            let next = clock.wall_clock(at).date().succ_opt().unwrap_or(NaiveDate::MAX);
            midnight_micros(next)
        } else {
            self.begins_us(clock)
        };
        // No owner has the empty name, so that whatever starts then comes after it.
        Self { all_day, start_us, owner_id: String::new(), original_us: i64::MIN }
    }

    /// Before all timed, or all-day, occurrences.
    pub fn first(all_day: bool) -> Self {
        Self { all_day, start_us: i64::MIN, owner_id: String::new(), original_us: i64::MIN }
    }

    /// Its columns in the order of the key.
    pub fn columns(&self) -> (i64, &str, i64) {
        (self.start_us, &self.owner_id, self.original_us)
    }
}

fn date_of(us: i64) -> NaiveDate {
    DateTime::from_timestamp_micros(us).unwrap_or_default().date_naive()
}

fn day_begins_us(date: NaiveDate, clock: &Clock) -> i64 {
    micros(clock.instant_of(date.and_time(NaiveTime::MIN)))
}

#[cfg(test)]
mod tests {
    use evercal_domain::Zone;

    use super::*;

    fn key(all_day: bool, start: &str, owner: &str) -> OccurrenceKey {
        let start_us = micros(start.parse().unwrap());
        OccurrenceKey { all_day, start_us, owner_id: owner.to_owned(), original_us: 0 }
    }

    #[test]
    fn a_date_comes_before_all_that_begins_on_it_in_the_calendars_zone() {
        let day = key(true, "2026-06-10T00:00:00Z", "day");
        for (zone, before, first) in [
            ("Pacific/Kiritimati", "2026-06-09T09:59:59Z", "2026-06-09T10:00:00Z"),
            ("UTC", "2026-06-09T23:59:59Z", "2026-06-10T00:00:00Z"),
            ("Pacific/Pago_Pago", "2026-06-10T10:59:59Z", "2026-06-10T11:00:00Z"),
        ] {
            let clock = zone.parse::<Zone>().unwrap().clock();
            let (before, first) = (key(false, before, "a"), key(false, first, "a"));
            assert_eq!(before.compare(&day, &clock), Ordering::Less, "{zone}");
            assert_eq!(day.compare(&first, &clock), Ordering::Less, "{zone}");
            // A page that begins after the one begins with the other.
            assert!(day.among(false, &clock).columns() < first.columns(), "{zone}");
            assert!(day.among(false, &clock).columns() > before.columns(), "{zone}");
            assert!(before.among(true, &clock).columns() < day.columns(), "{zone}");
            assert!(first.among(true, &clock).columns() > day.columns(), "{zone}");
        }
    }

    #[test]
    fn a_cursor_to_the_edge_of_time_is_none_of_ours() {
        let edges = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC].map(|edge| edge.timestamp_micros());
        for start_us in edges.into_iter().chain([i64::MIN, i64::MAX]) {
            let forged = OccurrenceKey { start_us, ..key(false, "2026-06-10T00:00:00Z", "a") };
            let read = OccurrenceKey::read(&forged.cursor());
            assert_eq!(read.unwrap_err().kind, crate::StoreErrorKind::InvalidCursor, "{start_us}");
        }
    }

    #[test]
    fn each_length_has_the_class_that_looks_far_enough_back() {
        assert_eq!([0, DAY_US, DAY_US + 1, 8 * DAY_US, 9 * DAY_US].map(length_class), [0, 0, 1, 1, 2]);
        assert_eq!([512 * DAY_US, 512 * DAY_US + 1, i64::MAX].map(length_class), [3, 4, 4]);
    }
}
