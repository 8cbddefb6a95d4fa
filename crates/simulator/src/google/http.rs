//! From HTTP requests to calls and back. The faults that concern the transport are carried out here.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures::StreamExt;
use futures::stream;

use super::Shared;
use super::batch;
use super::call::{Answer, Transmission, perform};
use super::errors::ApiError;
use super::operations::{API_PATH, Operation, find};
use super::request::{ApiRequest, Query, decode_segment};
use super::response::ApiResponse;
use crate::core::net::ConnectionHandle;

/// Largest body of a request, a batch included.
pub(crate) const REQUEST_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const PADDING_CHUNK: &[u8] = &[b' '; 65_536];
const GARBAGE: &[u8] = b"<html><body>upstream connect error</body></html>";

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

fn into_http(response: ApiResponse) -> Response {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut http = (status, response.body).into_response();
    http.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in response.headers {
        http.headers_mut().insert(name, value);
    }
    http
}

async fn transmit(shared: &Shared, connection: &ConnectionHandle, answer: Answer) -> Response {
    let Answer { mut response, transmission } = answer;
    match transmission {
        Transmission::Normal => into_http(response),
        Transmission::Reset => {
            connection.reset();
            into_http(response)
        }
        Transmission::Hang => {
            // Ends earlier when the client goes away: then this future is dropped.
            shared.shutdown.cancelled().await;
            connection.reset();
            into_http(response)
        }
        Transmission::Garbage => {
            response.status = well_or_error(response.status);
            response.body = GARBAGE.to_vec();
            into_http(response)
        }
        Transmission::Slow { chunk_bytes, pause } => with_body(response, |body| slow(shared, body, chunk_bytes, pause)),
        Transmission::Truncated => {
            let connection = connection.clone();
            let whole = response.body.len();
            let mut http = with_body(response, |body| truncated(connection, &body));
            http.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(whole));
            http
        }
        Transmission::Oversized { bytes } => {
            response.status = well_or_error(response.status);
            with_body(response, |_| oversized(bytes))
        }
    }
}

/// A body that is none of the provider's comes with 200 where the call went well; a refusal stays one.
fn well_or_error(status: u16) -> u16 {
    if status < 400 { 200 } else { status }
}

fn with_body(mut response: ApiResponse, make: impl FnOnce(Bytes) -> Body) -> Response {
    let body = Bytes::from(std::mem::take(&mut response.body));
    let mut http = into_http(response);
    http.headers_mut().remove(header::CONTENT_LENGTH);
    *http.body_mut() = make(body);
    http
}

fn slow(shared: &Shared, body: Bytes, chunk_bytes: usize, pause: Duration) -> Body {
    let shutdown = shared.shutdown.clone();
    let chunks = stream::unfold(body, move |mut rest| {
        let shutdown = shutdown.clone();
        async move {
            if rest.is_empty() {
                return None;
            }
            let chunk = rest.split_to(chunk_bytes.min(rest.len()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
            Some((Ok::<_, Infallible>(chunk), rest))
        }
    });
    Body::from_stream(chunks)
}

fn truncated(connection: ConnectionHandle, body: &Bytes) -> Body {
    let half = body.slice(..body.len() / 2);
    let first = stream::once(async move { Ok::<_, io::Error>(half) });
    let end = stream::once(async move {
        // The first half is on the wire before the reset only if the server gets a chance to flush it.
        tokio::task::yield_now().await;
        connection.reset();
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Body::from_stream(first.chain(end))
}

fn oversized(bytes: usize) -> Body {
    let start = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"{\"padding\":\"")) });
    let padding = stream::unfold(bytes, |rest| async move {
        let size = rest.min(PADDING_CHUNK.len());
        let chunk = Bytes::from_static(PADDING_CHUNK).slice(..size);
        (size > 0).then(|| (Ok::<_, Infallible>(chunk), rest - size))
    });
    let end = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"\"}")) });
    Body::from_stream(start.chain(padding).chain(end))
}
