//! Literal answers in, literal requests and domain values out.

mod errors;
mod events;
mod lists;
mod oauth;
mod requests;
mod unreadable;

use std::sync::Arc;

use evercal_domain::account::Secret;
use evercal_domain::{ProviderCalendarId, ProviderCursor};
use evercal_http::{HttpResponse, TransportErrorKind};

use super::cursor::GoogleCursor;
use super::{GoogleProvider, GoogleSettings};
use crate::call::RemoteCalendarRef;
use crate::call::{Access, CallContext};
use crate::literal::{LiteralTransport, answer};

/// The size of pages.
const PAGE_EVENTS_MAX: u32 = 2_500;

/// A provider that gets this one answer, and the transport that has the request.
fn provider(answer: Result<HttpResponse, TransportErrorKind>) -> (GoogleProvider, Arc<LiteralTransport>) {
    let transport = LiteralTransport::answering([answer]);
    (GoogleProvider::new(settings(), Secret::new("our-secret"), transport.clone()), transport)
}

fn settings() -> GoogleSettings {
    GoogleSettings::google("our-client").unwrap()
}

fn context() -> CallContext {
    CallContext { access: Access::Bearer(Secret::new("ya29.access")), account: None }
}

fn of(calendar: &ProviderCalendarId) -> RemoteCalendarRef<'_> {
    RemoteCalendarRef { id: calendar, is_primary: true }
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
