//! The stored cursor and the provider's pages: what is asked for next, and where a pass stands after it.

use chrono::{DateTime, Utc};
use evercal_providers::{Next, PageToken, ReadPosition, SyncToken};
use evercal_storage::Cursor;

/// The stored cursor as a request. `Start` never gets here: a full pass is begun first.
pub(super) fn read_position(cursor: &Cursor) -> ReadPosition {
    match cursor {
        Cursor::Start => ReadPosition::Full { page: None },
        Cursor::Full { page, .. } => ReadPosition::Full { page: page.clone().map(PageToken::new) },
        Cursor::Ready { sync_token, page, .. } => ReadPosition::Incremental {
            sync_token: SyncToken::new(sync_token.clone()),
            page: page.clone().map(PageToken::new),
        },
    }
}

/// Whether the pass is a full one, where it stands after a page, and whether that was the last.
pub(super) fn next_cursor(cursor: &Cursor, next: Next, began: DateTime<Utc>) -> (bool, Cursor, bool) {
    let full = !matches!(cursor, Cursor::Ready { .. });
    let since_ms = began.timestamp_millis();
    match (next, cursor) {
        (Next::Done(token), _) => (full, Cursor::ready(token.into_string()), true),
        (Next::Page(page), Cursor::Ready { sync_token, .. }) => {
            let page = Some(page.into_string());
            (full, Cursor::Ready { sync_token: sync_token.clone(), page, since_ms }, false)
        }
        (Next::Page(page), Cursor::Start | Cursor::Full { .. }) => {
            (full, Cursor::Full { page: Some(page.into_string()), since_ms }, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: DateTime<Utc> = DateTime::from_timestamp_millis(7).unwrap();

    #[test]
    fn a_page_without_the_last_token_keeps_the_old_token() {
        let cursor = Cursor::ready("old".into());
        let (full, next, is_last) = next_cursor(&cursor, Next::Page(PageToken::new("p2")), BEGAN);
        assert_eq!(next, Cursor::Ready { sync_token: "old".into(), page: Some("p2".into()), since_ms: 7 });
        assert!(!full && !is_last);
    }

    #[test]
    fn only_the_last_page_of_a_pass_brings_a_new_token() {
        let in_pass = |cursor| next_cursor(&cursor, Next::Page(PageToken::new("p9")), BEGAN).1;
        for cursor in [in_pass(Cursor::Start), in_pass(Cursor::ready("old".into()))] {
            let (full, next, is_last) = next_cursor(&cursor, Next::Done(SyncToken::new("new")), BEGAN);
            assert_eq!(next, Cursor::ready("new".into()));
            assert_eq!(full, matches!(cursor, Cursor::Full { .. }));
            assert!(is_last);
        }
    }
}
