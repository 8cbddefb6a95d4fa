//! What evercal asks of a calendar provider, in the domain's words.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::account::Secret;
use evercal_domain::{
    AccessRole, ChannelId, ProviderCalendarId, ProviderCursor, ProviderError, ProviderErrorKind, RemoteCalendar,
    RemoteItem,
};
use evercal_http::{TransportError, TransportErrorKind};
use url::Url;

/// The request header that carries [`CallContext::simulated_now`], in Unix milliseconds.
pub const SIMULATED_NOW_HEADER: &str = "x-evercal-simulated-now";

/// Reads calendars and holds channels. Each request is sent once: retries belong to the caller.
#[async_trait]
pub trait CalendarProvider: Send + Sync {
    /// One page of the account's calendars; `page` is `None` for the first.
    async fn list_calendars(
        &self,
        context: &CallContext,
        page: Option<&PageToken>,
    ) -> Result<CalendarsPage, ProviderError>;

    /// The user's own calendar, whose id says who the user is.
    async fn primary_calendar(&self, context: &CallContext) -> Result<ProviderCalendarId, ProviderError>;

    /// One page of a calendar's events: masters and exceptions, not occurrences. All pages of a pass are asked for with the same
    /// size. An answer that is too large for us is [`ProviderErrorKind::PageTooLarge`], a cursor that does not lead on is
    /// [`ProviderErrorKind::PositionLost`].
    async fn read_events(
        &self,
        context: &CallContext,
        calendar: &ProviderCalendarId,
        position: Position<'_>,
        page_events_max: u32,
    ) -> Result<EventsPage, ProviderError>;

    /// Asks for as little of a calendar as possible, to see whether the provider answers for it.
    async fn probe(&self, context: &CallContext, calendar: &ProviderCalendarId) -> Result<(), ProviderError>;

    /// Opens a push channel. When the answer is lost, the channel may exist all the same.
    async fn open_channel(
        &self,
        context: &CallContext,
        calendar: &ProviderCalendarId,
        request: &ChannelRequest,
    ) -> Result<ChannelGrant, ProviderError>;

    /// Opens a push channel on the account's list of calendars. When the answer is lost, the channel may exist all the same.
    async fn open_list_channel(
        &self,
        context: &CallContext,
        request: &ChannelRequest,
    ) -> Result<ChannelGrant, ProviderError>;

    /// Closes a push channel; one that does not exist any more is closed.
    async fn close_channel(&self, context: &CallContext, id: ChannelId, resource_id: &str)
    -> Result<(), ProviderError>;
}

/// What every call carries.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The access token.
    pub access: Secret,
    /// The calendar's virtual time, sent as [`SIMULATED_NOW_HEADER`]. Only the simulator reads it, and only tests that
    /// skip time set it: production leaves it `None`, and no header goes out.
    pub simulated_now: Option<DateTime<Utc>>,
}

evercal_domain::redacted! {
    /// Names the next page of a list.
    PageToken;
}

/// Where to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position<'a> {
    /// At the beginning of everything that exists. What was deleted is not told: it is what no page of the pass has.
    Beginning,
    /// Where the page before ended: inside a pass, or at the end of one, from where changes are told, deletions included.
    At(&'a ProviderCursor),
}

/// One page of events. It may be empty and still not be the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsPage {
    /// The entries, each understood or quarantined by itself.
    pub items: Vec<RemoteItem>,
    /// How to go on.
    pub next: Next,
    /// In which role the account sees the calendar, where the provider says so.
    pub access_role: Option<AccessRole>,
}

/// What follows a page of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Another page, from here.
    More(ProviderCursor),
    /// Nothing: the pass is complete, and the next one begins here.
    Done(ProviderCursor),
}

/// One page of calendars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarsPage {
    /// The calendars that could be read.
    pub calendars: Vec<RemoteCalendar>,
    /// How many entries could not be read. Where it is not 0, a calendar that is missing may be one of these, so its
    /// absence proves nothing.
    pub unreadable: usize,
    /// The next page; `None` on the last one.
    pub next: Option<PageToken>,
}

/// A channel to open.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelRequest {
    /// Its id; a new one for each attempt.
    pub id: ChannelId,
    /// Where notices go; HTTPS at real providers.
    pub address: Url,
    /// What each notice brings back to prove itself (`domain::channel_token`).
    pub token: Secret,
    /// When it should end; the provider may decide on an earlier end.
    pub expires_at: DateTime<Utc>,
}

/// An open channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelGrant {
    /// The provider's id of what is watched; needed to close the channel.
    pub resource_id: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// What it means for a provider call that no answer came.
pub(crate) fn error_without_answer(error: &TransportError) -> ProviderError {
    let (kind, reason) = match error.kind {
        TransportErrorKind::Refused => (ProviderErrorKind::ConnectionRefused, None),
        TransportErrorKind::Reset => (ProviderErrorKind::ConnectionReset, None),
        TransportErrorKind::TimedOut => (ProviderErrorKind::TimedOut, None),
        TransportErrorKind::InvalidRequest => (ProviderErrorKind::InvalidRequest, None),
        // Certificates are renewed and middleboxes are taken away again: worth another try.
        TransportErrorKind::Tls => (ProviderErrorKind::ConnectionRefused, Some("tls")),
        TransportErrorKind::TooLarge => (ProviderErrorKind::TemporaryFailure, Some("answerTooLarge")),
    };
    let unanswered = ProviderError::without_answer(kind, error.call);
    match reason {
        Some(reason) => unanswered.with_reason(reason),
        None => unanswered,
    }
}
