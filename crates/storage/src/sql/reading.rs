//! SQL and rows of reading occurrences.

use chrono_tz::Tz;
use evercal_domain::event::Occurrence;
use evercal_domain::{Event, EventTime, ProviderEventId};
use serde::{Deserialize, Serialize};

use super::{corrupt, from_cursor, from_json, instant, micros, midnight_micros, parsed, to_cursor};
use crate::error::StoreError;
use crate::types::ReadOccurrence;

/// Overlap is half open; something without duration belongs to the range in which it starts. `$2` bounds the index scan,
/// `$7..$9` is the key after which the page begins.
pub const OCCURRENCES: &str = "SELECT o.sort_us, o.owner_id, o.original_us, o.original_all_day, o.original_zone, \
     o.source_id, o.series_id, o.start_us, o.start_zone, o.start_date, o.end_us, o.end_zone, o.end_date, e.body \
     FROM occurrences o JOIN events e ON e.calendar_id = o.calendar_id AND e.provider_event_id = o.source_id \
     WHERE o.calendar_id = $1 AND o.sort_us < $2 \
     AND ((o.start_us < $4 AND (o.end_us > $3 OR o.start_us >= $3)) \
     OR (o.start_date < $6 AND (o.end_date > $5 OR o.start_date >= $5))) \
     AND (o.sort_us, o.owner_id, o.original_us) > ($7, $8, $9) AND e.kind <> 'cancelled' \
     ORDER BY o.sort_us, o.owner_id, o.original_us LIMIT $10";

#[derive(sqlx::FromRow)]
pub struct OccurrenceRow {
    sort_us: i64,
    owner_id: String,
    original_us: i64,
    original_all_day: bool,
    original_zone: Option<String>,
    source_id: String,
    series_id: Option<String>,
    start_us: Option<i64>,
    start_zone: Option<String>,
    start_date: Option<String>,
    end_us: Option<i64>,
    end_zone: Option<String>,
    end_date: Option<String>,
    body: String,
}

impl OccurrenceRow {
    /// Where the page after this row begins.
    pub fn cursor(&self) -> String {
        let key =
            OccurrenceKey { sort_us: self.sort_us, owner_id: self.owner_id.clone(), original_us: self.original_us };
        to_cursor(&key)
    }

    /// The size of its body.
    pub fn body_bytes(&self) -> usize {
        self.body.len()
    }
}

impl TryFrom<OccurrenceRow> for ReadOccurrence {
    type Error = StoreError;

    fn try_from(row: OccurrenceRow) -> Result<Self, StoreError> {
        let event: Event = from_json(&row.body, "events.body")?;
        let cursor = row.cursor();
        let original_date = row.original_all_day.then(|| instant(row.original_us, "occurrences.original_us"));
        let original_start = match original_date.transpose()? {
            Some(midnight) => EventTime::Date { date: midnight.date_naive() },
            None => time(Some(row.original_us), row.original_zone, None, "occurrences.original_us")?,
        };
        let occurrence = Occurrence {
            source_id: ProviderEventId::new(row.source_id),
            series_id: row.series_id.map(ProviderEventId::new),
            original_start,
            start: time(row.start_us, row.start_zone, row.start_date, "occurrences.start")?,
            end: time(row.end_us, row.end_zone, row.end_date, "occurrences.end")?,
        };
        Ok(Self { occurrence, event, cursor })
    }
}

fn time(
    us: Option<i64>,
    zone: Option<String>,
    date: Option<String>,
    column: &'static str,
) -> Result<EventTime, StoreError> {
    match (us, date) {
        (Some(us), None) => Ok(EventTime::Instant {
            at: instant(us, column)?,
            zone: zone.map(|zone| parsed(&zone, column)).transpose()?,
        }),
        (None, Some(date)) => Ok(EventTime::Date { date: parsed(&date, column)? }),
        _ => Err(corrupt(column)),
    }
}

/// The place of an occurrence in the order of reading. It names rows, not offsets, so that a page begins where the last
/// one ended whatever was written in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccurrenceKey {
    #[serde(rename = "s")]
    pub sort_us: i64,
    #[serde(rename = "o")]
    pub owner_id: String,
    #[serde(rename = "p")]
    pub original_us: i64,
}

impl OccurrenceKey {
    /// Before all occurrences.
    const FIRST: Self = Self { sort_us: i64::MIN, owner_id: String::new(), original_us: i64::MIN };

    /// Reads a cursor; none is the beginning.
    pub fn read(cursor: Option<&str>) -> Result<Self, StoreError> {
        cursor.map_or(Ok(Self::FIRST), from_cursor)
    }
}

/// A start or an end in columns.
pub struct TimeColumns {
    pub sort_us: i64,
    pub us: Option<i64>,
    pub zone: Option<&'static str>,
    pub date: Option<String>,
}

impl TimeColumns {
    pub fn of(time: &EventTime) -> Self {
        match time {
            EventTime::Date { date } => {
                Self { sort_us: midnight_micros(*date), us: None, zone: None, date: Some(date.to_string()) }
            }
            EventTime::Instant { at, zone } => {
                let us = micros(*at);
                Self { sort_us: us, us: Some(us), zone: zone.map(Tz::name), date: None }
            }
        }
    }
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
    pub start_us: Option<i64>,
    start_zone: Option<String>,
    pub start_date: Option<String>,
    pub end_us: Option<i64>,
    end_zone: Option<String>,
    pub end_date: Option<String>,
}

impl OccurrencePlace {
    /// The columns, for `RETURNING`.
    pub const COLUMNS: &str = "owner_id, source_id, series_id, original_us, original_all_day, original_zone, start_us, \
         start_zone, start_date, end_us, end_zone, end_date";

    /// Of an occurrence that is written.
    pub fn of(owner: &ProviderEventId, occurrence: &Occurrence) -> Self {
        let (start, end) = (TimeColumns::of(&occurrence.start), TimeColumns::of(&occurrence.end));
        let original = TimeColumns::of(&occurrence.original_start);
        let text = |zone: Option<&str>| zone.map(str::to_owned);
        Self {
            owner_id: owner.as_str().to_owned(),
            source_id: occurrence.source_id.as_str().to_owned(),
            series_id: occurrence.series_id.as_ref().map(|id| id.as_str().to_owned()),
            original_us: original.sort_us,
            original_all_day: occurrence.original_start.is_all_day(),
            original_zone: text(original.zone),
            start_us: start.us,
            start_zone: text(start.zone),
            start_date: start.date,
            end_us: end.us,
            end_zone: text(end.zone),
            end_date: end.date,
        }
    }
}
