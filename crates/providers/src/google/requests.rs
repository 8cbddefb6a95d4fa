//! The requests of the Calendar API as values (<https://developers.google.com/workspace/calendar/api/v3/reference>).

use evercal_domain::{ChannelId, ProviderCalendarId};
use evercal_http::{Body, HttpRequest};
use serde_json::json;
use url::Url;

use super::calls::{GET_CALENDAR, LIST_CALENDARS, LIST_EVENTS, STOP_CHANNEL, WATCH_CALENDARS, WATCH_EVENTS};
use super::cursor::GoogleCursor;
use super::event::EVENT_FIELDS;
use super::settings::GoogleSettings;
use crate::call::{Access, CallContext};
use crate::channels::ChannelRequest;
use crate::provider::PageToken;

/// Calendars in one page: Google's maximum.
const CALENDARS_PER_PAGE: u32 = 250;

/// One page of the user's calendar list, without calendars that the user has hidden.
pub(super) fn list_calendars(
    settings: &GoogleSettings,
    context: &CallContext,
    page: Option<&PageToken>,
) -> HttpRequest {
    let mut url = endpoint(settings, &["users", "me", "calendarList"]);
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("maxResults", &CALENDARS_PER_PAGE.to_string());
        if let Some(page) = page {
            query.append_pair("pageToken", page.as_str());
        }
    }
    authorized(HttpRequest::get(LIST_CALENDARS, url), context)
}

/// The user's own calendar, by the word that Google takes for its id; of the answer, the id only.
pub(super) fn primary_calendar(settings: &GoogleSettings, context: &CallContext) -> HttpRequest {
    let mut url = endpoint(settings, &["users", "me", "calendarList", "primary"]);
    url.query_pairs_mut().append_pair("fields", "id");
    authorized(HttpRequest::get(GET_CALENDAR, url), context)
}

/// One page of events: masters and exceptions.
///
/// Google wants the same parameters in a full and in an incremental pass. `showDeleted` is therefore left out in both:
/// `false` is refused beside a sync token, and without it a full pass still brings the cancelled occurrences of living
/// series (and no other tombstones), an incremental one every deletion. Of each event we ask for what we read: extended
/// properties and the like can be most of it.
pub(super) fn list_events(
    settings: &GoogleSettings,
    context: &CallContext,
    calendar: &ProviderCalendarId,
    cursor: &GoogleCursor,
    page_events_max: u32,
) -> HttpRequest {
    let mut url = endpoint(settings, &["calendars", calendar.as_str(), "events"]);
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("maxResults", &page_events_max.to_string());
        query.append_pair("singleEvents", "false");
        query.append_pair("prettyPrint", "false");
        query.append_pair("fields", &format!("accessRole,nextPageToken,nextSyncToken,items({EVENT_FIELDS})"));
        if let Some(sync_token) = &cursor.sync_token {
            query.append_pair("syncToken", sync_token);
        }
        if let Some(page_token) = &cursor.page_token {
            query.append_pair("pageToken", page_token);
        }
    }
    authorized(HttpRequest::get(LIST_EVENTS, url), context)
}

/// Opens a channel on a calendar's events. An expiry is always asked for.
pub(super) fn watch_events(
    settings: &GoogleSettings,
    context: &CallContext,
    calendar: &ProviderCalendarId,
    request: &ChannelRequest,
) -> HttpRequest {
    let url = endpoint(settings, &["calendars", calendar.as_str(), "events", "watch"]);
    authorized(HttpRequest::post(WATCH_EVENTS, url, Body::Json(wanted_channel(request))), context)
}

/// Opens a channel on the user's list of calendars
/// (<https://developers.google.com/workspace/calendar/api/v3/reference/calendarList/watch>).
pub(super) fn watch_calendars(
    settings: &GoogleSettings,
    context: &CallContext,
    request: &ChannelRequest,
) -> HttpRequest {
    let url = endpoint(settings, &["users", "me", "calendarList", "watch"]);
    authorized(HttpRequest::post(WATCH_CALENDARS, url, Body::Json(wanted_channel(request))), context)
}

fn wanted_channel(request: &ChannelRequest) -> serde_json::Value {
    json!({
        "id": request.id.to_string(),
        "type": "web_hook",
        "address": request.address.as_str(),
        "token": request.token.expose(),
        // The discovery document types it as a string that holds Unix milliseconds.
        "expiration": request.expires_at.timestamp_millis().to_string(),
    })
}

/// Closes a channel.
pub(super) fn stop_channel(
    settings: &GoogleSettings,
    context: &CallContext,
    id: ChannelId,
    resource_id: &str,
) -> HttpRequest {
    let body = json!({ "id": id.to_string(), "resourceId": resource_id });
    let url = endpoint(settings, &["channels", "stop"]);
    authorized(HttpRequest::post(STOP_CHANNEL, url, Body::Json(body)), context)
}

/// The URL of a method; each segment is percent-encoded.
fn endpoint(settings: &GoogleSettings, segments: &[&str]) -> Url {
    let mut url = settings.api_base.clone();
    // Only a URL without a host (`mailto:`) has no path; the client refuses to send to such a one.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

fn authorized(mut request: HttpRequest, context: &CallContext) -> HttpRequest {
    match &context.access {
        Access::Bearer(token) => request.bearer = Some(token.clone()),
    }
    request
}
