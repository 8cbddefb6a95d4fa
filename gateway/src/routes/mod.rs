//! The routes, in groups with bounds of their own: a flood of one kind leaves room for the others.

mod accounts;
mod bodies;
mod calendars;
mod events;
mod health;
mod journal;
mod oauth;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use evercal_domain::limits::API_BODY_BYTES_MAX;
use tower_http::catch_panic::CatchPanicLayer;

use crate::middleware::{Admission, RequestIds, admit, observe, panicked};
use crate::problem::Problem;
use crate::refusals::Refusals;
use crate::state::AppState;

/// Where Google sends browsers back to; registered there.
pub(crate) const OAUTH_CALLBACK: &str = "/v1/oauth/google/callback";
/// Added to the patience of a sync, so that the handler answers before it is cut off.
const SYNC_SLACK: Duration = Duration::from_secs(5);

/// All routes.
pub(crate) fn router(state: AppState, refusals: Arc<Refusals>, ids: Arc<RequestIds>) -> Router {
    let limits = state.config.limits;
    let notices = Admission::new(limits.notices_max, limits.notice_timeout).counting(refusals);
    let requests = Admission::new(limits.requests_max, limits.request_timeout);
    let syncs = Admission::new(limits.requests_max, limits.sync_patience + SYNC_SLACK);

    let webhooks = Router::new()
        .route("/api/webhooks/google", post(webhooks::google))
        .route_layer(from_fn_with_state(notices, admit));
    let sync = Router::new()
        .route("/v1/calendars/{id}/sync", post(calendars::sync))
        .route_layer(from_fn_with_state(syncs, admit));
    let api = Router::new()
        .route("/v1/oauth/google/start", post(oauth::start))
        .route(OAUTH_CALLBACK, get(oauth::callback))
        .route("/v1/accounts", get(accounts::list))
        .route("/v1/accounts/{id}", get(accounts::one).delete(accounts::disconnect))
        .route("/v1/calendars", get(calendars::list))
        .route("/v1/calendars/{id}", get(calendars::one))
        .route("/v1/calendars/{id}/status", get(calendars::status))
        .route("/v1/calendars/{id}/events", get(events::list))
        .route("/v1/audit", get(journal::audit))
        .route("/v1/security-events", get(journal::security_events))
        .route_layer(from_fn_with_state(requests, admit));
    // Health answers also when everything else is full.
    let health = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/api/health/sync", get(health::sync));

    Router::new()
        .merge(webhooks)
        .merge(sync)
        .merge(api)
        .merge(health)
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(API_BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(ids, observe))
        .with_state(state)
}

async fn nothing_here() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND)
}
