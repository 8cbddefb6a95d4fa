//! The requests of Microsoft Graph as values (<https://learn.microsoft.com/graph/api/resources/calendar>).

use chrono::{DateTime, SecondsFormat, Utc};
use evercal_domain::{ProviderEventId, RemoteChannelId};
use evercal_http::{Body, HttpRequest, Method};
use evercal_recurrence::Window;
use serde_json::json;
use url::Url;

use super::calls::{
    CREATE_SUBSCRIPTION, DELETE_SUBSCRIPTION, DELTA, GET_CALENDAR, GET_EVENT, INSTANCES, LIST_CALENDARS, LIST_EVENTS,
    LIST_SUBSCRIPTIONS, UPDATE_SUBSCRIPTION,
};
use super::event::EVENT_FIELDS;
use super::settings::GraphSettings;
use crate::call::RemoteCalendarRef;
use crate::call::{Access, CallContext};
use crate::channels::ChannelRequest;

/// Calendars in one page.
const CALENDARS_PER_PAGE: u32 = 100;
/// Instances in one page: most series have fewer in the window, and then it takes one request. Without it there are 10.
pub(super) const INSTANCES_PER_PAGE: u32 = 500;
/// Where such a page was too large for us.
pub(super) const INSTANCES_PER_PAGE_MIN: u32 = 50;
/// Which changes are announced.
pub(super) const CHANGE_TYPES: &str = "created,updated,deleted";
/// The part of an address for notices that says for which channel it was made, in the query.
pub(super) const CHANNEL_IN_ADDRESS: &str = "channel";
/// Below the address for notices, that for the life of the channel itself.
const LIFECYCLE: &str = "lifecycle";

/// How answers are asked for, on every request: times in UTC, bodies as text, and ids that stay when an event is moved
/// (<https://learn.microsoft.com/graph/outlook-immutable-id>).
const PREFERENCES: &str = r#"outlook.timezone="UTC", outlook.body-content-type="text", IdType="ImmutableId""#;
const PREFER: &str = "Prefer";

/// One page of the user's calendars.
pub(super) fn list_calendars(settings: &GraphSettings, context: &CallContext) -> HttpRequest {
    let mut url = endpoint(settings, &["me", "calendars"]);
    url.query_pairs_mut()
        .append_pair("$top", &CALENDARS_PER_PAGE.to_string())
        .append_pair("$select", "id,name,isDefaultCalendar,canEdit,canShare,canViewPrivateItems,owner");
    get(LIST_CALENDARS, url, context)
}

/// The user's default calendar; of the answer, the id only.
pub(super) fn default_calendar(settings: &GraphSettings, context: &CallContext) -> HttpRequest {
    let mut url = endpoint(settings, &["me", "calendar"]);
    url.query_pairs_mut().append_pair("$select", "id");
    get(GET_CALENDAR, url, context)
}

/// As little of a calendar as possible.
pub(super) fn probe(settings: &GraphSettings, context: &CallContext, calendar: RemoteCalendarRef<'_>) -> HttpRequest {
    let mut url = endpoint(settings, &["me", "calendars", calendar.id.as_str(), "events"]);
    url.query_pairs_mut().append_pair("$top", "1").append_pair("$select", "id");
    get(LIST_EVENTS, url, context)
}

/// The first page of a round over everything in a window. No `$select` and no `$filter`: a delta query of events takes none
/// (<https://learn.microsoft.com/graph/api/event-delta>).
pub(super) fn first_page(
    settings: &GraphSettings,
    context: &CallContext,
    calendar: RemoteCalendarRef<'_>,
    window: &Window,
    page_events_max: u32,
) -> HttpRequest {
    let mut url = if calendar.is_primary {
        endpoint(settings, &["me", "calendarView", "delta"])
    } else {
        endpoint(settings, &["me", "calendars", calendar.id.as_str(), "calendarView", "delta"])
    };
    in_window(&mut url, window);
    page_at(url, context, page_events_max)
}

/// The page at a link of the delta query. Nothing is added to the link, which has the window and the options in it; the
/// preferences are no part of it.
pub(super) fn page_at(link: Url, context: &CallContext, page_events_max: u32) -> HttpRequest {
    let mut request = get(DELTA, link, context);
    request.headers = vec![(PREFER, format!("odata.maxpagesize={page_events_max}, {PREFERENCES}"))];
    request
}

/// One event with all that we read of it, through its calendar: events of other people's calendars are found in no other way.
pub(super) fn event(
    settings: &GraphSettings,
    context: &CallContext,
    calendar: RemoteCalendarRef<'_>,
    id: &ProviderEventId,
) -> HttpRequest {
    let mut url = event_address(settings, calendar, id, &[]);
    // The cancelled occurrences of a series come only where they are named.
    url.query_pairs_mut().append_pair("$select", &format!("{EVENT_FIELDS},cancelledOccurrences"));
    get(GET_EVENT, url, context)
}

/// The cancelled occurrences of a series, and nothing else of it.
pub(super) fn cancelled_occurrences(
    settings: &GraphSettings,
    context: &CallContext,
    calendar: RemoteCalendarRef<'_>,
    id: &ProviderEventId,
) -> HttpRequest {
    let mut url = event_address(settings, calendar, id, &[]);
    url.query_pairs_mut()
        .append_pair("$select", "id,isAllDay,start,originalStartTimeZone,recurrence,cancelledOccurrences");
    get(GET_EVENT, url, context)
}

/// The instances of a series inside a window.
pub(super) fn instances(
    settings: &GraphSettings,
    context: &CallContext,
    calendar: RemoteCalendarRef<'_>,
    id: &ProviderEventId,
    window: &Window,
    per_page: u32,
) -> HttpRequest {
    let mut url = event_address(settings, calendar, id, &["instances"]);
    in_window(&mut url, window);
    url.query_pairs_mut().append_pair("$top", &per_page.to_string()).append_pair("$select", EVENT_FIELDS);
    get(INSTANCES, url, context)
}

/// What a subscription is asked for on: the default calendar by the documented path, any other by its own.
pub(super) fn resource(calendar: RemoteCalendarRef<'_>) -> String {
    if calendar.is_primary { "me/events".to_owned() } else { format!("me/calendars/{}/events", calendar.id.as_str()) }
}

/// Creates a subscription (<https://learn.microsoft.com/graph/api/subscription-post-subscriptions>). The address for the life of
/// the channel can only be given here.
pub(super) fn create_subscription(
    settings: &GraphSettings,
    context: &CallContext,
    calendar: RemoteCalendarRef<'_>,
    wanted: &ChannelRequest,
    expires_at: DateTime<Utc>,
) -> HttpRequest {
    let for_channel = |mut address: Url| {
        address.query_pairs_mut().append_pair(CHANNEL_IN_ADDRESS, &wanted.id.to_string());
        address
    };
    let mut lifecycle = wanted.address.clone();
    if let Ok(mut path) = lifecycle.path_segments_mut() {
        path.pop_if_empty().push(LIFECYCLE);
    }
    let body = json!({
        "changeType": CHANGE_TYPES,
        "notificationUrl": for_channel(wanted.address.clone()).as_str(),
        "lifecycleNotificationUrl": for_channel(lifecycle).as_str(),
        "resource": resource(calendar),
        "expirationDateTime": instant(expires_at),
        "clientState": wanted.token.expose(),
        "includeResourceData": false,
    });
    let url = endpoint(settings, &["subscriptions"]);
    with_preferences(authorized(HttpRequest::post(CREATE_SUBSCRIPTION, url, Body::Json(body)), context))
}

/// Puts off the end of a subscription, which also says again that we may have it.
pub(super) fn extend_subscription(
    settings: &GraphSettings,
    context: &CallContext,
    id: &RemoteChannelId,
    until: DateTime<Utc>,
) -> HttpRequest {
    let body = Body::Json(json!({"expirationDateTime": instant(until)}));
    let url = endpoint(settings, &["subscriptions", id.as_str()]);
    let request = HttpRequest { method: Method::PATCH, ..HttpRequest::post(UPDATE_SUBSCRIPTION, url, body) };
    with_preferences(authorized(request, context))
}

/// Ends a subscription.
pub(super) fn delete_subscription(
    settings: &GraphSettings,
    context: &CallContext,
    id: &RemoteChannelId,
) -> HttpRequest {
    let url = endpoint(settings, &["subscriptions", id.as_str()]);
    HttpRequest { method: Method::DELETE, ..get(DELETE_SUBSCRIPTION, url, context) }
}

/// The first page of the subscriptions that this application has for the user.
pub(super) fn list_subscriptions(settings: &GraphSettings, context: &CallContext) -> HttpRequest {
    get(LIST_SUBSCRIPTIONS, endpoint(settings, &["subscriptions"]), context)
}

/// A request for an address of the API's own.
pub(super) fn get(call: &'static str, url: Url, context: &CallContext) -> HttpRequest {
    with_preferences(authorized(HttpRequest::get(call, url), context))
}

/// A request that carries the account's token.
pub(super) fn authorized(mut request: HttpRequest, context: &CallContext) -> HttpRequest {
    match &context.access {
        Access::Bearer(token) => request.bearer = Some(token.clone()),
    }
    request
}

/// The address of something of the API; each segment is percent-encoded.
pub(super) fn endpoint(settings: &GraphSettings, segments: &[&str]) -> Url {
    let mut url = settings.api_base.clone();
    // Only a URL without a host (`mailto:`) has no path; the client refuses to send to such a one.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// How Microsoft writes an instant.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn event_address(
    settings: &GraphSettings,
    calendar: RemoteCalendarRef<'_>,
    id: &ProviderEventId,
    below: &[&str],
) -> Url {
    let segments = ["me", "calendars", calendar.id.as_str(), "events", id.as_str()];
    endpoint(settings, &[&segments, below].concat())
}

fn in_window(url: &mut Url, window: &Window) {
    url.query_pairs_mut()
        .append_pair("startDateTime", &instant(window.start))
        .append_pair("endDateTime", &instant(window.end));
}

fn with_preferences(mut request: HttpRequest) -> HttpRequest {
    request.headers.push((PREFER, PREFERENCES.to_owned()));
    request
}
