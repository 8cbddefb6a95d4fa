//! The gateway as a process: reads its configuration, opens the store, serves until it is asked to stop. Shared by the bin
//! `evercal-gateway` and the subcommand `evercal gateway`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::IntoResponse as _;
use axum::routing::get;
use evercal_domain::{ProviderOff, SystemClock};
use evercal_providers::registry;
use evercal_settings::TemporalTarget;
use evercal_storage::{StoreCondition, StoreSettings, open_when_possible};
use evercal_workflow_client::{CALL_TIMEOUT, TemporalWorkflows};
use tokio::net::TcpListener;

use crate::config::{GatewayConfig, Lookup, descriptors_max};
use crate::problem::{Problem, ProblemKind};
use crate::server::Gateway;

/// How the gateway calls itself in Temporal.
const IDENTITY: &str = "evercal-gateway";

/// How long the gateway waits for the answers that were begun before the store was open.
const STARTUP_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a gateway until SIGINT or SIGTERM. `find` looks a value up by its name, such as `DATABASE_URL`; the way to Temporal
/// is read by the SDK's own environment configuration (`TEMPORAL_ADDRESS` …).
pub async fn run(find: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let lookup = Lookup::new(find);
    let mut config = GatewayConfig::from_lookup(&lookup)?;
    for ProviderOff { title, turned_on_by, .. } in registry::those_off(|one| config.fronts.contains_key(&one)) {
        tracing::warn!("{title} is off, and no account can be connected there: {turned_on_by} is not set");
    }
    evercal_settings::process::use_zone_data(&lookup)?;
    if let Some(descriptors_max) = descriptors_max() {
        let wanted = config.limits.connections_max;
        config.limits = config.limits.within(descriptors_max);
        let connections_max = config.limits.connections_max;
        if connections_max < wanted {
            tracing::warn!(
                connections_max,
                wanted,
                descriptors_max,
                "the limit on open files leaves fewer connections"
            );
        }
    }
    let store = evercal_settings::store::settings(&lookup)?;
    let target = evercal_settings::temporal_target(IDENTITY)?.sealing(&lookup)?;
    // Before the first request, so that no signal to stop is missed.
    let asked_to_stop = evercal_process::stop_signal()?;
    serve(config, &store, target, asked_to_stop).await
}

/// Serves until `stop` completes: `/health/live` from the beginning on, all else as soon as the store is open. An error is what
/// ended it, such as an address that is taken.
pub async fn serve(
    mut config: GatewayConfig,
    store: &StoreSettings,
    target: TemporalTarget,
    stop: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    // An address that is taken is reported at once.
    let listener = Gateway::bind(config.address).await?;
    config.temporal_namespace.clone_from(&target.client.namespace);
    let workflows = Arc::new(TemporalWorkflows::new(target.connection, target.client, CALL_TIMEOUT));

    tokio::pin!(stop);
    let (listener, waiting) = shared(listener).context("sharing the listener")?;
    let startup = Gateway::serve_while_starting(waiting, not_ready(), &config);
    let store = tokio::select! {
        store = open_when_possible(store) => store,
        failure = startup.failed() => return Err(failure.into()),
        () = &mut stop => return Ok(()),
    };
    startup.stop();
    // A client that is slow to read its answer does not delay the gateway.
    if tokio::time::timeout(STARTUP_DRAIN_TIMEOUT, startup.drain()).await.is_err() {
        tracing::debug!("an answer from before the store was open is still being read");
    }
    let gateway = Gateway::serve(listener, config, store, workflows, Arc::new(SystemClock))?;
    let store_watch = gateway.store_watch();
    let failure: Option<anyhow::Error> = tokio::select! {
        () = stop => None,
        failure = gateway.failed() => Some(failure.into()),
        // A process that is started again opens the store anew.
        condition = store_watch.until(StoreCondition::needs_restart) => {
            Some(anyhow::anyhow!(condition.sentence().unwrap_or_default()))
        }
    };
    tracing::info!("the gateway stops");
    gateway.stop().await;
    failure.map_or(Ok(()), Err)
}

/// Two listeners at the same address.
fn shared(listener: TcpListener) -> std::io::Result<(TcpListener, TcpListener)> {
    let listener = listener.into_std()?;
    let other = listener.try_clone()?;
    Ok((TcpListener::from_std(listener)?, TcpListener::from_std(other)?))
}

/// The answers before the store is open, so that load balancers and people need not guess.
fn not_ready() -> Router {
    const DETAIL: &str = "The store cannot be opened yet; the gateway's log says why.";
    let refused = || async {
        let mut response = Problem::new(ProblemKind::StoreUnavailable, DETAIL).render("none");
        // The connection belongs to a server that is gone soon.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    };
    Router::new().route("/health/live", get(|| async { "ok".into_response() })).fallback(refused)
}
