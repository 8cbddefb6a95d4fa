//! The codec endpoint: opens sealed payloads for Temporal's UI and CLI, and seals what people send with them.
//! <https://docs.temporal.io/production-deployment/data-encryption#codec-server-setup>
//!
//! A process of its own (`evercal codec`), since whoever reaches it can read every payload: it belongs on loopback or
//! beside Temporal's UI, never where the API is. Browsers may use it from the UI's pages alone, so that no other page that
//! an operator opens can. Not for sealing itself: `crates/payload-codec`.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, ORIGIN};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use evercal_domain::random::RandomnessUnavailable;
use evercal_payload_codec::{CodecError, Payload, PayloadsDocument, SealingCodec};
use evercal_settings::{ConfigError, Lookup};
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use crate::config::origins;
use crate::middleware::{RequestIds, observe, panicked};
use crate::parameters::unfit;
use crate::problem::{Problem, ProblemKind};

/// Where it listens when nothing else is said.
pub const DEFAULT_CODEC_ADDRESS: &str = "127.0.0.1:8234";
/// A page of a history with all its payloads is below it.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the codec endpoint has to know.
pub struct CodecConfig {
    /// Where it listens (`EVERCAL_CODEC_ADDRESS`).
    pub address: SocketAddr,
    /// The addresses of Temporal's UI (`EVERCAL_CODEC_ORIGINS`); without any, no browser may use it.
    pub origins: Vec<HeaderValue>,
    /// The keys (`EVERCAL_PAYLOAD_KEY`).
    pub codec: SealingCodec,
}

impl CodecConfig {
    /// Reads the configuration; errors name the variable, what is wrong and an example.
    pub fn from_lookup(lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        let missing = || {
            let problem = "is not set: without it nothing is sealed, and there is nothing to open";
            ConfigError::new("EVERCAL_PAYLOAD_KEY", problem, "the value that gateway and worker have")
        };
        Ok(Self {
            address: codec_address(lookup)?,
            origins: codec_origins(lookup)?,
            codec: evercal_settings::payload_codec(lookup)?.ok_or_else(missing)?,
        })
    }
}

/// `EVERCAL_CODEC_ADDRESS`: where it listens.
pub fn codec_address(lookup: &Lookup<'_>) -> Result<SocketAddr, ConfigError> {
    lookup.or_default("EVERCAL_CODEC_ADDRESS", DEFAULT_CODEC_ADDRESS, DEFAULT_CODEC_ADDRESS)
}

/// `EVERCAL_CODEC_ORIGINS`: where Temporal's UI is opened, as in the header `Origin`, comma-separated.
pub fn codec_origins(lookup: &Lookup<'_>) -> Result<Vec<HeaderValue>, ConfigError> {
    origins(lookup, "EVERCAL_CODEC_ORIGINS", "https://temporal.example.com,http://localhost:8233")
}

/// Runs the codec endpoint until SIGINT or SIGTERM.
pub async fn run_codec(find: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let config = CodecConfig::from_lookup(&Lookup::new(find))?;
    let stop = evercal_process::stop_signal()?;
    let listener = TcpListener::bind(config.address).await;
    let listener = listener.with_context(|| format!("listening on EVERCAL_CODEC_ADDRESS {}", config.address))?;
    tracing::info!(address = %config.address, "the codec endpoint listens");
    let router = codec_router(config.codec, config.origins)?;
    axum::serve(listener, router).with_graceful_shutdown(stop).await.context("serving the codec endpoint")
}

/// `POST /encode` and `POST /decode`.
pub fn codec_router(codec: SealingCodec, origins: Vec<HeaderValue>) -> Result<Router, RandomnessUnavailable> {
    let cors = CorsLayer::new()
        .allow_origin(origins.clone())
        .allow_methods([Method::POST])
        .allow_headers([CONTENT_TYPE, HeaderName::from_static("x-namespace")]);
    Ok(Router::new()
        .route("/encode", post(encode))
        .route("/decode", post(decode))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::new(origins), named_pages_only))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors)
        .layer(from_fn_with_state(Arc::new(RequestIds::new()?), observe))
        .with_state(codec))
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
    let Json(document) = document.map_err(unfit)?;
    let refused = |error: &dyn std::error::Error| Problem::new(ProblemKind::InvalidPayload, error.to_string());
    let payloads = document.into_payloads().map_err(|error| refused(&error))?;
    let converted = payloads.into_iter().map(convert).collect::<Result<Vec<_>, _>>();
    let converted = converted.map_err(|error| refused(&error))?;
    Ok(Json(PayloadsDocument::of(&converted)))
}

/// A browser says whose page asks; a CLI says nothing.
async fn named_pages_only(State(origins): State<Arc<Vec<HeaderValue>>>, request: Request, next: Next) -> Response {
    match request.headers().get(ORIGIN) {
        Some(origin) if !origins.contains(origin) => {
            let detail = "Pages of this origin may not ask: EVERCAL_CODEC_ORIGINS names those that may.";
            Problem::new(ProblemKind::OriginNotAllowed, detail).into_response()
        }
        _ => next.run(request).await,
    }
}
