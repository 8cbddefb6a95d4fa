//! Health, for supervisors and load balancers. No key, and nothing in it that would need one.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catch_up::HEARTBEAT;
use crate::openapi::Unavailable;
use crate::problem::Problem;
use crate::state::AppState;

/// How long the store may take to show that it answers.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

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
    // A load balancer does not wait for a busy pool; it asks again soon.
    match tokio::time::timeout(STORE_PATIENCE, state.store.last_beat(HEARTBEAT)).await {
        Ok(beat) => drop(beat?),
        Err(_) => return Err(Problem::unavailable("The store does not answer.")),
    }
    if !state.watch.temporal_answers() {
        return Err(Problem::unavailable("Temporal does not answer."));
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
    let beat = state.store.last_beat(HEARTBEAT).await;
    let temporal = state.watch.temporal_answers();
    let status = match (temporal && beat.is_ok(), state.watch.catching_up()) {
        (false, _) => "down",
        (true, true) => "catching_up",
        (true, false) => "ok",
    };
    Json(SyncHealth { status, temporal, store: beat.is_ok(), well_at: beat.ok().flatten() })
}
