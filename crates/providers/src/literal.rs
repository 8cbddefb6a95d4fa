//! Literal answers in, literal requests out: for tests of what providers send and read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use evercal_http::{HttpRequest, HttpResponse, Transport, TransportError, TransportErrorKind};

/// Gives prepared answers in order and keeps the requests.
#[derive(Default)]
pub(crate) struct LiteralTransport {
    pub(crate) answers: Mutex<VecDeque<Result<HttpResponse, TransportErrorKind>>>,
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
}

impl LiteralTransport {
    /// One that gives these answers.
    pub(crate) fn answering(answers: impl IntoIterator<Item = Result<HttpResponse, TransportErrorKind>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), requests: Mutex::default() })
    }
}

#[async_trait]
impl Transport for LiteralTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let call = request.call;
        self.requests.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().expect("a request too many");
        answer.map_err(|kind| TransportError { kind, call })
    }
}

/// An answer with a status and a body.
pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    HttpResponse { status, headers: Vec::new(), body: body.into() }
}
