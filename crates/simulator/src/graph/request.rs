//! A call of the API as a value: no sockets, so that a part of a batch is the same as a request.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, header};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::errors::ApiError;
use super::ids::IdForm;
use super::operations::{CalendarRef, Target, find};
use super::times::{DisplayZone, Window, parse_instant};
use super::zone_names::zone_named;
use crate::SIMULATED_NOW_HEADER;

pub(crate) use crate::core::query::{Query, decode_segment};

/// Where the API begins in a path.
const API_PATH: &str = "/v1.0/";
/// The longest window that a calendar view may have, in days.
const WINDOW_DAYS_MAX: i64 = 1_825;
const PAGE_ITEMS_DEFAULT: usize = 10;
const PAGE_ITEMS_MAX: usize = 1_000;

/// The call that a request is, if it is one. `path` is the whole of it.
pub(crate) fn request_of(
    method: &Method,
    path: &str,
    query: &str,
    headers: HeaderMap,
    body: Bytes,
    origin: String,
) -> Option<ApiRequest> {
    let below = path.strip_prefix(API_PATH)?.trim_end_matches('/');
    let segments: Vec<String> = below.split('/').map(decode_segment).collect();
    let target = find(method, &segments)?;
    Some(ApiRequest {
        target,
        origin,
        path: path.to_owned(),
        query: Query::parse(query),
        headers,
        body,
        empty_page: false,
        handshake: Handshake::None,
    })
}

/// How the addresses of a new or changed subscription answered.
#[derive(Debug, Clone, Default)]
pub(crate) enum Handshake {
    /// They were not asked.
    #[default]
    None,
    Passed,
    Failed(ApiError),
}

pub(crate) struct ApiRequest {
    pub(crate) target: Target,
    /// `http://host:port`, as the client knows the server.
    pub(crate) origin: String,
    /// The path below the origin, as sent.
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// A fault asked for an empty page; only lists read it.
    pub(crate) empty_page: bool,
    pub(crate) handshake: Handshake,
}

impl ApiRequest {
    pub(crate) fn header(&self, name: impl axum::http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The virtual "now" that the client sent for this calendar.
    pub(crate) fn simulated_now(&self) -> Option<DateTime<Utc>> {
        let milliseconds = self.header(SIMULATED_NOW_HEADER)?.parse().ok()?;
        DateTime::from_timestamp_millis(milliseconds)
    }

    /// The calendar of the path, as sent.
    pub(crate) fn calendar_in_path(&self) -> Option<&str> {
        match &self.target.calendar {
            CalendarRef::Named(id) => Some(id),
            CalendarRef::Mailbox | CalendarRef::Default => None,
        }
    }

    pub(crate) fn item_id(&self) -> Result<&str, ApiError> {
        self.target.item.as_deref().ok_or_else(ApiError::not_found)
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(crate) fn json_object(&self) -> Result<Map<String, Value>, ApiError> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        serde_json::from_slice(&self.body).map_err(|_| ApiError::bad_body())
    }

    /// True when `If-Match` is absent, `*`, or lists `etag`.
    pub(crate) fn if_match_holds(&self, etag: &str) -> bool {
        let plain = |text: &str| text.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        self.header(header::IF_MATCH)
            .is_none_or(|wanted| wanted.split(',').any(|item| item.trim() == "*" || plain(item) == plain(etag)))
    }

    pub(crate) fn preferences(&self) -> Result<Preferences, ApiError> {
        Preferences::read(&self.headers)
    }

    /// `startDateTime` and `endDateTime`, which views need.
    pub(crate) fn window(&self) -> Result<Window, ApiError> {
        let instant = |name: &str| {
            let text = self.query.get_ignoring_case(name).ok_or_else(|| {
                ApiError::invalid_parameter(
                    "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.",
                )
            })?;
            parse_instant(text).ok_or_else(|| {
                ApiError::invalid_parameter(format!("The value '{text}' of parameter '{name}' is invalid."))
            })
        };
        let window = Window { from: instant("startDateTime")?, to: instant("endDateTime")? };
        if window.to < window.from {
            return Err(ApiError::invalid_parameter("The EndDateTime parameter is earlier than StartDateTime."));
        }
        if (window.to - window.from).num_days() > WINDOW_DAYS_MAX {
            return Err(ApiError::invalid_parameter(format!(
                "The range between the start and end dates is greater than the allowed range. Maximum number of days: {WINDOW_DAYS_MAX}"
            )));
        }
        Ok(window)
    }

    /// `$top`, or the page size that Graph has without.
    pub(crate) fn top(&self) -> Result<usize, ApiError> {
        self.number("$top").map(|top| top.unwrap_or(PAGE_ITEMS_DEFAULT)).and_then(|top| {
            if (1..=PAGE_ITEMS_MAX).contains(&top) {
                Ok(top)
            } else {
                Err(ApiError::invalid_query(format!("Invalid value '{top}' for $top query option found.")))
            }
        })
    }

    /// How many items are left out, by `$skip` or by the token of a page.
    pub(crate) fn skip(&self) -> Result<usize, ApiError> {
        Ok(self.number("$skip")?.or(self.number("$skiptoken")?).unwrap_or(0))
    }

    fn number(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| ApiError::invalid_query(format!("Invalid value '{text}' for {name} query option found.")))
        };
        self.query.get_ignoring_case(name).map(parse).transpose()
    }

    /// Refuses query options that this list does not know.
    pub(crate) fn refuse_options(&self, refused: &[&str]) -> Result<(), ApiError> {
        let found = refused.iter().find(|name| self.query.get_ignoring_case(name).is_some());
        found.map_or(Ok(()), |name| {
            Err(ApiError::invalid_query(format!(
                "The following parameters are not supported with this request: '{name}'."
            )))
        })
    }

    /// The names of `$select`, if there is one.
    pub(crate) fn selected(&self) -> Option<Vec<&str>> {
        self.query.get_ignoring_case("$select").map(|names| names.split(',').map(str::trim).collect())
    }

    /// This list from another item on.
    pub(crate) fn link_from(&self, skip: usize) -> String {
        let kept = self
            .query
            .pairs()
            .filter(|(name, _)| !matches!(name.to_ascii_lowercase().as_str(), "$skip" | "$skiptoken"));
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair("$skip", &skip.to_string());
        format!("{}{}?{}", self.origin, self.path, query.finish().replace("%24", "$"))
    }
}

/// What the `Prefer` headers of a call ask for.
#[derive(Debug, Clone)]
pub(crate) struct Preferences {
    pub(crate) ids: IdForm,
    pub(crate) display: DisplayZone,
    pub(crate) text_bodies: bool,
    pub(crate) page_items_max: Option<usize>,
    /// Those that were followed, as they are repeated in the answer.
    pub(crate) applied: Vec<String>,
}

impl Preferences {
    /// Immutable ids and times of UTC: how the control API sees things.
    pub(crate) fn of_control() -> Self {
        Self {
            ids: IdForm::Immutable,
            display: DisplayZone::utc(),
            text_bodies: false,
            page_items_max: None,
            applied: Vec::new(),
        }
    }

    fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut found = Self { ids: IdForm::Folder, ..Self::of_control() };
        for header in headers.get_all("prefer") {
            for preference in split_outside_quotes(header.to_str().unwrap_or_default()) {
                let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
                let (name, value) = (name.trim(), value.trim().trim_matches('"'));
                let mut applied = true;
                match name.to_ascii_lowercase().as_str() {
                    "idtype" if value.eq_ignore_ascii_case("ImmutableId") => found.ids = IdForm::Immutable,
                    "outlook.timezone" => {
                        let zone = zone_named(value).ok_or_else(|| ApiError::unknown_time_zone(value))?;
                        found.display = DisplayZone { name: value.to_owned(), zone };
                    }
                    "outlook.body-content-type" => found.text_bodies = value.eq_ignore_ascii_case("text"),
                    "odata.maxpagesize" => {
                        found.page_items_max = value.parse().ok().filter(|items| *items > 0);
                    }
                    _ => applied = false,
                }
                if applied {
                    found.applied.push(preference.trim().to_owned());
                }
            }
        }
        Ok(found)
    }
}

/// The parts between commas that are in no quotes: names of zones may have some.
fn split_outside_quotes(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character| {
        if character == '"' {
            is_quoted = !is_quoted;
        }
        !is_quoted && matches!(character, ',' | ';')
    })
    .filter(|part| !part.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::core::zones::Zone;

    #[test]
    fn preferences_come_in_one_header_or_in_several() {
        let mut headers = HeaderMap::new();
        headers.append(
            "prefer",
            HeaderValue::from_static(r#"outlook.timezone="Tokyo Standard Time", odata.maxpagesize=50"#),
        );
        headers.append("prefer", HeaderValue::from_static(r#"IdType="ImmutableId", unheard-of=1"#));
        let found = Preferences::read(&headers).unwrap();
        assert_eq!((found.ids, found.display.zone, found.page_items_max), (IdForm::Immutable, Zone::TOKYO, Some(50)));
        assert_eq!(found.applied.len(), 3);
    }
}
