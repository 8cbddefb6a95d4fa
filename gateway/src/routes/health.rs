//! Health, for supervisors and load balancers. No key, and nothing in it that would need one. Nobody who asks makes a call to
//! the store or to Temporal: the answer is what the heartbeat saw last (`catch_up.rs`).

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catch_up::Seen;
use crate::openapi::Unavailable;
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;

/// The answer of a healthy service.
#[derive(Serialize, ToSchema)]
pub(super) struct Healthy {
    status: &'static str,
}

/// Whether the process answers.
#[utoipa::path(
    get, path = "/health/live", tag = "operators",
    responses((status = 200, description = "It does.", body = Healthy), Unavailable)
)]
pub(super) async fn live() -> Json<Healthy> {
    Json(Healthy { status: "ok" })
}

/// Whether notices can be taken, because store and Temporal answer.
#[utoipa::path(
    get, path = "/health/ready", tag = "operators",
    responses((status = 200, description = "They can.", body = Healthy), Unavailable)
)]
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Healthy>, Problem> {
    let seen = seen(&state);
    if !seen.store {
        return Err(Problem::of(ProblemKind::StoreUnavailable));
    }
    if !seen.temporal {
        return Err(Problem::of(ProblemKind::TemporalUnavailable));
    }
    Ok(Json(Healthy { status: "ok" }))
}

/// Whether calendars are kept fresh.
#[derive(Serialize, ToSchema)]
pub(super) struct SyncHealth {
    /// `ok`, `catching_up` or `down`.
    status: &'static str,
    temporal: bool,
    store: bool,
    /// When nothing was owed to any calendar last.
    well_at: Option<DateTime<Utc>>,
}

/// Whether calendars are kept fresh.
#[utoipa::path(
    get, path = "/api/health/sync", tag = "operators",
    responses((status = 200, description = "How it stands.", body = SyncHealth), Unavailable)
)]
pub(super) async fn sync(State(state): State<AppState>) -> Json<SyncHealth> {
    let Seen { temporal, store, catching_up, well_at, .. } = seen(&state);
    let status = match (temporal && store, catching_up) {
        (false, _) => "down",
        (true, true) => "catching_up",
        (true, false) => "ok",
    };
    Json(SyncHealth { status, temporal, store, well_at })
}

fn seen(state: &AppState) -> Seen {
    state.watch.seen(state.clock.now(), state.config.catch_up.standstill)
}
