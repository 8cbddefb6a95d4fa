//! Cursors as callers see them: the position where the next page begins, and which query it belongs to. The same position means
//! something else in another list, so a cursor is taken for its own query alone. Not for: what a position is, which the store
//! knows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evercal_storage::{Page, PageRequest};
use serde::{Deserialize, Serialize};

use crate::conditional::hash_text;
use crate::problem::Problem;

/// A cursor in bytes: a position holds a provider's id of 1,024 bytes at most, and is encoded twice.
const CURSOR_BYTES_MAX: usize = 4_096;
/// Bytes of the hash that names a query: it detects mistakes, it keeps no secret.
const QUERY_BYTES: usize = 9;

#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// Which query it belongs to.
    #[serde(rename = "q")]
    query: String,
    /// The state that the list was in at its first page; empty where lists know none.
    #[serde(rename = "s")]
    state: String,
    /// The store's own cursor.
    #[serde(rename = "p")]
    position: String,
}

/// A list, as a query asks for it: all that makes another list of it, but not how many rows a page has.
#[derive(Debug)]
pub(crate) struct Listing(String);

impl Listing {
    /// Of these parts; the first one names the list.
    pub(crate) fn of(parts: &[&str]) -> Self {
        Self(hash_text(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>(), QUERY_BYTES))
    }

    /// The page that a cursor leads to, and the list's state at its first page where this is a later one.
    pub(crate) fn page(&self, cursor: Option<&str>, limit: u32) -> Result<(PageRequest, Option<String>), Problem> {
        let Some(cursor) = cursor else { return Ok((PageRequest { after: None, limit }, None)) };
        let cursor = read(cursor).filter(|cursor| cursor.query == self.0).ok_or_else(Problem::invalid_cursor)?;
        Ok((PageRequest { after: Some(cursor.position), limit }, Some(cursor.state)))
    }

    /// A page as callers see it: with a cursor that leads on in this list, which was in this state at its first page.
    pub(crate) fn with_cursor<T>(&self, page: Page<T>, state: &str) -> Page<T> {
        let next = page.next.map(|position| self.cursor(position, state));
        Page { next, ..page }
    }

    /// A cursor that leads to this position of the store in this list.
    pub(crate) fn cursor(&self, position: String, state: &str) -> String {
        let cursor = Cursor { query: self.0.clone(), state: state.to_owned(), position };
        // Serialising texts and numbers cannot fail; an empty cursor would be refused, not misread.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    }
}

fn read(cursor: &str) -> Option<Cursor> {
    if cursor.len() > CURSOR_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_the_longest_id_is_taken_back() {
        let listing = Listing::of(&["events", "cal_1"]);
        let position = URL_SAFE_NO_PAD.encode(vec![b'x'; 1_024 + 100]);
        let page = listing.with_cursor(Page::<()> { items: vec![], next: Some(position.clone()) }, "7");
        let (request, state) = listing.page(page.next.as_deref(), 5).unwrap();
        assert_eq!((request.after, request.limit, state.as_deref()), (Some(position), 5, Some("7")));
    }

    #[test]
    fn parts_are_distinguished_by_more_than_their_text() {
        assert_ne!(Listing::of(&["ab", "c"]).0, Listing::of(&["a", "bc"]).0);
    }
}
