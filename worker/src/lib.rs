//! The Temporal workers: puts store, providers and settings together and serves all task queues of evercal.
//!
//! One process serves all queues. Not for logic of any kind: workflows decide, activities act.

pub mod builds;
mod config;
mod life;
mod queues;

use std::sync::Arc;

use anyhow::Context;
use evercal_activities::{ActivitySettings, Connection, Deps, StoreCredentials};
use evercal_domain::SystemClock;
use evercal_http::HttpClient;
use evercal_providers::TokenSource;
use evercal_providers::google::GoogleProvider;
use evercal_settings::{Lookup, TemporalTarget, stop_signal, temporal_target};

pub use config::WorkerConfig;

/// How a worker calls itself in Temporal.
const IDENTITY: &str = "evercal-worker";

/// Runs a worker until SIGINT or SIGTERM. `find` looks a value up by its name, such as `DATABASE_URL`.
pub async fn run(find: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    run_as(IDENTITY, find).await
}

/// The same, under another name in Temporal.
pub async fn run_as(identity: &str, find: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let lookup = Lookup::new(find);
    let config = WorkerConfig::from_lookup(&lookup)?;
    let store = evercal_storage::open(&config.store).await;
    let store = store.with_context(|| format!("opening the store {}", config.store.url))?;
    let target = temporal_target(identity)?.sealing(&lookup)?;
    let asked_to_stop = stop_signal()?;
    let stop = async move {
        asked_to_stop.await;
        tracing::info!("the worker stops");
    };
    let deps = Arc::new(deps(config.clone(), store)?);
    serve(&config, target, deps, stop).await
}

/// Serves all queues until `stop` completes; running activities then get their grace.
pub async fn serve(
    config: &WorkerConfig,
    target: TemporalTarget,
    deps: Arc<Deps>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    queues::serve(config, target, deps, stop).await
}

/// Puts together what activities work with.
pub fn deps(config: WorkerConfig, store: Arc<dyn evercal_storage::Store>) -> anyhow::Result<Deps> {
    let http = HttpClient::new(&config.http).context("making the HTTP client")?;
    let google = Arc::new(GoogleProvider::new(config.google, Arc::new(http)));
    let credentials = Arc::new(StoreCredentials(store.clone()));
    let clock = Arc::new(SystemClock);
    Ok(Deps {
        store,
        google: Connection {
            tokens: TokenSource::new(google.clone(), credentials, clock.clone()),
            calendars: google.clone(),
            oauth: google,
            webhook_address: config.google_webhook_address,
        },
        clock,
        settings: ActivitySettings {
            channel_token_keys: config.channel_token_keys,
            timing: config.timing,
            strategies: config.strategies,
            simulated_time: config.simulated_time,
        },
    })
}
