//! Errors as problem bodies (RFC 9457), in the form of the API's.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const CONTENT_TYPE_PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What went wrong, for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The body is not JSON.
    MalformedBody,
    /// The body is JSON, but no document of payloads.
    InvalidBody,
    /// The body is larger than a page of a history.
    BodyTooLarge,
    /// The body does not say that it is JSON.
    UnsupportedMediaType,
    /// A payload cannot be opened or sealed: it is damaged, or made with a key that is not here. What is wrong with it.
    InvalidPayload(String),
    /// A page of an origin that is not named asks.
    OriginNotAllowed,
    /// Nothing is at this path.
    PathNotFound,
    /// Another method than POST.
    MethodNotAllowed,
    /// A handler panicked.
    Internal,
}

#[derive(Serialize)]
struct ProblemBody {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
}

impl Problem {
    /// Status, last part of the `type`, title.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedBody => (StatusCode::BAD_REQUEST, "malformed-body", "Malformed body"),
            Self::InvalidBody => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "Invalid body"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
            Self::InvalidPayload(_) => (StatusCode::BAD_REQUEST, "invalid-payload", "Invalid payload"),
            Self::OriginNotAllowed => (StatusCode::FORBIDDEN, "origin-not-allowed", "Origin not allowed"),
            Self::PathNotFound => (StatusCode::NOT_FOUND, "path-not-found", "Path not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal-error", "Internal error"),
        }
    }

    /// A sentence for people.
    fn detail(self) -> String {
        let detail = match self {
            Self::InvalidPayload(detail) => return detail,
            Self::MalformedBody => "The body is not JSON.",
            Self::InvalidBody => "The body is JSON, but not payloads as Temporal's UI and CLI send them.",
            Self::BodyTooLarge => "The request's body is too large.",
            Self::UnsupportedMediaType => "The body has to be JSON, and the header `Content-Type` has to say so.",
            Self::OriginNotAllowed => "Pages of this origin may not ask: EVERCAL_CODEC_ORIGINS names those that may.",
            Self::PathNotFound => "There are `POST /encode` and `POST /decode`.",
            Self::MethodNotAllowed => "This path takes POST alone.",
            Self::Internal => "Something went wrong; the log of the codec endpoint says what.",
        };
        detail.to_owned()
    }
}

/// What is wrong with a body as a whole, without the words of its parser.
impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNPROCESSABLE_ENTITY => Self::InvalidBody,
            _ => Self::MalformedBody,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, name, title) = self.kind();
        let body = ProblemBody {
            r#type: format!("urn:evercal:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail(),
        };
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, CONTENT_TYPE_PROBLEM);
        response
    }
}
