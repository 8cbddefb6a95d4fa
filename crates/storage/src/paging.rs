//! Long lists in pages: what callers ask for and get, and the cursors between two pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::columns::readable;
use crate::error::{StoreError, StoreErrorKind};

/// Which rows of a list to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The cursor that the page before gave; `None` for the first page.
    pub after: Option<String>,
    /// How many rows at most; at least 1.
    pub limit: u32,
}

impl PageRequest {
    /// The first page.
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}

/// Some rows of a list, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// The character NUL in JSON.
const NUL: &[u8] = br"\u0000";

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

/// The id after which a page begins; the empty text is before all ids.
pub fn after_id<T: std::str::FromStr + ToString>(page: &PageRequest) -> Result<String, StoreError> {
    let Some(after) = &page.after else { return Ok(String::new()) };
    after.parse::<T>().map(|id| id.to_string()).map_err(|_| invalid_cursor())
}

/// A row's position in a list, as callers send it back.
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
