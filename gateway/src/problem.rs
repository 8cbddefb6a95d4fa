//! Errors as RFC 9457 problem bodies.
//!
//! A handler answers with a [`Problem`]; the outermost middleware writes the body, so that it can name the request, and
//! gives the same form to errors that no handler made (unknown path, wrong method, time-outs, panics).

use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use evercal_storage::{StoreError, StoreErrorKind};

use crate::openapi::ProblemBody;

/// Seconds after which somebody that was turned away should try again.
const RETRY_AFTER_S: u64 = 5;
const CONTENT_TYPE_PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What went wrong, for the caller.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// When to try again, in seconds from now.
    retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem with this status; `detail` is one sentence for people and repeats no secret.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let retry_after_s = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S);
        Self { status, detail: detail.into(), retry_after_s }
    }

    /// The caller sent something that cannot be meant.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A cursor that no list of ours gave.
    pub(crate) fn bad_cursor() -> Self {
        Self::bad_request("`cursor` must be the `next_cursor` of the page before.")
    }

    /// There is no such thing, or it is not the caller's: the answer is the same.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is no such {what}."))
    }

    /// The thing is in a state in which this cannot be done.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// Something that we need is away; trying again helps.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// The caller did not say who they are.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// The caller is known, and may not do this.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// The caller's tenant asks more often than it may.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "Your tenant asks more often than it may; wait a little.");
        Self { retry_after_s: Some(wait.as_secs() + 1), ..problem }
    }

    /// The finished answer to the request of this id.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = ProblemBody {
            r#type: format!("urn:evercal:problem:{}", title.to_lowercase().replace(' ', "-")),
            title,
            status: self.status.as_u16(),
            detail: &self.detail,
            request_id,
        };
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, CONTENT_TYPE_PROBLEM);
        response
    }

    /// A problem for an error that no handler of ours made.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let detail = match status {
            StatusCode::NOT_FOUND => "There is nothing at this path.",
            StatusCode::METHOD_NOT_ALLOWED => {
                "This path does not take this method; the Allow header names those it takes."
            }
            StatusCode::PAYLOAD_TOO_LARGE => "The request's body is too large.",
            StatusCode::INTERNAL_SERVER_ERROR => "Something went wrong here; the log names it under this request id.",
            _ => "The request could not be served.",
        };
        Self::new(status, detail)
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

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // A cursor is the caller's mistake; everything else is ours to look at.
        if error.kind != StoreErrorKind::InvalidCursor {
            tracing::error!(%error, cause = error.cause(), kind = ?error.kind, "the store did not do what was asked");
        }
        match error.kind {
            StoreErrorKind::InvalidCursor => Self::bad_cursor(),
            StoreErrorKind::NotFound => Self::new(StatusCode::NOT_FOUND, "It does not exist any more."),
            StoreErrorKind::Conflict => Self::conflict("Somebody else changed it at the same time; try again."),
            StoreErrorKind::Unavailable => Self::unavailable("The database is not available."),
            StoreErrorKind::Corrupt | StoreErrorKind::Sealed | StoreErrorKind::Configuration => {
                Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}
