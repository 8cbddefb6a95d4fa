//! From HTTP requests to calls and back.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{any, get, post};

use super::Shared;
use super::batch;
use super::call::perform;
use super::errors::{ApiError, Trace};
use super::operations::{CalendarRef, Operation, Target};
use super::request::{ApiRequest, Handshake, Query, request_of};
use crate::core::net::ConnectionHandle;
use crate::core::transmission::{Answer, into_http, transmit};

/// Largest body of a request, a batch included: Graph's own limit.
const REQUEST_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1.0/{*path}", any(api))
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize))
        .route("/{tenant}/oauth2/v2.0/token", post(token))
}

async fn api(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BODY_BYTES_MAX).await else {
        return refused(&shared, ApiError::body_too_large());
    };
    let origin = origin(&connection, &parts.headers, &shared);
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let Some(request) = request_of(&parts.method, path, query, parts.headers, body, origin) else {
        return refused(&shared, ApiError::no_such_path(path.rsplit('/').next().unwrap_or_default()));
    };
    let answer = run(&shared, request).await;
    transmit(&shared, &connection, answer).await
}

async fn run(shared: &Shared, request: ApiRequest) -> Answer {
    if request.target.operation == Operation::Batch {
        batch::perform_all(shared, request).await
    } else {
        perform(shared, request).await
    }
}

/// How the client knows the server: links lead there.
fn origin(connection: &ConnectionHandle, headers: &HeaderMap, shared: &Shared) -> String {
    let scheme = if connection.is_encrypted() { "https" } else { "http" };
    match headers.get(header::HOST).and_then(|host| host.to_str().ok()) {
        Some(host) => format!("{scheme}://{host}"),
        None => shared.root_url.trim_end_matches('/').to_owned(),
    }
}

fn refused(shared: &Shared, error: ApiError) -> Response {
    let date = shared.with_world_unpromised(|world| world.clock.now());
    let trace = Trace { request_id: String::new(), client_request_id: String::new(), date };
    into_http(error.into_response(&trace))
}

async fn authorize(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    oauth(&shared, &connection, request, Operation::OauthAuthorize).await
}

async fn token(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    oauth(&shared, &connection, request, Operation::OauthToken).await
}

async fn oauth(shared: &Shared, connection: &ConnectionHandle, request: Request, operation: Operation) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BODY_BYTES_MAX).await else {
        return refused(shared, ApiError::body_too_large());
    };
    let request = ApiRequest {
        target: Target { operation, user: None, calendar: CalendarRef::Mailbox, item: None },
        origin: origin(connection, &parts.headers, shared),
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
        empty_page: false,
        handshake: Handshake::None,
    };
    let answer = perform(shared, request).await;
    transmit(shared, connection, answer).await
}
