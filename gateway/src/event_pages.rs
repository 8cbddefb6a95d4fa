//! Pages of events as they are answered: written once, and kept while they are asked for. The tag of a page says all that it
//! holds, so that a page with a tag that was seen before need not be read and written again. How fresh the mirror is, is no
//! part of it.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use evercal_domain::limits::EVENTS_PAGE_BYTES_MAX;
use evercal_storage::OccurrenceKey;
use lru::LruCache;
use serde::Serialize;

use crate::bodies::OccurrenceBody;
use crate::conditional::Tag;
use crate::occurrences::Answer;

/// Room for what is around the rows of a page: above all its cursor, whose ids may be long.
const PAGE_ENDS_BYTES: usize = 8 * 1_024;
/// Memory of all kept pages, in bytes.
const KEPT_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// A larger page is not kept: it would displace many.
const KEPT_PAGE_BYTES_MAX: usize = 1_024 * 1_024;
/// Memory that a kept page takes beside its rows.
const KEPT_PAGE_BYTES_MIN: usize = 512;

/// The rows of a page as they are answered.
#[derive(Debug)]
pub(crate) struct EventPage {
    /// JSON, without the brackets of the list.
    items: Vec<u8>,
    /// The position in the store where the next page begins.
    pub next: Option<String>,
    /// From here on nothing is missing.
    pub complete_from: DateTime<Utc>,
    /// Until here nothing is missing.
    pub complete_until: DateTime<Utc>,
}

impl EventPage {
    /// Writes rows. They end before the one that would make the page too large; at least one is there, so that reading comes
    /// to an end.
    pub(crate) fn written(answer: Answer) -> Result<Self, serde_json::Error> {
        let Answer { page, complete_from, complete_until, .. } = answer;
        let mut items = Vec::new();
        let (mut next, mut last): (_, Option<OccurrenceKey>) = (page.next, None);
        for read in page.items {
            let (before, key) = (items.len(), read.key.clone());
            if before > 0 {
                items.push(b',');
            }
            serde_json::to_writer(&mut items, &OccurrenceBody::from(read))?;
            if items.len() + PAGE_ENDS_BYTES > EVENTS_PAGE_BYTES_MAX && before > 0 {
                items.truncate(before);
                next = last.as_ref().map(OccurrenceKey::cursor);
                break;
            }
            last = Some(key);
        }
        Ok(Self { items, next, complete_from, complete_until })
    }

    /// The whole answer: these fields, the rows, and the cursor of the next page.
    pub(crate) fn body(&self, others: &impl Serialize, next: Option<&str>) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::with_capacity(self.items.len() + PAGE_ENDS_BYTES);
        serde_json::to_writer(&mut json, others)?;
        json.pop();
        json.extend_from_slice(b",\"items\":[");
        json.extend_from_slice(&self.items);
        json.extend_from_slice(b"],\"next_cursor\":");
        serde_json::to_writer(&mut json, &next)?;
        json.push(b'}');
        Ok(json)
    }

    fn bytes(&self) -> usize {
        self.items.len() + KEPT_PAGE_BYTES_MIN
    }
}

/// The pages that were asked for last, by their tags, in a bounded memory.
pub(crate) struct EventPages(Mutex<Kept>);

struct Kept {
    pages: LruCache<Tag, Arc<EventPage>>,
    bytes: usize,
}

impl EventPages {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Kept { pages: LruCache::unbounded(), bytes: 0 }))
    }

    /// The page of this tag, if it is kept.
    pub(crate) fn get(&self, tag: &Tag) -> Option<Arc<EventPage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pages.get(tag).cloned()
    }

    /// Keeps a page; those that were not asked for longest make room.
    pub(crate) fn keep(&self, tag: Tag, page: Arc<EventPage>) {
        if page.bytes() > KEPT_PAGE_BYTES_MAX {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += page.bytes();
        if let Some((_, replaced)) = kept.pages.push(tag, page) {
            kept.bytes -= replaced.bytes();
        }
        while kept.bytes > KEPT_BYTES_MAX {
            let Some((_, oldest)) = kept.pages.pop_lru() else { break };
            kept.bytes -= oldest.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bytes: usize) -> Arc<EventPage> {
        let items = vec![b' '; bytes - KEPT_PAGE_BYTES_MIN];
        let at = DateTime::UNIX_EPOCH;
        Arc::new(EventPage { items, next: None, complete_from: at, complete_until: at })
    }

    fn tag(number: usize) -> Tag {
        Tag::of(&[&number.to_be_bytes()])
    }

    #[test]
    fn pages_have_an_end_and_those_that_were_asked_for_last_stay() {
        let pages = EventPages::new();
        for number in 0..100 {
            pages.keep(tag(number), page(KEPT_PAGE_BYTES_MAX));
            assert!(pages.get(&tag(0)).is_some(), "it is asked for all the time");
        }
        let kept = (0..100).filter(|number| pages.get(&tag(*number)).is_some()).collect::<Vec<_>>();
        assert_eq!(kept, std::iter::once(0).chain(85..100).collect::<Vec<_>>());
    }

    #[test]
    fn memory_is_counted_also_where_a_page_is_replaced_and_what_is_too_large_is_not_kept() {
        let pages = EventPages::new();
        pages.keep(tag(1), page(KEPT_PAGE_BYTES_MAX));
        pages.keep(tag(1), page(1_000));
        assert_eq!(pages.0.lock().unwrap().bytes, 1_000);
        pages.keep(tag(2), page(KEPT_PAGE_BYTES_MAX + 1));
        assert!(pages.get(&tag(2)).is_none());
        assert_eq!(pages.0.lock().unwrap().bytes, 1_000);
    }
}
