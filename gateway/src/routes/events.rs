//! `GET /v1/calendars/{id}/events`: occurrences in a window, with how fresh they are; and each event whole.
//!
//! What a page holds is known by a number, the revision of its window, so an answer is tagged, and a caller learns that nothing
//! changed, before any row is read. How fresh it is goes in headers, since it changes without the content.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Duration, NaiveTime, SecondsFormat, TimeZone, Utc};
use evercal_domain::limits::READ_WINDOW_DAYS_MAX;
use evercal_domain::{Calendar, CalendarId, ProviderEventId, TenantId, Via, Zone, zones};
use evercal_storage::{OccurrenceRange, PageRequest, SeriesRows};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::calendars::calendar_of;
use crate::answers::UntilSent;
use crate::bodies::{EventBody, OccurrenceBody};
use crate::caller::Reader;
use crate::conditional::Tag;
use crate::cursor::Listing;
use crate::event_pages::EventPage;
use crate::extract::id;
use crate::occurrences;
use crate::openapi::{Changed, ListRefusals, MissingCalendar, MissingEvent, NotModified, Refusals};
use crate::parameters::{ApiQuery, FromQuery, Invalid, QueryReader};
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;
use crate::vocabulary::{CalendarStateName, Include, IncludeName, ViaName};

/// When the mirror was last known to be complete; not there before that.
pub(crate) const CONFIRMED_AT: HeaderName = HeaderName::from_static("evercal-confirmed-at");
pub(crate) const VIA: HeaderName = HeaderName::from_static("evercal-via");
pub(crate) const STATE: HeaderName = HeaderName::from_static("evercal-state");
/// How long a window that was read counts as it is now.
const WINDOW_FRESH_FOR: std::time::Duration = std::time::Duration::from_millis(100);
/// Times that a page is read while somebody writes in its window. What is written every few milliseconds is not waited for.
const READS_MAX: u32 = 3;
/// What answers look like: with another version of them, no old tag is known any more.
static FORM: LazyLock<[u8; 32]> = LazyLock::new(|| Sha256::digest(super::description().to_string()).into());

/// Which occurrences.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// The first moment (RFC 3339, with an offset).
    #[param(example = "2026-11-23T00:00:00Z")]
    from: DateTime<Utc>,
    /// The moment before which they begin; at most 400 days after `from`.
    #[param(example = "2026-11-30T00:00:00Z")]
    to: DateTime<Utc>,
    /// The `next_cursor` of the page before, with the same `from` and `to`.
    cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 100, required = false)]
    limit: u32,
    /// With `true`, all pages are of the state that the first one had, or the answer is 409 `list-changed`. Without it, an
    /// occurrence that moves while pages are read may come twice, or not at all; `revision` then differs between pages.
    #[param(default = false, required = false)]
    consistent: bool,
}

impl FromQuery for EventsQuery {
    fn read(query: &mut QueryReader) -> Result<Self, Invalid> {
        let (from, to) = (query.instant("from"), query.instant("to"));
        let (cursor, limit, consistent) = (query.text("cursor"), query.limit(), query.flag("consistent"));
        Ok(Self { from: from?, to: to?, cursor: cursor?, limit: limit?, consistent: consistent? })
    }
}

/// Occurrences by start, and when we last knew them to be complete.
#[derive(Serialize, ToSchema)]
#[schema(as = EventList)]
pub(super) struct EventsBody {
    #[serde(flatten)]
    freshness: FreshnessBody,
    /// The occurrences of this page.
    items: Vec<OccurrenceBody>,
    /// Hand it back as `cursor` for the next page, with the same query; null on the last page.
    next_cursor: Option<String>,
}

/// What holds for all rows of a page.
#[derive(Serialize, ToSchema)]
#[schema(as = ListFreshness)]
pub(super) struct FreshnessBody {
    /// The calendar's id.
    calendar_id: String,
    /// The state of the mirror inside the window: the same on all pages of a list that did not change meanwhile, and another,
    /// larger number after a change in the window.
    revision: i64,
    /// The mirror is known to be complete as of this moment: what the provider had then is in it. Null before the first full
    /// read has ended.
    confirmed_at: Option<DateTime<Utc>>,
    /// What led to the sync that confirmed it; null before `confirmed_at`.
    via: Option<ViaName>,
    /// Where the calendar's subscription is. While nothing can be read (`needs_reauth`, `action_required`), the mirror is as
    /// old as `confirmed_at` says.
    state: CalendarStateName,
    /// From here on nothing is missing: `from`, unless a series could not be expanded that far back.
    complete_from: DateTime<Utc>,
    /// Until here nothing is missing: `to`, unless a series could not be expanded that far ahead.
    complete_until: DateTime<Utc>,
}

/// Events in a window, series as single occurrences, by start; all-day ones by the calendar's own dates. A page has at most
/// 4 MiB, so that it may end before `limit`, and of each description the first 64 KiB. The `ETag` changes when something in
/// the window does, not when the mirror is confirmed again; headers say how fresh it is, also with 304.
#[utoipa::path(
    get, operation_id = "list_events", path = "/v1/calendars/{id}/events", tag = "calendars", security(("api_key" = [])),
    params(("id" = String, Path, description = "The calendar's id."), EventsQuery),
    responses(
        (status = 200, description = "A page of occurrences.", body = EventsBody),
        NotModified, MissingCalendar, Changed, ListRefusals
    )
)]
pub(super) async fn list(
    Reader(caller): Reader,
    State(state): State<AppState>,
    Path(calendar): Path<String>,
    ApiQuery(query): ApiQuery<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Before the occurrences: what they hold is at least as fresh as what we say.
    let id = id(&calendar, ProblemKind::CalendarNotFound)?;
    let window = Window::read(&state, caller.tenant_id, id, (query.from, query.to)).await?;
    let listing = window.listing();
    let (page, at_first_page) = listing.page(query.cursor.as_deref(), query.limit)?;
    let expected = if query.consistent { at_first_page.as_deref() } else { None };
    window.expect(expected)?;
    let tag = window.tag(&page);
    if tag.is_known(&headers) {
        return Ok(window.with_freshness(tag.not_modified(().into_response())));
    }
    let read_at = Instant::now();
    let mut memory = state.answers.reserve(caller.tenant_id).await?;
    let window = if read_at.elapsed() < WINDOW_FRESH_FOR {
        window
    } else {
        // While this waited for memory, the account may have come to see less: what it saw then is not answered from here.
        Window::read(&state, caller.tenant_id, id, window.asked).await?
    };
    window.expect(expected)?;
    let (rows, window) = match state.event_pages.get(&window.tag(&page)) {
        Some(rows) => (rows, window),
        None => read_page(&state, window, &page, expected).await?,
    };
    let list_state = at_first_page.unwrap_or_else(|| window.state());
    let tag = window.tag(&page);
    let (confirmed_at, via) = window.confirmed();
    let freshness = FreshnessBody {
        calendar_id: window.calendar.id.to_string(),
        revision: window.revision,
        confirmed_at,
        via: via.map(ViaName),
        state: CalendarStateName(window.calendar.state),
        complete_from: rows.complete_from,
        complete_until: rows.complete_until,
    };
    let next = rows.next.clone().map(|position| listing.cursor(position, &list_state));
    let body = rows.body(&freshness, next.as_deref())?;
    memory.shrink_to(body.len());
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    UntilSent::keep(response.extensions_mut(), memory);
    Ok(window.with_freshness(tag.put_on(response)))
}

/// What of an event.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// `raw` adds the event in the provider's own text. Needs a key with the scope `raw`.
    include: Option<IncludeName>,
}

impl FromQuery for EventQuery {
    fn read(query: &mut QueryReader) -> Result<Self, Invalid> {
        Ok(Self { include: query.one_of("include", &Include::ALL)?.map(IncludeName) })
    }
}

/// One event, whole: a single one, the master of a series, or an exception of one.
#[utoipa::path(
    get, operation_id = "get_event", path = "/v1/calendars/{id}/events/{event}", tag = "calendars", security(("api_key" = [])),
    params(
        ("id" = String, Path, description = "The calendar's id."),
        ("event" = String, Path, description = "The event's id, as lists have it in `event_id`."),
        EventQuery
    ),
    responses((status = 200, description = "The event.", body = EventBody), NotModified, MissingEvent, Refusals)
)]
pub(super) async fn one(
    Reader(caller): Reader,
    State(state): State<AppState>,
    Path((calendar, event)): Path<(String, String)>,
    ApiQuery(query): ApiQuery<EventQuery>,
) -> Result<Json<EventBody>, Problem> {
    let includes_raw = matches!(query.include, Some(IncludeName(Include::Raw)));
    if includes_raw {
        caller.require_raw()?;
    }
    let (calendar, id) = (calendar_of(&state, caller, &calendar).await?, ProviderEventId::new(event));
    let event = state.store.event(calendar.id, &id).await?.ok_or_else(|| Problem::of(ProblemKind::EventNotFound))?;
    let raw = if includes_raw { state.store.event_raw(calendar.id, &id).await? } else { None };
    Ok(Json(EventBody::from(event).with_raw(raw)))
}

/// Reads and writes the rows of a page, with the state of the mirror that they belong to. While somebody writes in the window
/// again and again, it is the one before them: a tag then stands for less than there is, never for more. What is surely of that
/// state is kept for whoever asks next.
async fn read_page(
    state: &AppState,
    mut window: Window,
    page: &PageRequest,
    expected: Option<&str>,
) -> Result<(Arc<EventPage>, Window), Problem> {
    let mut reads = 0;
    loop {
        let answer = occurrences::read(&*state.store, &window.calendar, &window.range, page).await?;
        let Calendar { tenant_id, id, .. } = window.calendar;
        let after = Window::read(state, tenant_id, id, window.asked).await?;
        after.expect(expected)?;
        reads += 1;
        let is_unchanged = after.state() == window.state();
        if is_unchanged || reads >= READS_MAX {
            let rows = Arc::new(EventPage::written(answer)?);
            if is_unchanged {
                state.event_pages.keep(window.tag(page), Arc::clone(&rows));
            }
            return Ok((rows, window));
        }
        window = after;
    }
}

/// A calendar, the part of it that is asked for, and what changed it last.
struct Window {
    calendar: Calendar,
    /// `from` and `to` of the query.
    asked: (DateTime<Utc>, DateTime<Utc>),
    range: OccurrenceRange,
    revision: i64,
}

impl Window {
    /// The window as it is now.
    async fn read(
        state: &AppState,
        tenant: TenantId,
        calendar: CalendarId,
        asked: (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Self, Problem> {
        let calendar = state.reads.calendar(tenant, calendar).await?;
        let calendar = calendar.ok_or_else(|| Problem::of(ProblemKind::CalendarNotFound))?;
        let range = range(&calendar, asked.0, asked.1)?;
        let revision = state.reads.revision(calendar.id, range).await?;
        Ok(Self { calendar, asked, range, revision })
    }

    fn listing(&self) -> Listing {
        let (from, to) = (self.range.from.to_rfc3339(), self.range.to.to_rfc3339());
        Listing::of(&["events", &self.calendar.id.to_string(), &from, &to])
    }

    /// All that the rows of this window come from.
    fn state(&self) -> String {
        let Self { calendar, range: OccurrenceRange { from_date, to_date, .. }, revision, .. } = self;
        let zone = calendar.remote.time_zone.as_deref().unwrap_or_default();
        // Clocks make times of wall-clock times, also where nothing is written.
        let clocks = zones::version();
        let (role, is_served) = (calendar.remote.access_role.as_str(), calendar.state.serves_events());
        // Outside of what is stored of series, these are expanded at the read, as far as that can be.
        let is_stored = occurrences::is_stored(&self.range, calendar);
        let window_end = calendar.window_end.filter(|_| !is_stored).map(|end| end.timestamp_micros());
        format!("{revision} {from_date} {to_date} {zone} {clocks} {role} {is_served} {is_stored} {window_end:?}")
    }

    /// Fails when a list that must not change has changed.
    fn expect(&self, expected: Option<&str>) -> Result<(), Problem> {
        match expected {
            Some(expected) if expected != self.state() => Err(Problem::of(ProblemKind::ListChanged)),
            _ => Ok(()),
        }
    }

    fn tag(&self, page: &PageRequest) -> Tag {
        let OccurrenceRange { from, to, .. } = self.range;
        let state = self.state();
        let window = format!("{} {from} {to} {}", self.calendar.id, page.limit);
        let position = page.after.as_deref().unwrap_or_default();
        Tag::of(&[FORM.as_slice(), state.as_bytes(), window.as_bytes(), position.as_bytes()])
    }

    /// When the mirror was last known to be complete, and by what. Where nothing is served, nothing is known to be complete.
    fn confirmed(&self) -> (Option<DateTime<Utc>>, Option<Via>) {
        let is_served = self.calendar.state.serves_events();
        let confirmed_at = self.calendar.confirmed_at.filter(|_| is_served);
        (confirmed_at, self.calendar.confirmed_via.filter(|_| is_served))
    }

    /// How fresh the answer is, whether it is sent or the caller has it.
    fn with_freshness(&self, mut response: Response) -> Response {
        let (confirmed_at, via) = self.confirmed();
        let confirmed_at = confirmed_at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        let headers = response.headers_mut();
        if let Some(at) = confirmed_at.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(CONFIRMED_AT, at);
        }
        if let Some(via) = via {
            headers.insert(VIA, HeaderValue::from_static(via.as_str()));
        }
        headers.insert(STATE, HeaderValue::from_static(self.calendar.state.as_str()));
        response
    }
}

/// The window, and the dates that it touches in the calendar's zone: dates are not instants.
fn range(calendar: &Calendar, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<OccurrenceRange, Problem> {
    if from >= to {
        return Err(Problem::parameter("from", "`from` must be before `to`."));
    }
    if to - from > Duration::days(READ_WINDOW_DAYS_MAX) {
        let detail = format!("`to` may be at most {READ_WINDOW_DAYS_MAX} days after `from`.");
        return Err(Problem::parameter("to", detail));
    }
    let zone = calendar.remote.time_zone.as_deref().and_then(|name| name.parse::<Zone>().ok()).unwrap_or(Zone::UTC);
    let from_date = zone.from_utc_datetime(&from.naive_utc()).date_naive();
    let last = zone.from_utc_datetime(&to.naive_utc());
    let ends_at_midnight = last.time() == NaiveTime::MIN;
    let to_date = if ends_at_midnight { Some(last.date_naive()) } else { last.date_naive().succ_opt() };
    // The other way out of range is past the end of chrono's calendar, some 260,000 years ahead.
    let to_date = to_date.ok_or_else(|| Problem::parameter("to", "`to` is too far in the future."))?;
    Ok(OccurrenceRange { from, to, from_date, to_date, zone, series: SeriesRows::All })
}

#[cfg(test)]
mod tests;
