//! What a database is asked and what it answers: SQL texts and row types that do not depend on the engine.
//!
//! The texts use `$1` placeholders, `ON CONFLICT` and `RETURNING`, which SQLite and PostgreSQL share. Statements with many
//! rows are put together by the backend. Not for: running anything.

pub mod accounts;
pub mod authorizations;
pub mod calendars;
pub mod channels;
pub mod claims;
pub mod heartbeats;
pub mod journal;
pub mod lookup;
pub mod mirror;
pub mod reading;
pub mod revisions;
pub mod tenants;
pub mod upkeep;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{StoreError, StoreErrorKind};
use crate::types::{Page, PageRequest};

/// The character NUL in JSON.
const NUL: &[u8] = br"\u0000";

/// A stored value that does not read back. Names the column only: the value may be somebody's.
pub fn corrupt(column: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("{column} does not read back"))
}

/// A text from outside as both engines take it: PostgreSQL has no place for the character NUL, which no name and no title
/// means anything by.
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

/// One row more than asked for shows whether there is a next page.
pub fn rows_to_fetch(page: &PageRequest) -> i64 {
    i64::from(page.limit.max(1)) + 1
}

/// Makes a page out of rows that were fetched with [`rows_to_fetch`]. It is shorter by the rows that cannot be read.
pub fn page_of<R, T: TryFrom<R, Error = StoreError>>(
    mut rows: Vec<R>,
    page: &PageRequest,
    cursor: impl Fn(&R) -> String,
) -> Page<T> {
    let limit = usize::try_from(page.limit.max(1)).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(cursor);
    Page { items: readable(rows), next }
}

/// Those of these rows that can be read. One that cannot be, because it is damaged or a newer version wrote it, is logged
/// and does not keep the others from their readers.
pub fn readable<R, T: TryFrom<R, Error = StoreError>>(rows: impl IntoIterator<Item = R>) -> Vec<T> {
    let read = |row| T::try_from(row).inspect_err(|error| tracing::error!(%error, "a stored row is left out")).ok();
    rows.into_iter().filter_map(read).collect()
}

/// The id after which a page begins; the empty text is before all ids.
pub fn after_id<T: std::str::FromStr + ToString>(page: &PageRequest) -> Result<String, StoreError> {
    let Some(after) = &page.after else { return Ok(String::new()) };
    after.parse::<T>().map(|id| id.to_string()).map_err(|_| invalid_cursor())
}

/// A row's place in a list, as callers hand it back.
pub fn to_cursor(key: &impl Serialize) -> String {
    // Serialising texts and numbers cannot fail; an empty cursor would be refused, not misread.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

/// Reads [`to_cursor`] back.
pub fn from_cursor<T: DeserializeOwned>(cursor: &str) -> Result<T, StoreError> {
    let json = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid_cursor())?;
    // No key of ours has this character, and PostgreSQL takes no text with it.
    if json.windows(NUL.len()).any(|window| window == NUL) {
        return Err(invalid_cursor());
    }
    serde_json::from_slice(&json).map_err(|_| invalid_cursor())
}

/// A cursor that no page of this store gave.
pub fn invalid_cursor() -> StoreError {
    StoreError::new(StoreErrorKind::InvalidCursor, "the page cursor is not one that this list gave")
}
