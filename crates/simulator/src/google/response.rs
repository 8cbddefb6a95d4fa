//! What answers of Google's have beside those of every provider.

use axum::http::{HeaderValue, header};
use serde_json::{Map, Value};

pub(crate) use crate::core::response::ApiResponse;

impl ApiResponse {
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
}
