//! An answer of the API as a value, a refusal as well as any other.

use axum::http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

pub(crate) struct ApiResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
    /// The answer goes out only after this: the first attempt of a channel's `sync` message.
    pub(crate) wait_for: Option<oneshot::Receiver<()>>,
}

impl ApiResponse {
    pub(crate) fn json<T: Serialize>(value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self {
                status: 200,
                headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"))],
                body,
                wait_for: None,
            },
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                Self::empty(500)
            }
        }
    }

    /// A resource with its ETag as a header too.
    pub(crate) fn resource(resource: &Map<String, Value>) -> Self {
        let mut response = Self::json(resource);
        let etag = resource.get("etag").and_then(Value::as_str);
        if let Some(value) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            response.headers.push((header::ETAG, value));
        }
        response
    }

    /// A page for people, with nothing in it that a program could read.
    pub(crate) fn page(status: u16) -> Self {
        let body = format!(
            "<!DOCTYPE html><html lang=en><title>Error {status}</title><p><b>{status}.</b> That is an error.\
             <p>Your client does not have permission to get this URL from this server. That is all we know.</html>"
        );
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"))];
        Self { headers, body: body.into_bytes(), ..Self::empty(status) }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), wait_for: None }
    }
}
