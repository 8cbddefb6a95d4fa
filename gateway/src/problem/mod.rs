//! Errors as RFC 9457 problem bodies.
//!
//! A handler answers with a [`Problem`]; the outermost middleware writes the body, so that it can name the request, and
//! gives the same form to errors that no handler made (unknown path, wrong method, time-outs, panics).

mod body;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use evercal_process::counted;
use evercal_storage::{StoreError, StoreErrorKind};

pub(crate) use self::body::{ParameterError, ProblemBody};
pub(crate) use crate::problem_kind::ProblemKind;
use crate::vocabulary::ProblemTypeName;

/// Seconds after which somebody that was turned away should try again.
const RETRY_AFTER_S: u64 = 5;
const CONTENT_TYPE_PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What went wrong, for the caller.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    kind: ProblemKind,
    /// The kind's own, but for errors that no handler of ours made.
    status: StatusCode,
    detail: String,
    errors: Vec<ParameterError>,
    /// When to try again, in seconds from now.
    retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem of this kind; `detail` is one sentence for people and repeats no secret.
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let status = kind.status();
        let retry_after_s = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S);
        Self { kind, status, detail: detail.into(), errors: Vec::new(), retry_after_s }
    }

    /// A problem of which all that can be said is what its kind means.
    pub(crate) fn of(kind: ProblemKind) -> Self {
        Self::new(kind, kind.meaning())
    }

    /// Something about parameters or fields; `errors` is not empty.
    pub(crate) fn with_errors(kind: ProblemKind, errors: Vec<ParameterError>) -> Self {
        let details: Vec<&str> = errors.iter().map(|error| error.detail.as_str()).collect();
        Self { errors: errors.clone(), ..Self::new(kind, details.join(" ")) }
    }

    /// One parameter cannot be meant; `detail` is a sentence.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let error = ParameterError { parameter: name.to_owned(), detail: detail.into() };
        Self::with_errors(ProblemKind::InvalidParameter, vec![error])
    }

    /// A cursor that no page of this query gave.
    pub(crate) fn invalid_cursor() -> Self {
        let detail =
            "`cursor` must be the `next_cursor` of the page before, and the rest of the query the same as there.";
        let error = ParameterError { parameter: "cursor".to_owned(), detail: detail.to_owned() };
        Self::with_errors(ProblemKind::InvalidCursor, vec![error])
    }

    /// The caller's tenant asks more often than it may.
    pub(crate) fn too_many(wait: Duration) -> Self {
        Self { retry_after_s: Some(wait.as_secs() + 1), ..Self::of(ProblemKind::RateLimited) }
    }

    /// The finished answer to the request of this id.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let body = ProblemBody {
            r#type: ProblemTypeName(self.kind.urn()),
            title: self.kind.title(),
            status: self.status.as_u16(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
        };
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, CONTENT_TYPE_PROBLEM);
        response
    }

    /// A problem for an error that no handler of ours made.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let kind = match status {
            StatusCode::NOT_FOUND => ProblemKind::PathNotFound,
            StatusCode::METHOD_NOT_ALLOWED => ProblemKind::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => ProblemKind::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemKind::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => ProblemKind::Overloaded,
            other if other.is_server_error() => ProblemKind::Internal,
            _ => ProblemKind::MalformedRequest,
        };
        Self { status, ..Self::of(kind) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        if let Some(wait_s) = self.retry_after_s {
            headers.insert(RETRY_AFTER, wait_s.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        counted!(error, "an answer could not be written as JSON", %error);
        Self::of(ProblemKind::Internal)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<Arc<StoreError>> for Problem {
    fn from(error: Arc<StoreError>) -> Self {
        Self::from(error.as_ref())
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        // A cursor is the caller's mistake; everything else is ours to mend.
        if error.kind != StoreErrorKind::InvalidCursor {
            let (cause, kind) = (error.cause(), error.kind);
            counted!(error, "the store did not do what was asked", %error, cause, ?kind);
        }
        match error.kind {
            StoreErrorKind::InvalidCursor => Self::invalid_cursor(),
            StoreErrorKind::NotFound => Self::of(ProblemKind::Gone),
            StoreErrorKind::Conflict => Self::of(ProblemKind::ChangedMeanwhile),
            // An operator gives back what is missing; the caller is not to blame, and trying again helps.
            StoreErrorKind::Unavailable
            | StoreErrorKind::AccessDenied
            | StoreErrorKind::Schema
            | StoreErrorKind::Lost
            | StoreErrorKind::Configuration => Self::of(ProblemKind::StoreUnavailable),
            StoreErrorKind::Corrupt | StoreErrorKind::Sealed => Self::of(ProblemKind::Internal),
        }
    }
}
