//! What answers of Graph's have beside those of every provider.

use axum::http::header;
use serde_json::{Map, Value};

pub(crate) use crate::core::response::ApiResponse;

impl ApiResponse {
    /// A new or an old item, with its ETag as a header too.
    pub(crate) fn item(status: u16, item: &Map<String, Value>) -> Self {
        let mut response = Self::json(item);
        response.status = status;
        if let Some(etag) = item.get("@odata.etag").and_then(Value::as_str) {
            response.push_header(header::ETAG, etag);
        }
        response
    }

    /// A page for people, as from in front of the API.
    pub(crate) fn gateway_page(status: u16) -> Self {
        let body = format!(
            "<!DOCTYPE html><html><head><title>Our services aren't available right now</title></head>\
             <body><h2>{status}: Our services aren't available right now</h2></body></html>"
        );
        let mut response = Self { body: body.into_bytes(), ..Self::empty(status) };
        response.push_header(header::CONTENT_TYPE, "text/html");
        response
    }
}
