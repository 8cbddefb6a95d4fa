//! Literal answers in, literal requests and domain values out.

mod errors;
mod events;
mod lists;
mod oauth;
mod requests;
mod unreadable;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use evercal_domain::ProviderCursor;
use evercal_domain::account::Secret;
use evercal_http::{HttpRequest, HttpResponse, Transport, TransportError, TransportErrorKind};

use super::cursor::GoogleCursor;
use super::{GoogleProvider, GoogleSettings};
use crate::call::{Access, CallContext};

/// The size of pages.
const PAGE_EVENTS_MAX: u32 = 2_500;

/// Gives prepared answers in order and keeps the requests.
#[derive(Default)]
struct LiteralTransport {
    answers: Mutex<VecDeque<Result<HttpResponse, TransportErrorKind>>>,
    requests: Mutex<Vec<HttpRequest>>,
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

/// A provider that gets this one answer, and the transport that has the request.
fn provider(answer: Result<HttpResponse, TransportErrorKind>) -> (GoogleProvider, Arc<LiteralTransport>) {
    let transport = Arc::new(LiteralTransport::default());
    transport.answers.lock().unwrap().push_back(answer);
    (GoogleProvider::new(settings(), Secret::new("our-secret"), transport.clone()), transport)
}

fn settings() -> GoogleSettings {
    GoogleSettings::google("our-client").unwrap()
}

fn context() -> CallContext {
    CallContext { access: Access::Bearer(Secret::new("ya29.access")) }
}

/// The next page of a pass over everything, and of one over what changed since `s`.
fn in_full_pass(page: &str) -> ProviderCursor {
    GoogleCursor::default().next(page.to_owned())
}

fn in_changes(page: &str) -> ProviderCursor {
    GoogleCursor::of(&done("s")).unwrap().next(page.to_owned())
}

/// The end of a pass.
fn done(sync_token: &str) -> ProviderCursor {
    GoogleCursor::done(sync_token.to_owned())
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    HttpResponse { status, headers: Vec::new(), body: body.into() }
}
