//! The size of a pass's pages. A provider wants the same parameters with each page token, so a pass keeps the size with
//! which it began, over restarts too: one that is not the usual size stands in our page token, before the provider's.

use evercal_domain::limits::EVENTS_PER_PAGE;

use crate::provider::{PageToken, ReadPosition};

/// Not in Google's tokens, which are URL-safe base64.
const SEPARATOR: char = ':';

impl ReadPosition {
    /// How many events each page of the pass has at most; the wanted number where it only begins.
    pub fn page_events_max(&self, wanted: u32) -> u32 {
        let (Self::Full { page } | Self::Incremental { page, .. }) = self;
        page.as_ref().map_or(wanted, |page| split(page).0).clamp(1, EVENTS_PER_PAGE)
    }
}

/// Our page token for the provider's.
pub(crate) fn seal(page_events_max: u32, providers: String) -> PageToken {
    if page_events_max == EVENTS_PER_PAGE {
        return PageToken::new(providers);
    }
    PageToken::new(format!("{page_events_max}{SEPARATOR}{providers}"))
}

/// The provider's part of our page token.
pub(crate) fn providers_token(page: &PageToken) -> &str {
    split(page).1
}

fn split(page: &PageToken) -> (u32, &str) {
    let parts = page.as_str().split_once(SEPARATOR);
    let sized = parts.and_then(|(size, providers)| Some((size.parse().ok()?, providers)));
    sized.unwrap_or((EVENTS_PER_PAGE, page.as_str()))
}
