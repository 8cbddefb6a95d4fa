//! From HTTP requests to calls and back.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{any, get, post};

use super::Shared;
use super::batch;
use super::call::perform;
use super::errors::ApiError;
use super::operations::{API_PATH, Operation, find};
use super::request::{ApiRequest, Query, decode_segment};
use crate::core::net::ConnectionHandle;
use crate::core::transmission::{into_http, transmit};

/// Largest body of a request, a batch included.
pub(crate) const REQUEST_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/calendar/v3/{*path}", any(api))
        .route("/batch/calendar/v3", post(batch_call))
        .route("/o/oauth2/v2/auth", get(authorize))
        .route("/token", post(token))
        .route("/revoke", post(revoke))
}

async fn api(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix(API_PATH).unwrap_or_default();
    let Some(target) = find(&parts.method, path) else {
        return into_http(ApiError::not_found().into_response());
    };
    let body = match read(body).await {
        Ok(body) => body,
        Err(error) => return into_http(error.into_response()),
    };
    let request = ApiRequest {
        operation: target.operation,
        calendar: target.calendar.map(decode_segment),
        event: target.event.map(decode_segment),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
        empty_page: false,
    };
    let answer = perform(&shared, request).await;
    transmit(&shared, &connection, answer).await
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

async fn revoke(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    oauth(&shared, &connection, request, Operation::OauthRevoke).await
}

async fn oauth(shared: &Shared, connection: &ConnectionHandle, request: Request, operation: Operation) -> Response {
    let (parts, body) = request.into_parts();
    let body = match read(body).await {
        Ok(body) => body,
        Err(error) => return into_http(error.into_response()),
    };
    let answer = perform(shared, whole_request(operation, parts, body)).await;
    transmit(shared, connection, answer).await
}

async fn batch_call(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match read(body).await {
        Ok(body) => body,
        Err(error) => return into_http(error.into_response()),
    };
    let request = whole_request(Operation::Batch, parts, body);
    let answer = batch::perform_all(&shared, request).await;
    transmit(&shared, &connection, answer).await
}

fn whole_request(operation: Operation, parts: Parts, body: Bytes) -> ApiRequest {
    ApiRequest {
        operation,
        calendar: None,
        event: None,
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
        empty_page: false,
    }
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    to_bytes(body, REQUEST_BODY_BYTES_MAX).await.map_err(|_| ApiError::body_too_large())
}
