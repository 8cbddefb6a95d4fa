//! Reads what a caller sends, value by value, and gathers all that is wrong with it: each error names its parameter and says
//! what would do, in our own words. Not for: what a value means together with others, or with what is stored.

use std::fmt::Display;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use evercal_domain::limits::{API_PAGE_ROWS_DEFAULT, API_PAGE_ROWS_MAX};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::problem::ParameterError;
use crate::problem::{Problem, ProblemKind};

/// Characters of a name that a caller made up and that is repeated in the answer.
const UNKNOWN_NAME_CHARS_MAX: usize = 64;
/// Errors that one answer names.
const ERRORS_MAX: usize = 20;

/// The query of a request.
pub(crate) struct ApiQuery<T>(pub T);

/// The JSON body of a request.
pub(crate) struct ApiBody<T>(pub T);

/// A value is invalid; what is wrong with it has been recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Invalid;

/// What a query can be read as.
pub(crate) trait FromQuery: Sized {
    /// Reads its values, all of them before it gives up over one.
    fn read(query: &mut QueryReader) -> Result<Self, Invalid>;
}

/// What the object of a body can be read as.
pub(crate) trait FromBody: Sized {
    /// Reads its values, all of them before it gives up over one.
    fn read(body: &mut BodyReader) -> Result<Self, Invalid>;
}

impl<S: Sync, T: FromQuery> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut reader = QueryReader::of(parts.uri.query().unwrap_or_default());
        let value = T::read(&mut reader);
        reader
            .names
            .finish(value, reader.values.iter().map(|(name, _)| name.as_str()), ProblemKind::InvalidParameter)
            .map(Self)
    }
}

impl<S: Send + Sync, T: FromBody> FromRequest<S> for ApiBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(body) = Json::<Value>::from_request(request, state).await.map_err(unfit)?;
        let Value::Object(fields) = body else {
            return Err(Problem::new(ProblemKind::InvalidBody, "The body must be a JSON object."));
        };
        let mut reader = BodyReader { fields, names: Names::default() };
        let value = T::read(&mut reader);
        reader.names.finish(value, reader.fields.keys().map(String::as_str), ProblemKind::InvalidBody).map(Self)
    }
}

/// What is wrong with a body as a whole, without the words of its parser.
pub(crate) fn unfit(rejection: JsonRejection) -> Problem {
    Problem::of(match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemKind::UnsupportedMediaType,
        StatusCode::PAYLOAD_TOO_LARGE => ProblemKind::BodyTooLarge,
        StatusCode::UNPROCESSABLE_ENTITY => ProblemKind::InvalidBody,
        _ => ProblemKind::MalformedBody,
    })
}

/// The names that are read, and what is wrong.
#[derive(Default)]
struct Names {
    known: Vec<&'static str>,
    errors: Vec<ParameterError>,
}

impl Names {
    fn note(&mut self, name: &str, detail: impl Into<String>) -> Invalid {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(ParameterError { parameter: name.to_owned(), detail: detail.into() });
        }
        Invalid
    }

    /// The value, if it was read and nobody sent anything else.
    fn finish<'a, T>(
        mut self,
        value: Result<T, Invalid>,
        sent: impl Iterator<Item = &'a str>,
        kind: ProblemKind,
    ) -> Result<T, Problem> {
        let unknown: Vec<String> = sent.filter(|name| !self.known.contains(name)).map(printable).collect();
        for name in unknown {
            let known = self.known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none is taken".to_owned() } else { format!("there are {known}") };
            self.note(&name, format!("`{name}` is not known here; {known}."));
        }
        match value {
            Ok(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::with_errors(kind, self.errors)),
        }
    }
}

/// A name as an answer may repeat it.
fn printable(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(UNKNOWN_NAME_CHARS_MAX).collect()
}

pub(crate) struct QueryReader {
    values: Vec<(String, String)>,
    names: Names,
}

impl QueryReader {
    fn of(query: &str) -> Self {
        Self { values: form_urlencoded::parse(query.as_bytes()).into_owned().collect(), names: Names::default() }
    }

    /// A text that may be missing.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Invalid> {
        self.names.known.push(name);
        let mut values = self.values.iter().filter(|(given, _)| given == name).map(|(_, value)| value);
        let (first, second) = (values.next().cloned(), values.next());
        if second.is_some() {
            return Err(self.names.note(name, format!("`{name}` is given more than once.")));
        }
        Ok(first)
    }

    /// How many rows a page has.
    pub(crate) fn limit(&mut self) -> Result<u32, Invalid> {
        let Some(text) = self.text("limit")? else { return Ok(API_PAGE_ROWS_DEFAULT) };
        match text.parse() {
            Ok(limit) if (1..=API_PAGE_ROWS_MAX).contains(&limit) => Ok(limit),
            _ => {
                let detail = format!("`limit` must be a whole number from 1 to {API_PAGE_ROWS_MAX}.");
                Err(self.names.note("limit", detail))
            }
        }
    }

    /// Yes or no; no when nothing is said.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Invalid> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.names.note(name, format!("`{name}` must be `true` or `false`."))),
        }
    }

    /// One of some names, or nothing.
    pub(crate) fn one_of<T: Copy + Display>(&mut self, name: &'static str, known: &[T]) -> Result<Option<T>, Invalid> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if let Some(value) = known.iter().find(|known| known.to_string() == text) {
            return Ok(Some(*value));
        }
        let names: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
        Err(self.names.note(name, format!("`{name}` must be {}.", names.join(" or "))))
    }

    /// A time that has to be there (RFC 3339).
    pub(crate) fn instant(&mut self, name: &'static str) -> Result<DateTime<Utc>, Invalid> {
        let Some(text) = self.text(name)? else {
            let detail = format!("`{name}` is missing: a time as in 2026-11-23T00:00:00Z (RFC 3339).");
            return Err(self.names.note(name, detail));
        };
        // In a query `+` stands for a space; an offset that was not escaped is meant all the same.
        let text = text.replace(' ', "+");
        match DateTime::parse_from_rfc3339(&text) {
            Ok(time) => Ok(time.to_utc()),
            Err(_) => Err(self.names.note(name, not_a_time(name, &text))),
        }
    }
}

/// What is wrong with a time, as exactly as possible.
fn not_a_time(name: &str, text: &str) -> String {
    let is_local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d+%H:%M:%S%.f", "%Y-%m-%d+%H:%M"];
    if is_local.iter().any(|form| NaiveDateTime::parse_from_str(text, form).is_ok()) {
        return format!("`{name}` has no offset: end it with `Z` for UTC, or with one such as `+02:00` (RFC 3339).");
    }
    if NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() {
        return format!(
            "`{name}` is a date: a time of day and an offset are missing, as in {text}T00:00:00Z (RFC 3339)."
        );
    }
    format!("`{name}` must be a time as in 2026-11-23T00:00:00Z (RFC 3339).")
}

/// Reads the object of a body.
pub(crate) struct BodyReader {
    fields: Map<String, Value>,
    names: Names,
}

impl BodyReader {
    /// A yes or no; no where nothing is said.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Invalid> {
        self.names.known.push(name);
        match self.fields.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.names.note(name, format!("`{name}` must be true or false."))),
        }
    }

    /// A text that may be missing or null, without the space around it.
    pub(crate) fn text(&mut self, name: &'static str, chars_max: usize) -> Result<Option<String>, Invalid> {
        self.names.known.push(name);
        let text = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.trim(),
            Some(_) => return Err(self.names.note(name, format!("`{name}` must be a text."))),
        };
        let chars = text.chars().count();
        if (1..=chars_max).contains(&chars) && !text.chars().any(char::is_control) {
            return Ok(Some(text.to_owned()));
        }
        let detail = format!("`{name}` must have 1 to {chars_max} characters, none of them a control character.");
        Err(self.names.note(name, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("from", text).finish();
        let mut reader = QueryReader::of(&query);
        assert_eq!(reader.instant("from"), Err(Invalid), "{text}");
        reader.names.errors.remove(0).detail
    }

    #[test]
    fn the_error_for_a_time_without_an_offset_names_the_offset() {
        for text in ["2026-11-23T00:00:00", "2026-11-23T00:00:00.5", "2026-11-23T00:00", "2026-11-23 00:00:00"] {
            assert!(complaint(text).contains("has no offset"), "{text}: {}", complaint(text));
        }
        assert!(complaint("2026-11-23").contains("is a date"), "{}", complaint("2026-11-23"));
        for text in ["", "tomorrow", "2026-13-23T00:00:00Z", "2026-11-23T25:00:00"] {
            assert!(complaint(text).contains("must be a time"), "{text}: {}", complaint(text));
        }
    }

    #[test]
    fn an_offset_that_was_not_escaped_is_meant_all_the_same() {
        let mut reader = QueryReader::of("from=2026-11-23T00:00:00+02:00");
        let expected = "2026-11-22T22:00:00Z".parse().unwrap();
        assert_eq!(reader.instant("from"), Ok(expected));
    }
}
