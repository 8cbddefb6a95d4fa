//! The size of a pass's pages. Google wants the same parameters with each page token, so a pass keeps the size with which
//! it began, over restarts too: one that is not the usual size stands in our page token, before Google's.

use evercal_domain::limits::EVENTS_PER_PAGE;

use crate::provider::{PageToken, ReadPosition};

/// Not in Google's tokens, which are URL-safe base64.
const SEPARATOR: char = ':';

/// Events in each page of a pass at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageSize(u32);

impl PageSize {
    /// The size that the pass has, or the wanted one where it only begins.
    pub(super) fn of(position: &ReadPosition, wanted: u32) -> Self {
        let (ReadPosition::Full { page } | ReadPosition::Incremental { page, .. }) = position;
        Self(page.as_ref().map_or(wanted, |page| split(page).0).clamp(1, EVENTS_PER_PAGE))
    }

    pub(super) fn events_max(self) -> u32 {
        self.0
    }

    /// Our page token for Google's.
    pub(super) fn seal(self, googles: String) -> PageToken {
        if self.0 == EVENTS_PER_PAGE {
            return PageToken::new(googles);
        }
        PageToken::new(format!("{}{SEPARATOR}{googles}", self.0))
    }
}

/// Google's part of our page token.
pub(super) fn googles(page: &PageToken) -> &str {
    split(page).1
}

fn split(page: &PageToken) -> (u32, &str) {
    let parts = page.as_str().split_once(SEPARATOR);
    let sized = parts.and_then(|(size, googles)| Some((size.parse().ok()?, googles)));
    sized.unwrap_or((EVENTS_PER_PAGE, page.as_str()))
}
