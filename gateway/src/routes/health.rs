//! Health, for supervisors and load balancers. No key, and nothing in it that would need one.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::catch_up::HEARTBEAT;
use crate::problem::Problem;
use crate::state::AppState;

/// The answer of a healthy service.
#[derive(Serialize)]
pub(super) struct Healthy {
    status: &'static str,
}

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> Json<Healthy> {
    Json(Healthy { status: "ok" })
}

/// `GET /health/ready`: notices can be taken, because store and Temporal answer.
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Healthy>, Problem> {
    state.store.last_beat(HEARTBEAT).await?;
    if !state.watch.temporal_answers() {
        return Err(Problem::unavailable("Temporal does not answer."));
    }
    Ok(Json(Healthy { status: "ok" }))
}

/// Whether calendars are kept fresh.
#[derive(Serialize)]
pub(super) struct SyncHealth {
    /// `ok`, `catching_up` or `down`.
    status: &'static str,
    temporal: bool,
    store: bool,
    /// When nothing was owed to any calendar last.
    well_at: Option<DateTime<Utc>>,
}

/// `GET /api/health/sync`
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
