//! `/control/…`: the control API as JSON over HTTP, for tests in other processes and for people with curl.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef, FromRequest, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::super::SimulatedProvider;
use super::super::changes::BulkChanges;
use super::super::faults::FaultPlan;
use super::super::notices::NoticePlan;
use super::super::shared::Shared;
use super::{
    AddressChange, CalendarAccess, Consent, Control, ControlError, NewCalendar, NewUser, ProviderControl, TokenRequest,
};

const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(crate) type Answer = Result<Response, ControlError>;

/// All of the control API, what only this provider has included.
pub(crate) fn routes<P: SimulatedProvider>() -> Router<Arc<Shared<P>>> {
    Router::new()
        .route("/control/users", post(create_user::<P>))
        .route("/control/users/{user}/address", put(change_address::<P>))
        .route("/control/users/{user}/grants", delete(revoke_grants::<P>))
        .route("/control/users/{user}/consent", put(set_consent::<P>))
        .route("/control/calendars", post(create_calendar::<P>))
        .route("/control/calendars/{calendar}", delete(delete_calendar::<P>))
        .route("/control/calendars/{calendar}/watchable", put(set_watchable::<P>))
        .route("/control/calendars/{calendar}/sync-tokens", delete(expire_sync_tokens::<P>))
        .route("/control/calendars/{calendar}/events", post(insert_event::<P>))
        .route("/control/calendars/{calendar}/events/{event}", patch(patch_event::<P>).delete(delete_event::<P>))
        .route("/control/access", put(set_access::<P>))
        .route("/control/changes", post(make_changes::<P>))
        .route("/control/state/{calendar}", get(truth::<P>))
        .route("/control/state/{calendar}/occurrences", get(occurrences::<P>))
        .route("/control/faults", get(faults::<P>).put(set_faults::<P>))
        .route("/control/notices", put(set_notice_plan::<P>))
        .route("/control/calls", get(calls::<P>).delete(reset_calls::<P>))
        .route("/control/channels", get(channels::<P>))
        .route("/control/deliveries", get(deliveries::<P>))
        .route("/control/clock", get(clock::<P>).put(set_clock::<P>))
        .route("/control/tokens", post(issue_tokens::<P>))
        .route("/control/access-tokens", delete(expire_access_tokens::<P>))
        .merge(P::control_routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

impl<P> FromRef<Arc<Shared<P>>> for Control<P> {
    fn from_ref(shared: &Arc<Shared<P>>) -> Self {
        Self::new(Arc::clone(shared))
    }
}

/// A JSON body whatever the content type says, with the parser's words in the refusal.
pub(crate) struct Body<T>(pub(crate) T);

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

pub(crate) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

async fn create_user<P: ProviderControl>(State(control): State<Control<P>>, Body(user): Body<NewUser>) -> Answer {
    control.create_user(&user)?;
    Ok(done())
}

async fn change_address<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path(user): Path<String>,
    Body(change): Body<AddressChange>,
) -> Answer {
    control.change_address(&user, &change)?;
    Ok(done())
}

async fn create_calendar<P: ProviderControl>(
    State(control): State<Control<P>>,
    Body(calendar): Body<NewCalendar>,
) -> Answer {
    let id = control.create_calendar(&calendar)?;
    Ok(Json(json!({"id": id})).into_response())
}

async fn delete_calendar<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path(calendar): Path<String>,
) -> Answer {
    control.delete_calendar(&calendar)?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Watchable {
    watchable: bool,
}

async fn set_watchable<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path(calendar): Path<String>,
    Body(body): Body<Watchable>,
) -> Answer {
    control.set_watchable(&calendar, body.watchable)?;
    Ok(done())
}

async fn expire_sync_tokens<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path(calendar): Path<String>,
) -> Answer {
    control.expire_sync_tokens(&calendar)?;
    Ok(done())
}

async fn insert_event<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path(calendar): Path<String>,
    Body(event): Body<Map<String, Value>>,
) -> Answer {
    Ok(Json(control.insert_event(&calendar, event)?).into_response())
}

async fn patch_event<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path((calendar, event)): Path<(String, String)>,
    Body(change): Body<Map<String, Value>>,
) -> Answer {
    Ok(Json(control.patch_event(&calendar, &event, change)?).into_response())
}

async fn delete_event<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path((calendar, event)): Path<(String, String)>,
) -> Answer {
    control.delete_event(&calendar, &event)?;
    Ok(done())
}

async fn set_access<P: ProviderControl>(
    State(control): State<Control<P>>,
    Body(access): Body<CalendarAccess>,
) -> Answer {
    control.set_access(&access)?;
    Ok(done())
}

async fn make_changes<P: ProviderControl>(State(control): State<Control<P>>, Body(bulk): Body<BulkChanges>) -> Answer {
    Ok(Json(control.make_changes(&bulk).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct As {
    user: Option<String>,
}

async fn truth<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path(calendar): Path<String>,
    Query(by): Query<As>,
) -> Answer {
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

async fn occurrences<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path(calendar): Path<String>,
    Query(between): Query<Between>,
) -> Answer {
    let occurrences = match between.user {
        None => control.occurrences(&calendar, &between.from, &between.to)?,
        Some(user) => control.occurrences_for(&calendar, &user, &between.from, &between.to)?,
    };
    Ok(Json(occurrences).into_response())
}

async fn faults<P: ProviderControl>(State(control): State<Control<P>>) -> Answer {
    Ok(Json(control.faults()?).into_response())
}

async fn set_faults<P: ProviderControl>(State(control): State<Control<P>>, Body(plan): Body<FaultPlan>) -> Answer {
    control.set_faults(plan)?;
    Ok(done())
}

async fn set_notice_plan<P: ProviderControl>(
    State(control): State<Control<P>>,
    Body(plan): Body<NoticePlan>,
) -> Answer {
    control.set_notice_plan(plan)?;
    Ok(done())
}

async fn calls<P: ProviderControl>(State(control): State<Control<P>>) -> Answer {
    Ok(Json(control.calls()?).into_response())
}

async fn reset_calls<P: ProviderControl>(State(control): State<Control<P>>) -> Answer {
    control.reset_calls()?;
    Ok(done())
}

async fn channels<P: ProviderControl>(State(control): State<Control<P>>) -> Answer {
    Ok(Json(json!({"channels": control.channels()?})).into_response())
}

async fn deliveries<P: ProviderControl>(State(control): State<Control<P>>) -> Answer {
    Ok(Json(control.deliveries()?).into_response())
}

async fn clock<P: ProviderControl>(State(control): State<Control<P>>) -> Answer {
    Ok(Json(control.clock()?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockOffset {
    offset_ms: i64,
}

async fn set_clock<P: ProviderControl>(State(control): State<Control<P>>, Body(body): Body<ClockOffset>) -> Answer {
    Ok(Json(control.set_clock_offset(body.offset_ms)?).into_response())
}

async fn issue_tokens<P: ProviderControl>(
    State(control): State<Control<P>>,
    Body(request): Body<TokenRequest>,
) -> Answer {
    Ok(Json(control.issue_tokens(&request)?).into_response())
}

async fn expire_access_tokens<P: ProviderControl>(State(control): State<Control<P>>) -> Answer {
    let expired = control.expire_access_tokens(None)?;
    Ok(Json(json!({"expired": expired})).into_response())
}

async fn revoke_grants<P: ProviderControl>(State(control): State<Control<P>>, Path(user): Path<String>) -> Answer {
    let revoked = control.revoke_grants(&user)?;
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

async fn set_consent<P: ProviderControl>(
    State(control): State<Control<P>>,
    Path(user): Path<String>,
    Body(body): Body<ConsentBody>,
) -> Answer {
    control.set_consent(&Consent { user, deny: body.deny, untick_scopes: body.untick_scopes })?;
    Ok(done())
}
