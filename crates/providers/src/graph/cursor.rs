//! Where the reading of a calendar stands at Microsoft: a link of its delta query, kept whole, and whether the pages belong to a
//! round over everything or to one over what changed (<https://learn.microsoft.com/graph/delta-query-overview>).

use evercal_domain::{ProviderCursor, ProviderError, ProviderErrorKind};
use serde::{Deserialize, Serialize};
use url::Url;

use super::calls::DELTA;
use super::settings::GraphSettings;

/// A link in bytes. Microsoft's have a few hundred; one beyond this would be kept and sent for years.
const LINK_BYTES_MAX: usize = 16 * 1024;

/// What the pages are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Round {
    /// All that there is in the window.
    Everything,
    /// What changed since a round.
    Changes,
}

/// What a cursor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GraphCursor {
    pub(super) round: Round,
    /// `@odata.nextLink` inside a round, `@odata.deltaLink` between two.
    pub(super) link: String,
}

impl GraphCursor {
    /// Reads a cursor. What cannot be read leads nowhere, like a token that Microsoft refuses.
    pub(super) fn of(cursor: &ProviderCursor) -> Result<Self, ProviderError> {
        let lost = || ProviderError::without_answer(ProviderErrorKind::PositionLost, DELTA);
        serde_json::from_str(cursor.as_str()).map_err(|_| lost())
    }

    pub(super) fn into_cursor(self) -> ProviderCursor {
        // Texts cannot fail to be written; an empty cursor would be a lost position, and a full pass.
        ProviderCursor::new(serde_json::to_string(&self).unwrap_or_default())
    }
}

/// A link that an answer names, as an address to follow. The token of the account goes with it, so that it has to be one of the
/// API's own.
pub(super) fn own_link(settings: &GraphSettings, call: &'static str, link: &str) -> Result<Url, ProviderError> {
    let foreign =
        || ProviderError::without_answer(ProviderErrorKind::TemporaryFailure, call).with_reason("foreignLink");
    if link.len() > LINK_BYTES_MAX {
        return Err(foreign().with_reason("linkTooLong"));
    }
    let url = Url::parse(link).map_err(|_| foreign())?;
    let base = &settings.api_base;
    let is_own = url.origin() == base.origin()
        && url.path().starts_with(base.path())
        && url.username().is_empty()
        && url.password().is_none();
    if is_own { Ok(url) } else { Err(foreign()) }
}

#[cfg(test)]
mod tests {
    use super::super::settings::DEFAULT_TENANT;
    use super::*;

    #[test]
    fn only_links_below_the_api_are_followed() {
        let settings = GraphSettings::at(None, None, DEFAULT_TENANT, "client").unwrap();
        let own = "https://graph.microsoft.com/v1.0/me/calendarView/delta?$skiptoken=R0usmci39OQxqJrxK4";
        assert_eq!(own_link(&settings, DELTA, own).unwrap().as_str(), own);
        for foreign in [
            "https://graph.microsoft.com.example/v1.0/me/calendarView/delta?$skiptoken=x",
            "https://graph.microsoft.com@example.org/v1.0/me/calendarView/delta",
            "https://user:secret@graph.microsoft.com/v1.0/me/calendarView/delta",
            "http://graph.microsoft.com/v1.0/me/calendarView/delta",
            "https://graph.microsoft.com:8443/v1.0/me",
            "https://graph.microsoft.com/beta/me/calendarView/delta",
            "https://graph.microsoft.com/v1.0/../beta/me",
            "/v1.0/me/calendarView/delta",
            "",
        ] {
            let error = own_link(&settings, DELTA, foreign).unwrap_err();
            assert_eq!(error.reason.as_deref(), Some("foreignLink"), "{foreign}");
        }
        let long = format!("{own}{}", "x".repeat(LINK_BYTES_MAX));
        assert_eq!(own_link(&settings, DELTA, &long).unwrap_err().reason.as_deref(), Some("linkTooLong"));
    }

    #[test]
    fn a_cursor_is_written_and_read_and_what_is_none_is_a_lost_position() {
        for round in [Round::Everything, Round::Changes] {
            let cursor = GraphCursor { round, link: "https://graph.microsoft.com/v1.0/x".to_owned() };
            assert_eq!(GraphCursor::of(&cursor.clone().into_cursor()), Ok(cursor));
        }
        for other in ["", "{}", r#"{"sync":"google"}"#] {
            let error = GraphCursor::of(&ProviderCursor::new(other)).unwrap_err();
            assert_eq!(error.kind, ProviderErrorKind::PositionLost, "{other}");
        }
    }
}
