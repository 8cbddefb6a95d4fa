//! The occurrences of a mirror, and the ranges in which they are read.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use evercal_domain::event::Occurrence;
use evercal_domain::{CalendarId, Event, EventTime, ProviderEventId, Zone};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::occurrence_key::OccurrenceKey;
use crate::columns::{from_json, instant, parsed, time_us, zone_of};
use crate::error::StoreError;
use crate::paging::{Page, PageRequest};

/// The occurrences of mirrors, by range.
#[async_trait]
pub trait Occurrences: Send + Sync {
    /// Occurrences that overlap `from..to`, by start, without what the account may not see (any more): of a calendar that the
    /// provider refuses or does not list, none. All-day ones are compared by date: those that overlap the dates
    /// `from_date..to_date` (end exclusive), which the caller computes in the calendar's zone; they come before all that
    /// begins on their first day there.
    async fn occurrences(
        &self,
        calendar: CalendarId,
        range: &OccurrenceRange,
        page: &PageRequest,
    ) -> Result<Page<ReadOccurrence>, StoreError>;
    /// The number of the last commit that changed what is in a range, as [`Self::occurrences`] takes it. It never goes back,
    /// and what is read after it was asked for is at least as new. It may move although nothing changed: after many commits,
    /// and for changes of a series where none of its occurrences are kept.
    async fn revision_of(&self, calendar: CalendarId, range: &OccurrenceRange) -> Result<i64, StoreError>;
}

/// A range of time to read. Instants bound timed events, dates bound all-day ones; both half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OccurrenceRange {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The first instant after the range.
    pub to: DateTime<Utc>,
    /// The first date, in the calendar's zone.
    pub from_date: NaiveDate,
    /// The first date after the range, in the calendar's zone.
    pub to_date: NaiveDate,
    /// The calendar's zone: a date comes before all that begins on it there.
    pub zone: Zone,
    /// Which occurrences of series are read.
    pub series: SeriesRows,
}

/// Which of the stored occurrences of mirrored series are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesRows {
    /// All: the range is inside of the window that is stored.
    All,
    /// Those that start within these: others are not stored of every series.
    StartingWithin {
        /// The first start.
        from: DateTime<Utc>,
        /// The start after the last one.
        to: DateTime<Utc>,
    },
}

/// An occurrence as a reader gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOccurrence {
    /// Its position among the others.
    pub key: OccurrenceKey,
    /// When.
    pub occurrence: Occurrence,
    /// What: the body of its source.
    pub event: Event,
}

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
/// The longest length of each class but the last one, which has no longest.
pub const LENGTHS_MAX_US: [i64; 4] = [DAY_US, 8 * DAY_US, 64 * DAY_US, 512 * DAY_US];

/// The class of a length.
pub fn length_class(length_us: i64) -> i64 {
    let class = LENGTHS_MAX_US.iter().take_while(|longest| length_us > **longest).count();
    i64::try_from(class).unwrap_or(i64::MAX)
}

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

/// By position: a page has hundreds of rows, and looking up each column by its name shows in a profile.
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
pub struct StoredOccurrence {
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

impl StoredOccurrence {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_has_the_class_that_looks_far_enough_back() {
        assert_eq!([0, DAY_US, DAY_US + 1, 8 * DAY_US, 9 * DAY_US].map(length_class), [0, 0, 1, 1, 2]);
        assert_eq!([512 * DAY_US, 512 * DAY_US + 1, i64::MAX].map(length_class), [3, 4, 4]);
    }
}
