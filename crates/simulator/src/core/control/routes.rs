//! `/control/…`: the control API as JSON over HTTP, for tests in other processes and for people with curl.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{AddressChange, CalendarAccess, Consent, Control, ControlError, NewCalendar, NewUser, TokenRequest};
use crate::core::faults::FaultPlan;
use crate::core::notices::NoticePlan;
use crate::core::world::Shared;
use crate::google::changes::BulkChanges;
use crate::google::quirks::Quirks;
use crate::google::quota::QuotaLimits;

const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

type Answer = Result<Response, ControlError>;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/control/users", post(create_user))
        .route("/control/users/{user}/address", put(change_address))
        .route("/control/users/{user}/grants", delete(revoke_grants))
        .route("/control/users/{user}/consent", put(set_consent))
        .route("/control/users/{user}/calendar-list-tokens", delete(expire_list_tokens))
        .route("/control/calendars", post(create_calendar))
        .route("/control/calendars/{calendar}", delete(delete_calendar))
        .route("/control/calendars/{calendar}/watchable", put(set_watchable))
        .route("/control/calendars/{calendar}/sync-tokens", delete(expire_sync_tokens))
        .route("/control/calendars/{calendar}/page-tokens", delete(expire_page_tokens))
        .route("/control/calendars/{calendar}/history", delete(shorten_history))
        .route("/control/calendars/{calendar}/events", post(insert_event))
        .route("/control/calendars/{calendar}/raw-events", post(put_raw_event))
        .route("/control/calendars/{calendar}/events/{event}", axum::routing::patch(patch_event).delete(delete_event))
        .route("/control/access", put(set_access))
        .route("/control/changes", post(make_changes))
        .route("/control/state/{calendar}", get(truth))
        .route("/control/state/{calendar}/occurrences", get(occurrences))
        .route("/control/faults", get(faults).put(set_faults))
        .route("/control/notices", put(set_notice_plan))
        .route("/control/quirks", put(set_quirks))
        .route("/control/quota", put(set_quota))
        .route("/control/calls", get(calls).delete(reset_calls))
        .route("/control/channels", get(channels))
        .route("/control/deliveries", get(deliveries))
        .route("/control/clock", get(clock).put(set_clock))
        .route("/control/tokens", post(issue_tokens))
        .route("/control/access-tokens", delete(expire_access_tokens))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// A JSON body whatever the content type says, with the parser's words in the refusal.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ControlError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|error| ControlError::Invalid(error.to_string()))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| ControlError::Invalid(error.to_string()))
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Exists { .. } => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Refused { status, .. } => StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Journal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({"error": self.to_string()}))).into_response()
    }
}

fn control(shared: Arc<Shared>) -> Control {
    Control::new(shared)
}

fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

async fn create_user(State(shared): State<Arc<Shared>>, Body(user): Body<NewUser>) -> Answer {
    control(shared).create_user(&user)?;
    Ok(done())
}

async fn change_address(
    State(shared): State<Arc<Shared>>,
    Path(user): Path<String>,
    Body(change): Body<AddressChange>,
) -> Answer {
    control(shared).change_address(&user, &change)?;
    Ok(done())
}

async fn create_calendar(State(shared): State<Arc<Shared>>, Body(calendar): Body<NewCalendar>) -> Answer {
    let id = control(shared).create_calendar(&calendar)?;
    Ok(Json(json!({"id": id})).into_response())
}

async fn delete_calendar(State(shared): State<Arc<Shared>>, Path(calendar): Path<String>) -> Answer {
    control(shared).delete_calendar(&calendar)?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Watchable {
    watchable: bool,
}

async fn set_watchable(
    State(shared): State<Arc<Shared>>,
    Path(calendar): Path<String>,
    Body(body): Body<Watchable>,
) -> Answer {
    control(shared).set_watchable(&calendar, body.watchable)?;
    Ok(done())
}

async fn expire_sync_tokens(State(shared): State<Arc<Shared>>, Path(calendar): Path<String>) -> Answer {
    control(shared).expire_sync_tokens(&calendar)?;
    Ok(done())
}

async fn expire_page_tokens(State(shared): State<Arc<Shared>>, Path(calendar): Path<String>) -> Answer {
    control(shared).expire_page_tokens(&calendar)?;
    Ok(done())
}

async fn expire_list_tokens(State(shared): State<Arc<Shared>>, Path(user): Path<String>) -> Answer {
    control(shared).expire_calendar_list_tokens(&user)?;
    Ok(done())
}

async fn shorten_history(State(shared): State<Arc<Shared>>, Path(calendar): Path<String>) -> Answer {
    control(shared).shorten_history(&calendar)?;
    Ok(done())
}

async fn insert_event(
    State(shared): State<Arc<Shared>>,
    Path(calendar): Path<String>,
    Body(event): Body<Map<String, Value>>,
) -> Answer {
    Ok(Json(control(shared).insert_event(&calendar, event)?).into_response())
}

async fn put_raw_event(
    State(shared): State<Arc<Shared>>,
    Path(calendar): Path<String>,
    Body(event): Body<Map<String, Value>>,
) -> Answer {
    Ok(Json(control(shared).put_raw_event(&calendar, event)?).into_response())
}

async fn patch_event(
    State(shared): State<Arc<Shared>>,
    Path((calendar, event)): Path<(String, String)>,
    Body(change): Body<Map<String, Value>>,
) -> Answer {
    Ok(Json(control(shared).patch_event(&calendar, &event, change)?).into_response())
}

async fn delete_event(State(shared): State<Arc<Shared>>, Path((calendar, event)): Path<(String, String)>) -> Answer {
    control(shared).delete_event(&calendar, &event)?;
    Ok(done())
}

async fn set_access(State(shared): State<Arc<Shared>>, Body(access): Body<CalendarAccess>) -> Answer {
    control(shared).set_access(&access)?;
    Ok(done())
}

async fn make_changes(State(shared): State<Arc<Shared>>, Body(bulk): Body<BulkChanges>) -> Answer {
    Ok(Json(control(shared).make_changes(&bulk).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct As {
    user: Option<String>,
}

async fn truth(State(shared): State<Arc<Shared>>, Path(calendar): Path<String>, Query(by): Query<As>) -> Answer {
    let control = control(shared);
    let truth = match by.user {
        None => control.truth(&calendar)?,
        Some(user) => control.truth_for(&calendar, &user)?,
    };
    Ok(Json(truth).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Between {
    from: String,
    to: String,
    user: Option<String>,
}

async fn occurrences(
    State(shared): State<Arc<Shared>>,
    Path(calendar): Path<String>,
    Query(between): Query<Between>,
) -> Answer {
    let control = control(shared);
    let occurrences = match between.user {
        None => control.occurrences(&calendar, &between.from, &between.to)?,
        Some(user) => control.occurrences_for(&calendar, &user, &between.from, &between.to)?,
    };
    Ok(Json(occurrences).into_response())
}

async fn faults(State(shared): State<Arc<Shared>>) -> Answer {
    Ok(Json(control(shared).faults()?).into_response())
}

async fn set_faults(State(shared): State<Arc<Shared>>, Body(plan): Body<FaultPlan>) -> Answer {
    control(shared).set_faults(plan)?;
    Ok(done())
}

async fn set_notice_plan(State(shared): State<Arc<Shared>>, Body(plan): Body<NoticePlan>) -> Answer {
    control(shared).set_notice_plan(plan)?;
    Ok(done())
}

async fn set_quirks(State(shared): State<Arc<Shared>>, Body(quirks): Body<Quirks>) -> Answer {
    control(shared).set_quirks(quirks)?;
    Ok(done())
}

async fn set_quota(State(shared): State<Arc<Shared>>, Body(limits): Body<QuotaLimits>) -> Answer {
    control(shared).set_quota(limits)?;
    Ok(done())
}

async fn calls(State(shared): State<Arc<Shared>>) -> Answer {
    Ok(Json(control(shared).calls()?).into_response())
}

async fn reset_calls(State(shared): State<Arc<Shared>>) -> Answer {
    control(shared).reset_calls()?;
    Ok(done())
}

async fn channels(State(shared): State<Arc<Shared>>) -> Answer {
    Ok(Json(json!({"channels": control(shared).channels()?})).into_response())
}

async fn deliveries(State(shared): State<Arc<Shared>>) -> Answer {
    Ok(Json(control(shared).deliveries()?).into_response())
}

async fn clock(State(shared): State<Arc<Shared>>) -> Answer {
    Ok(Json(control(shared).clock()?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockOffset {
    offset_ms: i64,
}

async fn set_clock(State(shared): State<Arc<Shared>>, Body(body): Body<ClockOffset>) -> Answer {
    Ok(Json(control(shared).set_clock_offset(body.offset_ms)?).into_response())
}

async fn issue_tokens(State(shared): State<Arc<Shared>>, Body(request): Body<TokenRequest>) -> Answer {
    Ok(Json(control(shared).issue_tokens(&request)?).into_response())
}

async fn expire_access_tokens(State(shared): State<Arc<Shared>>) -> Answer {
    let expired = control(shared).expire_access_tokens(None)?;
    Ok(Json(json!({"expired": expired})).into_response())
}

async fn revoke_grants(State(shared): State<Arc<Shared>>, Path(user): Path<String>) -> Answer {
    let revoked = control(shared).revoke_grants(&user)?;
    Ok(Json(json!({"revoked": revoked})).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentBody {
    #[serde(default)]
    deny: bool,
    #[serde(default)]
    untick_scopes: Vec<String>,
}

async fn set_consent(
    State(shared): State<Arc<Shared>>,
    Path(user): Path<String>,
    Body(body): Body<ConsentBody>,
) -> Answer {
    control(shared).set_consent(&Consent { user, deny: body.deny, untick_scopes: body.untick_scopes })?;
    Ok(done())
}
