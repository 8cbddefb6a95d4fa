//! The user's calendars (<https://learn.microsoft.com/graph/api/resources/calendar>). Pure. One entry that cannot be read never
//! takes the others with it.

use evercal_domain::{AccessRole, GrantSubject, ProviderCalendarId, ProviderError, RemoteCalendar};
use evercal_http::HttpResponse;
use serde::Deserialize;

use super::calls::{GET_CALENDAR, LIST_CALENDARS};
use super::delta::WirePage;
use super::errors::unreadable_answer;
use crate::entry::is_usable_id;
use crate::provider::{CalendarsPage, PageToken};

/// A page of the list.
pub(super) fn calendars_page(answer: &HttpResponse) -> Result<CalendarsPage, ProviderError> {
    let text = String::from_utf8_lossy(&answer.body);
    let page: WirePage = serde_json::from_str(&text).map_err(|_| unreadable_answer(LIST_CALENDARS, answer))?;
    let mut calendars = Vec::with_capacity(page.value.len());
    let mut unreadable = 0;
    for raw in page.value {
        match serde_json::from_str::<WireCalendar>(raw.get()) {
            Ok(wire) if is_usable_id(&wire.id) => calendars.push(wire.into_domain()),
            Ok(_) | Err(_) => unreadable += 1,
        }
    }
    let default = calendars.iter().find(|calendar| calendar.primary);
    let subject = default.map(|default| GrantSubject::new(default.provider_id.as_str()));
    Ok(CalendarsPage { calendars, unreadable, subject, next: page.next_link.map(PageToken::new) })
}

/// Whose grant it is: whoever has this default calendar. Its id stays for as long as there is a mailbox.
pub(super) fn owner_of_default_calendar(answer: &HttpResponse) -> Result<GrantSubject, ProviderError> {
    #[derive(Deserialize)]
    struct WireId {
        id: String,
    }
    let unreadable = || unreadable_answer(GET_CALENDAR, answer);
    let wire: WireId = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
    if is_usable_id(&wire.id) { Ok(GrantSubject::new(wire.id)) } else { Err(unreadable()) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCalendar {
    id: String,
    name: Option<String>,
    #[serde(default)]
    is_default_calendar: bool,
    #[serde(default)]
    can_edit: bool,
    #[serde(default)]
    can_share: bool,
    /// Whether the details of private events are shown.
    can_view_private_items: Option<bool>,
}

impl WireCalendar {
    fn into_domain(self) -> RemoteCalendar {
        RemoteCalendar {
            access_role: self.access_role(),
            provider_id: ProviderCalendarId::new(self.id),
            title: self.name.unwrap_or_default(),
            // Only the mailbox has one, which it takes another scope to read.
            time_zone: None,
            primary: self.is_default_calendar,
            id_follows_address: false,
        }
    }

    /// Only who owns a calendar can share it.
    fn access_role(&self) -> AccessRole {
        match (self.can_share, self.can_edit, self.can_view_private_items) {
            (true, _, _) => AccessRole::Owner,
            (false, true, Some(true) | None) => AccessRole::Writer,
            _ => AccessRole::Reader,
        }
    }
}
