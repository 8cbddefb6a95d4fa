//! `/v1/calendars`: mirrored calendars of the caller's tenant, their state, and syncs that somebody asks for.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use evercal_domain::event::EventWarning;
use evercal_domain::{Calendar, CalendarState};
use evercal_mirror::{StoredBody, StoredRow};
use evercal_storage::SyncRun;
use evercal_workflows::names;
use serde::Serialize;
use utoipa::ToSchema;

use super::accounts::{Paging, workflow_state};
use crate::bodies::{CalendarBody, CalendarListBody, CalendarStateBody};
use crate::caller::{Caller, Reader, Writer};
use crate::cursor::Listing;
use crate::extract::id;
use crate::openapi::{Failed, ListRefusals, MissingCalendar, NotModified, NotSignalled, NotSynced, Refusals};
use crate::parameters::ApiQuery;
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;
use crate::sync_now::SyncRequestOutcome;
use crate::vocabulary::{SyncOutcomeName, SyncReasonName, SyncState, SyncStateName, WorkflowState, WorkflowStateName};

/// Quarantined events that a status shows, newest first, and events with warnings.
const EVENTS_SHOWN_MAX: u32 = 20;
/// Lines of the sync log that a status shows, newest first.
const SYNC_RUNS_SHOWN_MAX: u32 = 10;

/// The mirrored calendars.
#[utoipa::path(
    get, operation_id = "list_calendars", path = "/v1/calendars", tag = "calendars", params(Paging), security(("api_key" = [])),
    responses((status = 200, description = "A page of calendars, oldest first.", body = CalendarListBody), NotModified, ListRefusals)
)]
pub(super) async fn list(
    Reader(caller): Reader,
    State(state): State<AppState>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Json<CalendarListBody>, Problem> {
    let listing = Listing::of(&["calendars"]);
    let (page, _) = listing.page(paging.cursor.as_deref(), paging.limit)?;
    let calendars = state.store.calendars_of_tenant(caller.tenant_id, &page).await?;
    Ok(Json(CalendarListBody::of(listing.with_cursor(calendars, ""))))
}

/// One calendar.
#[utoipa::path(
    get, operation_id = "get_calendar", path = "/v1/calendars/{id}", tag = "calendars", security(("api_key" = [])),
    params(("id" = String, Path, description = "The calendar's id.")),
    responses((status = 200, description = "The calendar.", body = CalendarBody), NotModified, MissingCalendar, Refusals)
)]
pub(super) async fn one(
    Reader(caller): Reader,
    State(state): State<AppState>,
    Path(calendar): Path<String>,
) -> Result<Json<CalendarBody>, Problem> {
    Ok(Json(calendar_of(&state, caller, &calendar).await?.into()))
}

/// A calendar's state in full.
#[derive(Serialize, ToSchema)]
#[schema(as = CalendarStatus)]
pub(super) struct StatusBody {
    /// The calendar's id.
    id: String,
    /// The account through which it is read.
    account_id: String,
    #[serde(flatten)]
    state: CalendarStateBody,
    /// The version of the time zone data by which its series stand, as in `2026f`; null before the first sync.
    zone_data: Option<String>,
    /// Events that could not be read, newest first.
    quarantined: Vec<QuarantinedBody>,
    /// Whether there are more of them than shown.
    more_quarantined: bool,
    /// Events of which something could not be taken as the provider sent it.
    warnings: Vec<WarnedBody>,
    /// Whether there are more of them than shown.
    more_warnings: bool,
    /// The newest lines of the sync log, newest first.
    recent_syncs: Vec<SyncRunBody>,
    /// Where its life can be read in the Temporal UI.
    workflow: WorkflowBody,
}

/// An event of which something could not be taken as the provider sent it.
#[derive(Serialize, ToSchema)]
#[schema(as = EventWithWarnings)]
pub(super) struct WarnedBody {
    /// The event's id at the provider.
    event_id: String,
    /// What could not be taken, in sentences.
    warnings: Vec<&'static str>,
}

impl WarnedBody {
    fn of(item: StoredRow) -> Option<Self> {
        let StoredBody::Event(event) = item.body else { return None };
        let warnings = event.warnings.into_iter().map(EventWarning::sentence).collect();
        Some(Self { event_id: item.provider_id.as_str().to_owned(), warnings })
    }
}

/// An event that could not be read. What was known of it before is shown until it can be read again.
#[derive(Serialize, ToSchema)]
#[schema(as = QuarantinedEvent)]
pub(super) struct QuarantinedBody {
    /// The provider's id of it; null where even that could not be read.
    event_id: Option<String>,
    /// What is wrong with it.
    reason: String,
    /// When it was first seen so.
    since: DateTime<Utc>,
}

/// A line of the sync log: why, how it ended, and what was special about it, such as a sync token that had expired.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncRun)]
pub(super) struct SyncRunBody {
    /// Why it ran.
    reason: SyncReasonName,
    /// How it ended.
    outcome: SyncOutcomeName,
    /// What was special about it, or what kind of failure ended it; null where there is nothing to say.
    detail: Option<String>,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended.
    finished_at: DateTime<Utc>,
    /// Pages of the provider that it read.
    pages: i64,
    /// Changes that it found.
    changes: i64,
}

impl From<SyncRun> for SyncRunBody {
    fn from(run: SyncRun) -> Self {
        Self {
            reason: SyncReasonName(run.reason),
            outcome: SyncOutcomeName(run.outcome),
            detail: run.detail,
            started_at: run.started_at,
            finished_at: run.finished_at,
            pages: run.pages,
            changes: run.changes,
        }
    }
}

/// Where the calendar's life can be read in the Temporal UI.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowLink)]
pub(super) struct WorkflowBody {
    /// Its namespace in Temporal.
    namespace: String,
    /// Its workflow id.
    id: String,
    /// Whether it runs.
    state: WorkflowStateName,
    /// Goes behind the UI's own address.
    ui_path: String,
}

/// A calendar's state in full: its channel, its last syncs, what could not be read, and where its history is.
#[utoipa::path(
    get, operation_id = "get_calendar_status", path = "/v1/calendars/{id}/status", tag = "calendars", security(("api_key" = [])),
    params(("id" = String, Path, description = "The calendar's id.")),
    responses((status = 200, description = "The state.", body = StatusBody), NotModified, MissingCalendar, Refusals)
)]
pub(super) async fn status(
    Reader(caller): Reader,
    State(state): State<AppState>,
    Path(calendar): Path<String>,
) -> Result<Json<StatusBody>, Problem> {
    let calendar = calendar_of(&state, caller, &calendar).await?;
    let recent_syncs = state.store.sync_runs(calendar.id, SYNC_RUNS_SHOWN_MAX).await?;
    let zone_data = state.store.sync_position(calendar.id).await?.zone_data.map(|version| version.to_string());
    let mut warned = state.store.warned(calendar.id, EVENTS_SHOWN_MAX + 1).await?;
    let more_warnings = shorten(&mut warned);
    let mut quarantined = state.store.quarantined(calendar.id, EVENTS_SHOWN_MAX + 1).await?;
    let more_quarantined = shorten(&mut quarantined);
    let quarantined = quarantined.into_iter().map(|event| QuarantinedBody {
        event_id: event.provider_id.map(|id| id.as_str().to_owned()),
        reason: event.reason,
        since: event.at,
    });
    let runs = match calendar.state {
        CalendarState::Closed => WorkflowState::Ended,
        _ => workflow_state(&state, &names::subscription_id(calendar.id)).await,
    };
    Ok(Json(StatusBody {
        id: calendar.id.to_string(),
        account_id: calendar.account_id.to_string(),
        state: CalendarStateBody::from(&calendar),
        zone_data,
        quarantined: quarantined.collect(),
        more_quarantined,
        warnings: warned.into_iter().filter_map(WarnedBody::of).collect(),
        more_warnings,
        recent_syncs: recent_syncs.into_iter().map(SyncRunBody::from).collect(),
        workflow: workflow(&state.config.temporal_namespace, &calendar, runs),
    }))
}

/// Shortens a list to what a status shows; answers whether something is left out.
fn shorten<T>(events: &mut Vec<T>) -> bool {
    let shown_max = EVENTS_SHOWN_MAX as usize;
    let is_long = events.len() > shown_max;
    events.truncate(shown_max);
    is_long
}

fn workflow(namespace: &str, calendar: &Calendar, state: WorkflowState) -> WorkflowBody {
    let id = names::subscription_id(calendar.id);
    let ui_path = format!("/namespaces/{namespace}/workflows/{}", id.replace('/', "%2F"));
    WorkflowBody { namespace: namespace.to_owned(), id, state: WorkflowStateName(state), ui_path }
}

/// How a sync that was asked for went.
#[derive(Serialize, ToSchema)]
#[schema(as = CalendarSync)]
pub(super) struct SyncBody {
    /// The calendar's id.
    calendar_id: String,
    /// Whether it has ended.
    state: SyncStateName,
    /// The changes that it found; null while it is under way.
    changes: Option<i64>,
    /// When the mirror was last known to be complete; null before the first full read has ended.
    confirmed_at: Option<DateTime<Utc>>,
}

/// Syncs a calendar now. Waits up to 30 s for a sync that began after the request.
#[utoipa::path(
    post, operation_id = "sync_calendar", path = "/v1/calendars/{id}/sync", tag = "calendars", security(("api_key" = [])),
    params(("id" = String, Path, description = "The calendar's id.")),
    responses(
        (status = 200, description = "The sync has ended.", body = SyncBody),
        (status = 202, description = "It goes on; `Location` names where to look.", body = SyncBody,
            headers(("Location" = String, description = "The calendar's status."))),
        MissingCalendar, NotSynced, Refusals, NotSignalled, Failed
    )
)]
pub(super) async fn sync(
    Writer(caller): Writer,
    State(state): State<AppState>,
    Path(calendar): Path<String>,
) -> Result<Response, Problem> {
    let calendar = calendar_of(&state, caller, &calendar).await?;
    if calendar.state == CalendarState::Closed {
        return Err(Problem::of(ProblemKind::CalendarClosed));
    }
    let id = calendar.id;
    match state.sync_now.request(caller.tenant_id, id).await? {
        SyncRequestOutcome::Done { changes } => {
            let confirmed_at = state.store.calendar(id).await?.and_then(|calendar| calendar.confirmed_at);
            let body = SyncBody {
                calendar_id: id.to_string(),
                state: SyncStateName(SyncState::Done),
                changes: Some(changes),
                confirmed_at,
            };
            Ok(Json(body).into_response())
        }
        SyncRequestOutcome::InProgress => {
            let confirmed_at = calendar.confirmed_at;
            let body = SyncBody {
                calendar_id: id.to_string(),
                state: SyncStateName(SyncState::Underway),
                changes: None,
                confirmed_at,
            };
            let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
            if let Ok(status) = HeaderValue::from_str(&format!("/v1/calendars/{id}/status")) {
                response.headers_mut().insert(header::LOCATION, status);
            }
            Ok(response)
        }
        SyncRequestOutcome::Rejected(reason) => {
            tracing::info!(calendar_id = %id, reason, "a subscription does not sync now");
            // Read after the refusal: the state that led to it is there, or the next one.
            let state = state.store.calendar(id).await?.map_or(CalendarState::Closed, |calendar| calendar.state);
            Err(Problem::of(not_synced(state)))
        }
        SyncRequestOutcome::Failed(failure) => {
            let detail = format!("The sync failed ({failure}); the subscription tries again by itself.");
            Err(Problem::new(ProblemKind::SyncFailed, detail))
        }
    }
}

/// Why a calendar in this state does not sync.
fn not_synced(state: CalendarState) -> ProblemKind {
    match state {
        CalendarState::Paused => ProblemKind::CalendarPaused,
        CalendarState::NeedsReauth => ProblemKind::CalendarNeedsReauth,
        CalendarState::ActionRequired => ProblemKind::CalendarActionRequired,
        CalendarState::Closed => ProblemKind::CalendarClosed,
        CalendarState::Creating
        | CalendarState::Live
        | CalendarState::Renewing
        | CalendarState::Polling
        | CalendarState::PollOnly => ProblemKind::SyncRefused,
    }
}

/// The caller's calendar of this id.
pub(super) async fn calendar_of(state: &AppState, caller: Caller, calendar: &str) -> Result<Calendar, Problem> {
    let calendar = id(calendar, ProblemKind::CalendarNotFound)?;
    let calendar = state.reads.calendar(caller.tenant_id, calendar).await?;
    calendar.ok_or_else(|| Problem::of(ProblemKind::CalendarNotFound))
}
