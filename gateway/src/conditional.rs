//! Conditional reads (RFC 9110 section 13): an answer to `GET` carries a tag of its content, and a caller who has that content
//! already gets that answer instead of the content.
//!
//! A handler that knows its content by a number makes the tag itself, and answers 304 before it reads anything
//! ([`Tag::of`]). The answers of all others are hashed here.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::problem::{Problem, ProblemKind};

/// An answer in bytes. The largest ones are pages of events, which are bounded, and a list of 500 calendars.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of the hash that make a tag: enough that two answers never share one.
const TAG_BYTES: usize = 16;
/// Kept by the caller alone, and asked for again each time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Tags answers to `GET`, and answers 304 to who has them.
pub(crate) async fn conditional(request: Request, next: Next) -> Response {
    // Not HEAD: its body may be gone already, and a tag of nothing would be wrong.
    let is_read = *request.method() == Method::GET;
    let known = request.headers().clone();
    let response = next.run(request).await;
    let is_tagged = response.headers().contains_key(ETAG);
    if !is_read || is_tagged || response.status() != StatusCode::OK || is_page(response.headers()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        return Problem::of(ProblemKind::Internal).into_response();
    };
    let tag = Tag::of(&[&body]);
    let response = Response::from_parts(parts, Body::from(body));
    if tag.is_known(&known) { tag.not_modified(response) } else { tag.put_on(response) }
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// So many bytes of a hash of all parts, as text. Parts are distinguished by more than their text.
pub(crate) fn hash_text(parts: &[&[u8]], bytes: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash = hash.finalize();
    URL_SAFE_NO_PAD.encode(hash.get(..bytes).unwrap_or(&hash))
}

/// The tag of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Tag(HeaderValue);

impl Tag {
    /// Of all that makes the content what it is.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        // Weak, since the same content may travel compressed or not.
        let text = format!("W/\"{}\"", hash_text(parts, TAG_BYTES));
        Self(HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("W/\"\"")))
    }

    /// Whether the caller names it as what they have; tags are compared weakly (RFC 9110 section 8.8.3.2).
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let Ok(own) = self.0.to_str().map(opaque) else { return false };
        let names_it = |list: &str| list.split(',').any(|one| one.trim() == "*" || opaque(one) == own);
        headers.get_all(IF_NONE_MATCH).iter().any(|list| list.to_str().is_ok_and(names_it))
    }

    /// The answer with its tag.
    pub(crate) fn put_on(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, REVALIDATE);
        headers.insert(ETAG, self.0.clone());
        response
    }

    /// The answer to a caller who has the content: the headers of the full one, without its body.
    pub(crate) fn not_modified(&self, response: Response) -> Response {
        let (mut parts, _) = self.put_on(response).into_parts();
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(CONTENT_TYPE);
        parts.headers.remove(CONTENT_LENGTH);
        Response::from_parts(parts, Body::empty())
    }
}
