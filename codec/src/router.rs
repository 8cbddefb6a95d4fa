//! `POST /encode` and `POST /decode`, and what happens to every request: a line in the log, and who may ask.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use evercal_payload_codec::{CodecError, Payload, PayloadsDocument, SealingCodec};
use evercal_process::counted;
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use crate::problem::Problem;

/// A page of a history with all its payloads is below it.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// On every answer: an opened payload is kept nowhere, and taken for nothing but JSON.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 2] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// The endpoint with these keys, for pages of these origins and for whoever names none.
pub fn router(codec: SealingCodec, origins: Vec<HeaderValue>) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(origins.clone())
        .allow_methods([Method::POST])
        .allow_headers([CONTENT_TYPE, HeaderName::from_static("x-namespace")]);
    Router::new()
        .route("/encode", post(encode))
        .route("/decode", post(decode))
        .fallback(|| async { Problem::PathNotFound })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::new(origins), named_pages_only))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors)
        .layer(from_fn(observe))
        .with_state(codec)
}

async fn encode(State(codec): State<SealingCodec>, document: Document) -> Answer {
    each(document, |payload| codec.seal(&payload))
}

async fn decode(State(codec): State<SealingCodec>, document: Document) -> Answer {
    each(document, |payload| codec.open(payload))
}

type Document = Result<Json<PayloadsDocument>, JsonRejection>;
type Answer = Result<Json<PayloadsDocument>, Problem>;

/// What is wrong is the caller's payload, or a key that this process does not have: asking again does not help.
fn each(document: Document, convert: impl Fn(Payload) -> Result<Payload, CodecError>) -> Answer {
    let Json(document) = document?;
    let refused = |error: &dyn std::error::Error| Problem::InvalidPayload(error.to_string());
    let payloads = document.into_payloads().map_err(|error| refused(&error))?;
    let converted = payloads.into_iter().map(convert).collect::<Result<Vec<_>, _>>();
    let converted = converted.map_err(|error| refused(&error))?;
    Ok(Json(PayloadsDocument::of(&converted)))
}

/// A browser says whose page asks; a CLI says nothing.
async fn named_pages_only(State(origins): State<Arc<Vec<HeaderValue>>>, request: Request, next: Next) -> Response {
    match request.headers().get(ORIGIN) {
        Some(origin) if !origins.contains(origin) => Problem::OriginNotAllowed.into_response(),
        _ => next.run(request).await,
    }
}

/// Outermost: logs each answer, by its route alone, and adds the headers that every answer has.
async fn observe(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let mut response = next.run(request).await;
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis());
    if response.status().is_server_error() {
        counted!(warn, "answered that something went wrong", %method, %route, status, ms);
    } else {
        tracing::debug!(%method, %route, status, ms, "answered");
    }
    response
}

/// Answers for a handler that panicked.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    // The panic's own text is in the log already, by the panic hook; it may hold anything and is not repeated.
    counted!(error, "a handler panicked");
    Problem::Internal.into_response()
}
