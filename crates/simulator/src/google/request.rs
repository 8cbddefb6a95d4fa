//! A call of the API as a value: no sockets, so that a batch part is the same as a request.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::errors::ApiError;
use super::operations::Operation;
use crate::SIMULATED_NOW_HEADER;
use crate::core::zones::Zone;

pub(crate) use crate::core::query::{Query, decode_segment};

pub(crate) struct ApiRequest {
    pub(crate) operation: Operation,
    /// The calendar id of the path, decoded; `primary` stays as it is.
    pub(crate) calendar: Option<String>,
    /// The event id of the path, decoded.
    pub(crate) event: Option<String>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// A fault asked for an empty page; only lists read it.
    pub(crate) empty_page: bool,
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

    pub(crate) fn calendar_id(&self) -> Result<&str, ApiError> {
        self.calendar.as_deref().ok_or_else(ApiError::not_found)
    }

    pub(crate) fn event_id(&self) -> Result<&str, ApiError> {
        self.event.as_deref().ok_or_else(ApiError::not_found)
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(crate) fn json_object(&self) -> Result<Map<String, Value>, ApiError> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        serde_json::from_slice(&self.body).map_err(|_| ApiError::parse_error())
    }

    /// True when `If-Match` is absent, `*`, or lists `etag`.
    pub(crate) fn if_match_holds(&self, etag: &str) -> bool {
        self.header(header::IF_MATCH).is_none_or(|wanted| lists_etag(wanted, etag))
    }

    /// True when `If-None-Match` is `*` or lists `etag`.
    pub(crate) fn if_none_match_hits(&self, etag: &str) -> bool {
        self.header(header::IF_NONE_MATCH).is_some_and(|wanted| lists_etag(wanted, etag))
    }
}

fn lists_etag(header: &str, etag: &str) -> bool {
    header.split(',').map(|item| item.trim().trim_start_matches("W/")).any(|item| item == "*" || item == etag)
}

/// What Google's parameters mean.
impl Query {
    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::invalid_parameter(name, other)),
        }
    }

    /// A count of at least 1, cut down to `max`.
    pub(crate) fn count(&self, name: &'static str, default: usize, max: usize) -> Result<usize, ApiError> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => match text.parse::<u32>() {
                Ok(count) if count >= 1 => Ok(usize::try_from(count).map_or(max, |count| count.min(max))),
                _ => Err(ApiError::invalid_parameter(name, text)),
            },
        }
    }

    /// An RFC 3339 instant with an offset; milliseconds are dropped, as documented.
    pub(crate) fn instant(&self, name: &'static str) -> Result<Option<DateTime<Utc>>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let instant = DateTime::parse_from_rfc3339(text).map_err(|_| ApiError::invalid_parameter(name, text))?;
        Ok(DateTime::from_timestamp(instant.timestamp(), 0))
    }

    /// A time zone of the IANA database.
    pub(crate) fn time_zone(&self) -> Result<Option<Zone>, ApiError> {
        self.get("timeZone")
            .map(|name| name.parse().map_err(|_| ApiError::invalid_parameter("timeZone", name)))
            .transpose()
    }
}
