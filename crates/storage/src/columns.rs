//! The form of values in columns, the same in both engines, and how it is read back.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use evercal_domain::{EventTime, Zone};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{StoreError, StoreErrorKind};

/// A stored value that cannot be read. Names the column only: the value may be personal.
pub fn corrupt(column: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("{column} does not read back"))
}

/// A text from outside as both engines take it: PostgreSQL stores no character NUL, which has no meaning in a name or title.
pub fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// An instant as stored: microseconds since 1970.
pub fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// Reads [`micros`] back.
pub fn instant(micros: i64, column: &'static str) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| corrupt(column))
}

/// Reads an optional instant back.
pub fn instant_or_none(micros: Option<i64>, column: &'static str) -> Result<Option<DateTime<Utc>>, StoreError> {
    micros.map(|micros| instant(micros, column)).transpose()
}

/// Reads an id or a name back.
pub fn parsed<T: std::str::FromStr>(text: &str, column: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_| corrupt(column))
}

/// A value as JSON text.
pub fn to_json(value: &impl Serialize, column: &'static str) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::new(StoreErrorKind::Corrupt, format!("{column} is not JSON")))
}

/// Reads [`to_json`] back. The cause is dropped on purpose: it would quote the value.
pub fn from_json<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| corrupt(column))
}

/// The start of a date in UTC, by which all-day occurrences are sorted among the others.
pub fn midnight_micros(date: NaiveDate) -> i64 {
    date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
}

/// A time as it is stored: an instant, or a date as its midnight in UTC.
pub fn time_us(time: &EventTime) -> i64 {
    match time {
        EventTime::Date { date } => midnight_micros(*date),
        EventTime::Instant { at, .. } => micros(*at),
    }
}

/// The zone that a time was written in.
pub fn zone_of(time: &EventTime) -> Option<&'static str> {
    match time {
        EventTime::Instant { zone, .. } => zone.map(Zone::name),
        EventTime::Date { .. } => None,
    }
}

/// Those of these rows that can be read. One that cannot be, because it is damaged or a newer version wrote it, is logged
/// and does not keep the others from their readers.
pub fn readable<R, T: TryFrom<R, Error = StoreError>>(rows: impl IntoIterator<Item = R>) -> Vec<T> {
    let read = |row| T::try_from(row).inspect_err(|error| tracing::error!(%error, "a stored row is left out")).ok();
    rows.into_iter().filter_map(read).collect()
}
