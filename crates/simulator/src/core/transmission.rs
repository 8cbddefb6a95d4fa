//! How an answer gets to the client, the faults that concern the transport included.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream;

use super::faults::FaultAction;
use super::net::ConnectionHandle;
use super::response::ApiResponse;
use super::shared::Shared;

const PADDING_CHUNK: &[u8] = &[b' '; 65_536];
const GARBAGE: &[u8] = b"<html><body>upstream connect error</body></html>";

/// An answer, and what happens to it on its way.
pub(crate) struct Answer {
    pub(crate) response: ApiResponse,
    pub(crate) transmission: Transmission,
}

/// What happens to an answer on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transmission {
    Normal,
    /// Nothing is sent; the connection is reset.
    Reset,
    /// Nothing is sent at all.
    Hang,
    Slow {
        chunk_bytes: usize,
        pause: Duration,
    },
    Truncated,
    Garbage,
    Oversized {
        bytes: usize,
    },
}

impl Transmission {
    /// What a fault does to the answer of its call.
    pub(crate) fn of(fault: Option<&FaultAction>) -> Self {
        match fault {
            Some(FaultAction::ResetBefore | FaultAction::ResetAfter) => Self::Reset,
            Some(FaultAction::Hang) => Self::Hang,
            Some(FaultAction::SlowBody { chunk_bytes, delay_ms }) => {
                Self::Slow { chunk_bytes: (*chunk_bytes).max(1), pause: Duration::from_millis(*delay_ms) }
            }
            Some(FaultAction::TruncatedBody) => Self::Truncated,
            Some(FaultAction::GarbageBody) => Self::Garbage,
            Some(FaultAction::OversizedBody { bytes }) => Self::Oversized { bytes: *bytes },
            _ => Self::Normal,
        }
    }

    /// Whether an answer goes out at all.
    pub(crate) fn answers(&self) -> bool {
        !matches!(self, Self::Reset | Self::Hang)
    }
}

pub(crate) fn into_http(response: ApiResponse) -> Response {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut http = (status, response.body).into_response();
    http.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in response.headers {
        http.headers_mut().insert(name, value);
    }
    http
}

pub(crate) async fn transmit<P>(shared: &Shared<P>, connection: &ConnectionHandle, answer: Answer) -> Response {
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

fn slow<P>(shared: &Shared<P>, body: Bytes, chunk_bytes: usize, pause: Duration) -> Body {
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
