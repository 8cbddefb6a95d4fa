//! Where the reading of a calendar stands at Google: a sync token between two passes, and inside of one the next page, which
//! Google wants together with the sync token that the pass began at
//! (<https://developers.google.com/workspace/calendar/api/guides/sync>).

use evercal_domain::ProviderCursor;
use serde::{Deserialize, Serialize};

/// What a cursor says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoogleCursor {
    /// Only what changed since; everything where there is none.
    #[serde(rename = "sync", default, skip_serializing_if = "Option::is_none")]
    pub(super) sync_token: Option<String>,
    /// The next page; the first one where there is none.
    #[serde(rename = "page", default, skip_serializing_if = "Option::is_none")]
    pub(super) page_token: Option<String>,
}

impl GoogleCursor {
    /// Reads a cursor; none where it is not one of Google's.
    pub(super) fn of(cursor: &ProviderCursor) -> Option<Self> {
        serde_json::from_str(cursor.as_str()).ok()
    }

    /// The next page of the same pass.
    pub(super) fn next(&self, page_token: String) -> ProviderCursor {
        Self { page_token: Some(page_token), ..self.clone() }.into_cursor()
    }

    /// The end of a pass.
    pub(super) fn done(sync_token: String) -> ProviderCursor {
        Self { sync_token: Some(sync_token), page_token: None }.into_cursor()
    }

    fn into_cursor(self) -> ProviderCursor {
        // Two texts cannot fail to be written; an empty cursor would be a lost position, and a full pass.
        ProviderCursor::new(serde_json::to_string(&self).unwrap_or_default())
    }
}
