//! The position of an occurrence among the others of its calendar, by which ranges are read page by page.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use evercal_domain::ProviderEventId;
use evercal_domain::event::Occurrence;
use evercal_domain::zones::Clock;
use serde::{Deserialize, Serialize};

use crate::columns::{micros, midnight_micros, time_us};
use crate::error::StoreError;
use crate::paging::{from_cursor, invalid_cursor, to_cursor};

/// The position of an occurrence among the others of its calendar. It names rows, not offsets, so that a page begins where
/// the last one ended whatever was written in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccurrenceKey {
    #[serde(rename = "d")]
    pub(super) all_day: bool,
    #[serde(rename = "s")]
    pub(super) start_us: i64,
    #[serde(rename = "o")]
    pub(super) owner_id: String,
    #[serde(rename = "p")]
    pub(super) original_us: i64,
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
        let rank = |key: &Self| (key.begins_us(clock), !key.all_day);
        rank(self)
            .cmp(&rank(other))
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
}
