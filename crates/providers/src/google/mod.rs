//! Google Calendar API v3. This file and [`channels`] send; what is sent is built in [`requests`],
//! what comes back is read in [`parse`] and [`event`], what failed is judged in [`errors`].

mod calls;
mod channels;
mod conference;
mod cursor;
mod details;
mod errors;
mod event;
mod notices;
mod oauth;
mod parse;
mod profile;
mod registration;
mod requests;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use evercal_domain::account::Secret;
use evercal_domain::{GrantSubject, ProviderError, ProviderErrorKind};
use evercal_http::{HttpRequest, HttpResponse, Transport, TransportErrorKind};

pub use notices::GoogleNotices;
pub use registration::REGISTRATION;
pub use settings::{DEFAULT_SCOPES, GoogleSettings};

use crate::call::RemoteCalendarRef;
use crate::call::{CallContext, error_without_answer};
use crate::channels::Channels;
use crate::provider::{CalendarProvider, CalendarsPage, EventsPage, PageToken, Position};
use calls::LIST_EVENTS;
use cursor::GoogleCursor;

/// Google, or a server that speaks as Google does, such as the simulator.
pub struct GoogleProvider {
    settings: GoogleSettings,
    /// The OAuth client's.
    client_secret: Secret,
    transport: Arc<dyn Transport>,
}

impl GoogleProvider {
    /// A provider whose calls go out through `transport`; `client_secret` is the OAuth client's.
    pub fn new(settings: GoogleSettings, client_secret: Secret, transport: Arc<dyn Transport>) -> Self {
        Self { settings, client_secret, transport }
    }

    /// Sends a request; a status other than 2xx is an error.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let call = request.call;
        let answer = self.transport.send(request).await.map_err(|error| error_without_answer(&error))?;
        checked(call, answer)
    }
}

fn checked(call: &'static str, answer: HttpResponse) -> Result<HttpResponse, ProviderError> {
    tracing::debug!(call, status = answer.status, body_bytes = answer.body.len(), "google answered");
    if answer.is_success() { Ok(answer) } else { Err(errors::parse_error(call, &answer)) }
}

#[async_trait]
impl CalendarProvider for GoogleProvider {
    async fn list_calendars(
        &self,
        context: &CallContext,
        page: Option<&PageToken>,
    ) -> Result<CalendarsPage, ProviderError> {
        let answer = self.send(requests::list_calendars(&self.settings, context, page)).await?;
        parse::calendars_page(&answer)
    }

    async fn whose_grant(&self, context: &CallContext) -> Result<GrantSubject, ProviderError> {
        let answer = self.send(requests::primary_calendar(&self.settings, context)).await?;
        parse::owner_of_primary_calendar(&answer)
    }

    async fn read_events(
        &self,
        context: &CallContext,
        calendar: RemoteCalendarRef<'_>,
        position: Position<'_>,
        page_events_max: u32,
    ) -> Result<EventsPage, ProviderError> {
        let cursor = match position {
            Position::Beginning(_) => GoogleCursor::default(),
            // What cannot be read leads nowhere, like a token that Google refuses.
            Position::At(text) => GoogleCursor::of(text)
                .ok_or_else(|| ProviderError::without_answer(ProviderErrorKind::PositionLost, LIST_EVENTS))?,
        };
        let request = requests::list_events(&self.settings, context, calendar.id, &cursor, page_events_max);
        let answer = self.transport.send(request).await.map_err(|error| match error.kind {
            TransportErrorKind::TooLarge => ProviderError::without_answer(ProviderErrorKind::PageTooLarge, error.call),
            _ => error_without_answer(&error),
        })?;
        parse::events_page(&checked(LIST_EVENTS, answer)?, &cursor, page_events_max)
    }

    async fn probe(&self, context: &CallContext, calendar: RemoteCalendarRef<'_>) -> Result<(), ProviderError> {
        self.read_events(context, calendar, Position::Beginning(None), 1).await.map(drop)
    }

    fn channels(&self) -> Option<&dyn Channels> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
