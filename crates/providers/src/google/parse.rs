//! Bodies of the Calendar API as domain values. Pure. One entry that cannot be read never takes the others with it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use evercal_domain::{AccessRole, GrantSubject, ProviderCalendarId, ProviderError, RemoteCalendar};
use evercal_http::HttpResponse;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::calls::{GET_CALENDAR, LIST_CALENDARS, LIST_EVENTS};
use super::cursor::GoogleCursor;
use super::errors::unreadable_answer;
use super::event::remote_item;
use crate::entry::is_usable_id;
use crate::provider::{CalendarsPage, EventsPage, Next, PageToken};

/// A page of any list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePage<'body> {
    #[serde(borrow, default)]
    items: Vec<&'body RawValue>,
    next_page_token: Option<String>,
    next_sync_token: Option<String>,
    access_role: Option<String>,
}

/// A page of `events.list`, which was asked for at a cursor.
pub(super) fn events_page(
    answer: &HttpResponse,
    cursor: &GoogleCursor,
    page_events_max: u32,
) -> Result<EventsPage, ProviderError> {
    let text = text_of(answer);
    let unreadable = || unreadable_answer(LIST_EVENTS, answer);
    let page: WirePage = serde_json::from_str(&text).map_err(|_| unreadable())?;
    if page.items.len() > page_events_max as usize {
        return Err(unreadable().with_reason("pageTooLong"));
    }
    let next = match (page.next_page_token, page.next_sync_token) {
        (Some(token), _) => Next::More(cursor.next(token)),
        (None, Some(token)) => Next::Done(GoogleCursor::done(token)),
        (None, None) => return Err(unreadable().with_reason("noNextToken")),
    };
    // Nobody is `none` who can read; a role of a newer API changes nothing.
    let role = page.access_role.and_then(|name| serde_json::from_value::<WireAccessRole>(name.into()).ok());
    Ok(EventsPage {
        items: page.items.into_iter().map(|raw| remote_item(raw.get())).collect(),
        next,
        access_role: role.map(AccessRole::from),
    })
}

/// A page of `calendarList.list`.
pub(super) fn calendars_page(answer: &HttpResponse) -> Result<CalendarsPage, ProviderError> {
    let text = text_of(answer);
    let page: WirePage = serde_json::from_str(&text).map_err(|_| unreadable_answer(LIST_CALENDARS, answer))?;
    let mut calendars = Vec::with_capacity(page.items.len());
    let mut unreadable = 0;
    for raw in page.items {
        match serde_json::from_str::<WireCalendar>(raw.get()) {
            Ok(wire) if wire.deleted => {}
            Ok(wire) if !is_usable_id(&wire.id) => unreadable += 1,
            Ok(wire) => calendars.push(wire.into_domain()),
            Err(_) => unreadable += 1,
        }
    }
    let primary = calendars.iter().find(|calendar| calendar.primary);
    let subject = primary.map(|primary| owner(primary.provider_id.as_str()));
    Ok(CalendarsPage { calendars, unreadable, subject, next: page.next_page_token.map(PageToken::new) })
}

/// Whose calendar it is, in the answer of `calendarList.get` for the primary one.
pub(super) fn owner_of_primary_calendar(answer: &HttpResponse) -> Result<GrantSubject, ProviderError> {
    #[derive(Deserialize)]
    struct WireId {
        id: String,
    }
    let unreadable = || unreadable_answer(GET_CALENDAR, answer);
    let wire: WireId = serde_json::from_str(&text_of(answer)).map_err(|_| unreadable())?;
    if is_usable_id(&wire.id) { Ok(owner(&wire.id)) } else { Err(unreadable()) }
}

/// A person is who has this primary calendar: its id is their address.
fn owner(primary_calendar_id: &str) -> GrantSubject {
    GrantSubject::new(primary_calendar_id)
}

/// A channel that Google has opened.
pub(super) struct OpenedChannel {
    /// What it watches: the same for all channels on it.
    pub(super) resource_id: String,
    pub(super) expires_at: DateTime<Utc>,
}

/// The answer of `events.watch` and `calendarList.watch`.
pub(super) fn channel(call: &'static str, answer: &HttpResponse) -> Result<OpenedChannel, ProviderError> {
    let unreadable = || unreadable_answer(call, answer);
    let wire: WireChannel = serde_json::from_str(&text_of(answer)).map_err(|_| unreadable())?;
    let expires_at = wire.expiration.instant().ok_or_else(unreadable)?;
    Ok(OpenedChannel { resource_id: wire.resource_id, expires_at })
}

/// The body as text. Bytes that are no UTF-8 are replaced, so that they spoil one entry and not the page.
fn text_of(answer: &HttpResponse) -> Cow<'_, str> {
    String::from_utf8_lossy(&answer.body)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCalendar {
    id: String,
    summary: Option<String>,
    /// The user's own name for a calendar of somebody else.
    summary_override: Option<String>,
    time_zone: Option<String>,
    access_role: WireAccessRole,
    #[serde(default)]
    primary: bool,
    #[serde(default)]
    deleted: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum WireAccessRole {
    FreeBusyReader,
    Reader,
    // Writes, but sees private events as busy only.
    WriterWithoutPrivateAccess,
    Writer,
    Owner,
}

impl From<WireAccessRole> for AccessRole {
    fn from(role: WireAccessRole) -> Self {
        match role {
            WireAccessRole::FreeBusyReader => Self::FreeBusyReader,
            WireAccessRole::Reader => Self::Reader,
            WireAccessRole::Writer | WireAccessRole::WriterWithoutPrivateAccess => Self::Writer,
            WireAccessRole::Owner => Self::Owner,
        }
    }
}

impl WireCalendar {
    fn into_domain(self) -> RemoteCalendar {
        RemoteCalendar {
            provider_id: ProviderCalendarId::new(self.id),
            title: self.summary_override.or(self.summary).unwrap_or_default(),
            time_zone: self.time_zone,
            access_role: self.access_role.into(),
            primary: self.primary,
            id_follows_address: self.primary,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireChannel {
    resource_id: String,
    expiration: UnixMilliseconds,
}

/// The discovery document says string, the guide shows a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum UnixMilliseconds {
    Number(i64),
    Text(String),
}

impl UnixMilliseconds {
    fn instant(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Number(milliseconds) => DateTime::from_timestamp_millis(*milliseconds),
            Self::Text(text) => DateTime::from_timestamp_millis(text.parse().ok()?),
        }
    }
}
