//! Microsoft Graph v1.0. This file, [`channels`] and [`series`] send; what is sent is built in [`requests`] and [`batch`], what
//! comes back is read in [`lists`], [`delta`] and [`event`], what failed is judged in [`errors`].

mod batch;
mod body;
mod calls;
mod channels;
mod cursor;
mod delta;
mod details;
mod errors;
mod event;
mod lists;
mod mailboxes;
mod notices;
mod oauth;
mod profile;
mod recurrence;
mod registration;
mod requests;
mod series;
mod settings;
mod times;

use std::sync::Arc;

use async_trait::async_trait;
use evercal_domain::account::Secret;
use evercal_domain::{GrantSubject, ProviderError, ProviderErrorKind, ProviderEventId};
use evercal_http::{HttpRequest, HttpResponse, Transport, TransportError, TransportErrorKind};
use evercal_recurrence::Window;

pub use notices::GraphNotices;
pub use registration::REGISTRATION;
pub use settings::{DEFAULT_SCOPES, DEFAULT_TENANT, GraphSettings};

use crate::call::{CallContext, RemoteCalendarRef, error_without_answer};
use crate::channels::Channels;
use crate::provider::{CalendarProvider, CalendarsPage, EventsPage, Fetched, PageToken, Position};
use calls::{BATCH, DELTA, LIST_CALENDARS};
use cursor::{GraphCursor, Round, own_link};
use mailboxes::Mailboxes;

/// How often parts are asked for again that a batch left out.
const BATCH_ROUNDS_MAX: u32 = 3;

/// Microsoft Graph, or a server that speaks as it does, such as the simulator.
pub struct GraphProvider {
    settings: GraphSettings,
    /// The application's.
    client_secret: Secret,
    transport: Arc<dyn Transport>,
    mailboxes: Mailboxes,
}

impl GraphProvider {
    /// A provider whose calls go out through `transport`, at most so many at a time for one account; `client_secret` is the
    /// application's.
    pub fn new(
        settings: GraphSettings,
        client_secret: Secret,
        requests_per_mailbox_max: usize,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self { settings, client_secret, transport, mailboxes: Mailboxes::new(requests_per_mailbox_max) }
    }

    /// Sends a request of an account's; a status other than 2xx is an error.
    async fn send(&self, context: &CallContext, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let call = request.call;
        let answer = self.ask(context, request).await.map_err(|error| error_without_answer(&error))?;
        checked(call, answer)
    }

    /// Sends a request of an account's, when it is its turn.
    async fn ask(&self, context: &CallContext, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let _turn = self.mailboxes.turn(context.account).await;
        self.transport.send(request).await
    }

    /// Sends readings of an account's, as few requests as it takes. Each is judged by itself; an error here is one of all.
    async fn each(
        &self,
        context: &CallContext,
        requests: &[HttpRequest],
    ) -> Result<Vec<Result<HttpResponse, ProviderError>>, ProviderError> {
        let mut answers: Vec<Option<Result<HttpResponse, ProviderError>>> = requests.iter().map(|_| None).collect();
        for _ in 0..BATCH_ROUNDS_MAX {
            let open: Vec<(usize, &HttpRequest)> = requests
                .iter()
                .enumerate()
                .zip(&answers)
                .filter(|(_, answer)| answer.is_none())
                .map(|(open, _)| open)
                .collect();
            if open.is_empty() {
                break;
            }
            for chunk in open.chunks(batch::PARTS_MAX) {
                for (index, answer) in self.some(context, chunk).await? {
                    if let Some(place) = answers.get_mut(index) {
                        *place = Some(answer);
                    }
                }
            }
        }
        let missing =
            || ProviderError::without_answer(ProviderErrorKind::TemporaryFailure, BATCH).with_reason("partsMissing");
        answers.into_iter().map(|answer| answer.ok_or_else(missing)).collect()
    }

    /// As many readings as fit into one batch, each with its index.
    async fn some(
        &self,
        context: &CallContext,
        chunk: &[(usize, &HttpRequest)],
    ) -> Result<Vec<(usize, Result<HttpResponse, ProviderError>)>, ProviderError> {
        if let [(index, request)] = chunk {
            return Ok(vec![(*index, self.send(context, (*request).clone()).await)]);
        }
        let parts: Vec<&HttpRequest> = chunk.iter().map(|(_, request)| *request).collect();
        // Microsoft answers several parts at a time, so that a batch is as much as a mailbox may be asked.
        let turns = self.mailboxes.all_turns(context.account).await;
        let answer = self.transport.send(batch::request(&self.settings, &parts)).await;
        drop(turns);
        let answer = match answer {
            Ok(answer) => checked(BATCH, answer)?,
            // One by one they may fit.
            Err(error) if error.kind == TransportErrorKind::TooLarge => {
                let mut answers = Vec::with_capacity(chunk.len());
                for (index, request) in chunk {
                    answers.push((*index, self.send(context, (*request).clone()).await));
                }
                return Ok(answers);
            }
            Err(error) => return Err(error_without_answer(&error)),
        };
        let of_parts = batch::answers(&answer).ok_or_else(|| errors::unreadable_answer(BATCH, &answer))?;
        let named = |(place, part): (usize, HttpResponse)| {
            let (index, request) = chunk.get(place)?;
            Some((*index, checked(request.call, part)))
        };
        Ok(of_parts.into_iter().filter_map(named).collect())
    }
}

fn checked(call: &'static str, answer: HttpResponse) -> Result<HttpResponse, ProviderError> {
    let (status, body_bytes) = (answer.status, answer.body.len());
    if answer.is_success() {
        tracing::debug!(call, status, body_bytes, "microsoft answered");
        return Ok(answer);
    }
    // By this Microsoft's people find a request again.
    let request_id = answer
        .header("request-id")
        .or_else(|| answer.header("x-ms-request-id"))
        .filter(|id| id.len() <= 64)
        .unwrap_or("none");
    tracing::info!(call, status, request_id, "microsoft refused");
    Err(errors::parse_error(call, &answer))
}

#[async_trait]
impl CalendarProvider for GraphProvider {
    async fn list_calendars(
        &self,
        context: &CallContext,
        page: Option<&PageToken>,
    ) -> Result<CalendarsPage, ProviderError> {
        let request = match page {
            Some(page) => {
                requests::get(LIST_CALENDARS, own_link(&self.settings, LIST_CALENDARS, page.as_str())?, context)
            }
            None => requests::list_calendars(&self.settings, context),
        };
        lists::calendars_page(&self.send(context, request).await?)
    }

    async fn whose_grant(&self, context: &CallContext) -> Result<GrantSubject, ProviderError> {
        let answer = self.send(context, requests::default_calendar(&self.settings, context)).await?;
        lists::owner_of_default_calendar(&answer)
    }

    async fn read_events(
        &self,
        context: &CallContext,
        calendar: RemoteCalendarRef<'_>,
        position: Position<'_>,
        page_events_max: u32,
    ) -> Result<EventsPage, ProviderError> {
        let (request, round) = match position {
            Position::Beginning(window) => {
                let none = || ProviderError::without_answer(ProviderErrorKind::InvalidRequest, DELTA);
                let window = window.ok_or_else(none)?;
                let first = requests::first_page(&self.settings, context, calendar, &window, page_events_max);
                (first, Round::Everything)
            }
            Position::At(cursor) => {
                let cursor = GraphCursor::of(cursor)?;
                // A link of another server was kept when the installation was another one.
                let lost = |_| ProviderError::without_answer(ProviderErrorKind::PositionLost, DELTA);
                let link = own_link(&self.settings, DELTA, &cursor.link).map_err(lost)?;
                (requests::page_at(link, context, page_events_max), cursor.round)
            }
        };
        let answer = self.ask(context, request).await.map_err(|error| match error.kind {
            TransportErrorKind::TooLarge => ProviderError::without_answer(ProviderErrorKind::PageTooLarge, error.call),
            _ => error_without_answer(&error),
        })?;
        let answer = checked(DELTA, answer).map_err(|error| match (position, error.kind) {
            // A link that is refused in words that nobody knows is refused the next time too.
            (Position::At(_), ProviderErrorKind::InvalidRequest) => {
                ProviderError { kind: ProviderErrorKind::PositionLost, ..error }
            }
            _ => error,
        })?;
        let mut page = delta::delta_page(&self.settings, &answer, round)?;
        let cancelled = self.cancelled_of(context, calendar, &page.masters).await?;
        page.items = delta::with_cancelled(page.items, cancelled);
        Ok(EventsPage { items: page.items, next: page.next, access_role: None })
    }

    async fn fetch_events(
        &self,
        context: &CallContext,
        calendar: RemoteCalendarRef<'_>,
        ids: &[ProviderEventId],
        window: &Window,
    ) -> Result<Fetched, ProviderError> {
        self.whole(context, calendar, ids, window).await
    }

    async fn probe(&self, context: &CallContext, calendar: RemoteCalendarRef<'_>) -> Result<(), ProviderError> {
        self.send(context, requests::probe(&self.settings, context, calendar)).await.map(drop)
    }

    fn channels(&self) -> Option<&dyn Channels> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
