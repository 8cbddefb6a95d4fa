//! An answer of a provider's API as a value, a refusal as well as any other.

use axum::http::{HeaderName, HeaderValue, header};
use serde::Serialize;
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

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), wait_for: None }
    }

    /// Adds a header; a value that no header can carry is left out.
    pub(crate) fn push_header(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
    }
}
