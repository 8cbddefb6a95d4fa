//! What evercal asks of a calendar provider, in the domain's words.

use async_trait::async_trait;
use evercal_domain::{
    AccessRole, GrantSubject, ProviderCursor, ProviderError, ProviderErrorKind, ProviderEventId, RemoteCalendar,
    RemoteItem,
};
use evercal_recurrence::Window;

use crate::call::{CallContext, RemoteCalendarRef};
use crate::channels::Channels;

/// Reads calendars. Each request is sent once: retries belong to the caller.
#[async_trait]
pub trait CalendarProvider: Send + Sync {
    /// One page of the account's calendars; `page` is `None` for the first.
    async fn list_calendars(
        &self,
        context: &CallContext,
        page: Option<&PageToken>,
    ) -> Result<CalendarsPage, ProviderError>;

    /// Whose grant the call is made by.
    async fn whose_grant(&self, context: &CallContext) -> Result<GrantSubject, ProviderError>;

    /// One page of a calendar's events: masters and exceptions, and occurrences where the provider makes them. All pages of a pass are asked for with the same
    /// size. An answer that is too large for us is [`PageTooLarge`](evercal_domain::ProviderErrorKind::PageTooLarge), a cursor that does not lead on is
    /// [`PositionLost`](evercal_domain::ProviderErrorKind::PositionLost).
    async fn read_events(
        &self,
        context: &CallContext,
        calendar: RemoteCalendarRef<'_>,
        position: Position<'_>,
        page_events_max: u32,
    ) -> Result<EventsPage, ProviderError>;

    /// The content of events that pages only named, or that are missing where everything was listed; at most
    /// [`fetch_max`](evercal_domain::profile::Defaults) of them. Each id is answered by an item with that id, or by one that has all
    /// of it; what does not exist any more by a deletion. `window` is the time for which occurrences are asked, where the provider
    /// makes them. Only asked of providers that name events or whose absence has to be confirmed.
    async fn fetch_events(
        &self,
        _context: &CallContext,
        _calendar: RemoteCalendarRef<'_>,
        _ids: &[ProviderEventId],
        _window: &Window,
    ) -> Result<Fetched, ProviderError> {
        Err(ProviderError::without_answer(ProviderErrorKind::InvalidRequest, "fetch events"))
    }

    /// Reads as little of a calendar as possible, to find out whether the provider answers for it.
    async fn probe(&self, context: &CallContext, calendar: RemoteCalendarRef<'_>) -> Result<(), ProviderError>;

    /// Its push channels; none where it has none.
    fn channels(&self) -> Option<&dyn Channels>;
}

evercal_domain::redacted! {
    /// Names the next page of a list.
    PageToken;
}

/// Where to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position<'a> {
    /// At the beginning of everything that exists, or of all in this window where the provider makes occurrences. Its pages need not list deletions: what it means that none of them has
    /// an event, the profile says ([`Absence`](evercal_domain::profile::Absence)).
    Beginning(Option<Window>),
    /// Where the page before ended: inside a pass, or at the end of one, from where changes are listed, deletions included.
    At(&'a ProviderCursor),
}

/// One page of events. It may be empty and still not be the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsPage {
    /// The entries, each parsed or unreadable by itself.
    pub items: Vec<RemoteItem>,
    /// How to go on.
    pub next: Next,
    /// In which role the account sees the calendar, where the provider says so.
    pub access_role: Option<AccessRole>,
}

/// What was fetched of some events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    /// Everything about those that were answered for.
    pub items: Vec<RemoteItem>,
    /// Why the others were not, where there are any: they are asked for again.
    pub left: Option<ProviderError>,
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
    /// Whose grant it was read by, where this page says so.
    pub subject: Option<GrantSubject>,
    /// The next page; `None` on the last one.
    pub next: Option<PageToken>,
}
