//! The codec endpoint: opens sealed payloads for Temporal's UI and CLI, and seals what people send with them.
//! <https://docs.temporal.io/production-deployment/data-encryption#codec-server-setup>
//!
//! A process of its own (`evercal codec`), since a client that reaches it can read every payload: it belongs on loopback or beside
//! Temporal's UI, never where the API is. Browsers may use it from the UI's pages alone, so that no other page that an operator
//! opens can. Not for sealing itself: `crates/payload-codec`.

mod config;
mod problem;
mod router;

use anyhow::Context as _;
use evercal_settings::Lookup;
use tokio::net::TcpListener;

pub use config::CodecConfig;
pub use router::router;

/// Runs the codec endpoint until SIGINT or SIGTERM. `find` looks a value up by its name, such as `EVERCAL_PAYLOAD_KEY`.
pub async fn run(find: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let config = CodecConfig::from_lookup(&Lookup::new(find))?;
    let stop = evercal_process::stop_signal()?;
    let listener = TcpListener::bind(config.address).await;
    let listener = listener.with_context(|| format!("listening on EVERCAL_CODEC_ADDRESS {}", config.address))?;
    tracing::info!(address = %config.address, "the codec endpoint listens");
    let router = router(config.codec, config.origins);
    axum::serve(listener, router).with_graceful_shutdown(stop).await.context("serving the codec endpoint")
}
