//! What evercal asks of a calendar provider, in the domain's words.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::account::Secret;
use evercal_domain::{
    AccessRole, ChannelId, ProviderCalendarId, ProviderError, ProviderErrorKind, RemoteCalendar, RemoteItem,
};
use evercal_http::{TransportError, TransportErrorKind};
use url::Url;

/// The request header that carries [`CallContext::simulated_now`], in Unix milliseconds.
pub const SIMULATED_NOW_HEADER: &str = "x-evercal-simulated-now";

/// The reason of an error that a pass with smaller pages may not meet.
pub const PAGE_TOO_LARGE: &str = "pageTooLarge";

/// Reads calendars and holds channels. One call is one request, sent once: retries belong to the caller.
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

    /// One page of a calendar's events: masters and exceptions, not occurrences. The first page of a pass decides how
    /// many events each of its pages has at most. An answer that is too large for us is an error with the reason
    /// [`PAGE_TOO_LARGE`].
    async fn read_events(
        &self,
        context: &CallContext,
        calendar: &ProviderCalendarId,
        position: &ReadPosition,
        page_events_max: u32,
    ) -> Result<EventsPage, ProviderError>;

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

    /// Names a moment of a calendar, from which changes can be asked for.
    SyncToken;
}

/// Where to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadPosition {
    /// Everything that exists. What was deleted is not told: it is what was not seen by the last page.
    Full {
        /// The next page; `None` for the first.
        page: Option<PageToken>,
    },
    /// What changed since the token, deletions included.
    Incremental {
        /// The token of the last finished pass; the same for each page of this one.
        sync_token: SyncToken,
        /// The next page; `None` for the first.
        page: Option<PageToken>,
    },
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
    /// Another page.
    Page(PageToken),
    /// Nothing: the pass is complete, and the next one begins here.
    Done(SyncToken),
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
