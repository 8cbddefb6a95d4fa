//! Conditional reads (RFC 9110 section 13): an answer to `GET` carries a tag of its content, and a caller who has that content
//! already is told so instead of being sent it again.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// An answer in bytes; a page of the largest events stays below it.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of the hash that make a tag: enough that two answers never share one.
const TAG_BYTES: usize = 16;
/// Kept by the caller alone, and asked for again each time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Tags answers to `GET`, and answers 304 to who has them.
pub(crate) async fn conditional(request: Request, next: Next) -> Response {
    // Not HEAD: its body may be gone already, and a tag of nothing would be wrong.
    let is_read = *request.method() == Method::GET;
    let known = request.headers().get_all(IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
    let response = next.run(request).await;
    if !is_read || response.status() != StatusCode::OK || is_page(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        return Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response();
    };
    let tag = tag(&body);
    parts.headers.insert(CACHE_CONTROL, REVALIDATE);
    let is_known = known.iter().any(|header| names(header, &tag));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(ETAG, tag);
    }
    if is_known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(CONTENT_TYPE);
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(body))
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Weak, since the same content may travel compressed or not.
fn tag(body: &Bytes) -> String {
    let hash = Sha256::digest(body);
    let start = hash.get(..TAG_BYTES).unwrap_or(&hash);
    format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(start))
}

/// Whether a list of tags names this one; they are compared weakly (RFC 9110 section 8.8.3.2).
fn names(header: &HeaderValue, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    header.to_str().is_ok_and(|list| list.split(',').any(|one| one.trim() == "*" || opaque(one) == opaque(tag)))
}
