//! The routes, in groups with bounds of their own: a flood of one kind leaves room for the others.

mod accounts;
mod calendars;
mod docs;
mod events;
mod health;
mod journal;
mod oauth;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, Method};
use axum::middleware::{from_fn, from_fn_with_state};
use evercal_domain::limits::API_BODY_BYTES_MAX;
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::conditional::conditional;
use crate::middleware::{Admission, REQUEST_ID, RequestIds, admit, observe, panicked, while_the_store_answers};
use crate::openapi::{Common, finished};
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;

/// Added to the timeout of a sync, so that the handler answers before it is cut off.
const SYNC_SLACK: Duration = Duration::from_secs(5);

pub(crate) fn router(state: AppState, ids: Arc<RequestIds>) -> Router {
    let limits = state.config.limits;
    // How long a notice may take is its provider's affair: `webhooks::prove` sees to it.
    let notices = Admission::new(limits.notices_max, None, state.clone());
    let requests = Admission::new(limits.requests_max, Some(limits.request_timeout), state.clone());
    let syncs = Admission::new(limits.requests_max, Some(limits.sync_timeout + SYNC_SLACK), state.clone());
    let cors = cors(&state.config.cors_origins);

    let api = api().layer(from_fn(conditional)).layer(CompressionLayer::new());
    let with_store = || from_fn_with_state(state.clone(), while_the_store_answers);
    let (router, document) = OpenApiRouter::with_openapi(Common::openapi())
        .merge(
            webhooks()
                .route_layer(from_fn_with_state(notices, admit))
                .route_layer(from_fn_with_state(state.clone(), webhooks::prove)),
        )
        .merge(sync().route_layer(with_store()).route_layer(from_fn_with_state(syncs, admit)))
        .merge(api.route_layer(with_store()).route_layer(from_fn_with_state(requests, admit)))
        .merge(health())
        .split_for_parts();
    router
        .merge(docs::router(&finished(document)))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(API_BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors)
        .layer(from_fn_with_state(ids, observe))
        .with_state(state)
}

/// The description of all routes.
fn description() -> Value {
    let routes = webhooks().merge(sync()).merge(api()).merge(health());
    finished(OpenApiRouter::with_openapi(Common::openapi()).merge(routes).into_openapi())
}

fn webhooks() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(webhooks::take)).routes(routes!(webhooks::take_lifecycle))
}

fn sync() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(calendars::sync)).routes(routes!(accounts::refresh))
}

fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(oauth::start))
        .routes(routes!(oauth::callback::finish))
        .routes(routes!(oauth::again))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::one, accounts::disconnect))
        .routes(routes!(calendars::list))
        .routes(routes!(calendars::one))
        .routes(routes!(calendars::status))
        .routes(routes!(events::list))
        .routes(routes!(events::one))
        .routes(routes!(journal::audit))
        .routes(routes!(journal::security_events))
}

/// Answers also when everything else is full.
fn health() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health::live)).routes(routes!(health::ready)).routes(routes!(health::sync))
}

/// Pages of other origins may call the API only where they are named.
fn cors(origins: &[HeaderValue]) -> CorsLayer {
    if origins.is_empty() {
        return CorsLayer::new();
    }
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH])
        .expose_headers([ETAG, LOCATION, RETRY_AFTER, REQUEST_ID, events::CONFIRMED_AT, events::VIA, events::STATE])
}

async fn nothing_here() -> Problem {
    Problem::of(ProblemKind::PathNotFound)
}
