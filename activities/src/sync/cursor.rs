//! The stored cursor and the provider's pages: what is asked for next, and where a pass stands after it.

use chrono::{DateTime, Utc};
use evercal_domain::ProviderCursor;
use evercal_providers::{Next, Position};
use evercal_recurrence::Window;
use evercal_storage::{Cursor, Reached};

/// The stored cursor as a request for a page. `Start` never gets here: a full pass is begun first; and of `Fetching` all pages
/// are read. `window` is the time for which a provider that makes occurrences is asked.
pub(super) fn position(cursor: &Cursor, window: Option<Window>) -> Position<'_> {
    match cursor {
        Cursor::Start | Cursor::Full { reached: None, .. } => Position::Beginning(window),
        Cursor::Full { reached: Some(Reached { at, .. }), .. }
        | Cursor::Changes { reached: Reached { at, .. }, .. }
        | Cursor::Fetching { reached: Reached { at, .. }, .. }
        | Cursor::Ready { at } => Position::At(at),
    }
}

/// Whether the pass reads everything, not only what changed.
pub(super) fn is_full(cursor: &Cursor) -> bool {
    matches!(cursor, Cursor::Start | Cursor::Full { .. } | Cursor::Fetching { full: true, .. })
}

/// How many events each page of the pass has at most; the wanted number where a pass over changes only begins.
pub(super) fn page_events_max(cursor: &Cursor, wanted: u32) -> u32 {
    match cursor {
        Cursor::Full { page_events_max, .. }
        | Cursor::Changes { page_events_max, .. }
        | Cursor::Fetching { page_events_max, .. } => *page_events_max,
        Cursor::Start | Cursor::Ready { .. } => wanted,
    }
}

/// When the pass asked for its first page; none where it has not.
pub(super) fn began_at(cursor: &Cursor) -> Option<DateTime<Utc>> {
    match cursor {
        Cursor::Full { reached, .. } => reached.as_ref().map(|reached| reached.began_at),
        Cursor::Changes { reached, .. } | Cursor::Fetching { reached, .. } => Some(reached.began_at),
        Cursor::Start | Cursor::Ready { .. } => None,
    }
}

/// Where the pass stands when all its pages are read, and something is still to be fetched.
pub(super) fn fetching(cursor: &Cursor, at: ProviderCursor, page_events_max: u32, began_at: DateTime<Utc>) -> Cursor {
    Cursor::Fetching { full: is_full(cursor), page_events_max, reached: Reached { at, began_at } }
}

/// Where the pass stands after a page.
pub(super) fn next(cursor: &Cursor, next: Next, page_events_max: u32, began_at: DateTime<Utc>) -> Cursor {
    match next {
        Next::Done(at) => Cursor::Ready { at },
        Next::More(at) if is_full(cursor) => Cursor::Full { page_events_max, reached: Some(Reached { at, began_at }) },
        Next::More(at) => Cursor::Changes { page_events_max, reached: Reached { at, began_at } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN_AT: DateTime<Utc> = DateTime::from_timestamp_millis(7).unwrap();

    fn at(text: &str) -> ProviderCursor {
        ProviderCursor::new(text)
    }

    fn after(cursor: &Cursor, answer: Next) -> Cursor {
        next(cursor, answer, page_events_max(cursor, 100), began_at(cursor).unwrap_or(BEGAN_AT))
    }

    #[test]
    fn a_pass_keeps_its_kind_its_size_and_its_beginning_until_its_last_page() {
        let full = Cursor::Full { page_events_max: 78, reached: None };
        for (begun, size) in [(full, 78), (Cursor::ready("old"), 100)] {
            let second = after(&begun, Next::More(at("p2")));
            assert_eq!(position(&second, None), Position::At(&at("p2")));
            assert_eq!(page_events_max(&second, 2_500), size, "whoever takes it up wants another size");
            assert_eq!((is_full(&second), began_at(&second)), (is_full(&begun), Some(BEGAN_AT)));
            let third = next(&second, Next::More(at("p3")), size, began_at(&second).unwrap());
            assert_eq!(began_at(&third), Some(BEGAN_AT));
            assert_eq!(after(&third, Next::Done(at("new"))), Cursor::ready("new"));
        }
    }

    #[test]
    fn a_pass_over_everything_begins_at_the_beginning_and_one_over_changes_where_the_last_ended() {
        assert_eq!(position(&Cursor::Full { page_events_max: 1, reached: None }, None), Position::Beginning(None));
        assert_eq!(position(&Cursor::ready("old"), None), Position::At(&at("old")));
    }
}
