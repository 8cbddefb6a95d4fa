//! The Temporal workers: puts store, providers and settings together and serves all task queues of evercal.
//!
//! One process serves all queues. Not for logic of any kind: workflows decide, activities act.

pub mod builds;
mod config;
mod erasure;
mod heartbeat;
mod memory;
mod providers_off;
mod queues;
mod recovery;
mod zone_data;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use evercal_activities::client_alert::ClientAlert;
use evercal_activities::outages::Outages;
use evercal_activities::{Connection, Deps, StoreCredentials};
use evercal_domain::{Clock, ProviderOff, SystemClock};
use evercal_http::{HttpClient, Transport};
use evercal_process::{Tasks, stop_signal};
use evercal_providers::{Configured, TokenSource, registry};
use evercal_settings::{Lookup, TemporalTarget, gateway, temporal_target};
use evercal_storage::{
    ProbePace, Store, StoreCondition, StoreJournal, StoreProbe, StoreSettings, StoreWatch, open_when_possible,
};
use evercal_workflow_client::Namespace;
use temporalio_client::Connection as TemporalConnection;
use temporalio_sdk::runtime::{Runtime, RuntimeOptions};

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
    for ProviderOff { title, turned_on_by, .. } in registry::those_off(|one| config.providers.contains_key(&one)) {
        tracing::warn!("{title} is off, and its accounts wait: {turned_on_by} is not set");
    }
    evercal_settings::process::use_zone_data(&lookup)?;
    let target = temporal_target(identity)?.sealing(&lookup)?;
    let asked_to_stop = stop_signal()?;
    let stop = async move {
        asked_to_stop.await;
        tracing::info!("the worker stops");
    };
    serve(&config, &Parts::of(&config)?, target, stop).await
}

/// What a worker is put together of, beside its configuration.
#[derive(Clone)]
pub struct Parts {
    /// The clock of activities.
    pub clock: Arc<dyn Clock>,
    /// The transport of calls to providers.
    pub transport: Arc<dyn Transport>,
}

impl Parts {
    /// The machine's clock and HTTP.
    pub fn of(config: &WorkerConfig) -> anyhow::Result<Self> {
        let transport = HttpClient::new(&config.http).context("making the HTTP client")?;
        Ok(Self { clock: Arc::new(SystemClock), transport: Arc::new(transport) })
    }
}

/// Serves all queues until `stop` completes, for as long as the store is healthy: before that, and whenever it is
/// unhealthy, no work is taken, so that work waits for a worker with a healthy store. Running activities get their grace.
pub async fn serve(
    config: &WorkerConfig,
    parts: &Parts,
    target: TemporalTarget,
    stop: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).context("starting the SDK runtime")?;
    let runtime = Arc::new(runtime);
    tokio::pin!(stop);
    loop {
        let opened = tokio::select! {
            opened = WatchedStore::open(config.store.clone(), config.probe, target.clone()) => opened?,
            () = &mut stop => return Ok(()),
        };
        let stopped = serve_while_fit(config, parts, target.clone(), &runtime, &opened, &mut stop).await;
        opened.close().await;
        if stopped? == Stopped::AsAsked {
            return Ok(());
        }
    }
}

/// The loops that check the store only wait; each check has a timeout of its own.
const STORE_LOOP_SILENCE_MAX: Duration = Duration::from_secs(60);

/// Why serving ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    AsAsked,
    BecauseOfTheStore,
}

async fn serve_while_fit(
    config: &WorkerConfig,
    parts: &Parts,
    target: TemporalTarget,
    runtime: &Arc<Runtime>,
    opened: &WatchedStore,
    mut stop: impl Future<Output = ()> + Unpin + Send,
) -> anyhow::Result<Stopped> {
    tokio::select! {
        _usable = opened.watch.until(StoreCondition::is_usable) => {}
        // Opened anew, it may be another one.
        _lost = opened.watch.until(StoreCondition::needs_restart) => return Ok(Stopped::BecauseOfTheStore),
        failure = opened.tasks.failed() => return Err(failure.into()),
        () = &mut stop => return Ok(Stopped::AsAsked),
    }
    let deps = Arc::new(deps(config, parts, opened.store.clone()));
    let (mut stopped, mut failed) = (Stopped::AsAsked, None);
    let ends = async {
        tokio::select! {
            () = &mut stop => {}
            condition = opened.watch.until(StoreCondition::is_unfit) => {
                let reason = condition.sentence().unwrap_or_default();
                tracing::error!(reason, "the worker takes no work until the store is healthy again");
                stopped = Stopped::BecauseOfTheStore;
            }
            failure = opened.tasks.failed() => failed = Some(failure),
        }
    };
    queues::serve(config, target, runtime, deps, ends).await?;
    failed.map_or(Ok(stopped), |failure| Err(failure.into()))
}

/// A store that is probed for as long as it is open.
struct WatchedStore {
    store: Arc<dyn Store>,
    watch: StoreWatch,
    tasks: Tasks,
}

impl WatchedStore {
    /// Opens it as soon as that is possible. A Temporal that refuses this worker is an error at once.
    async fn open(settings: StoreSettings, pace: ProbePace, target: TemporalTarget) -> anyhow::Result<Self> {
        let store = open_when_possible(&settings).await;
        let connection = TemporalConnection::connect(target.connection).await.context("connecting to Temporal")?;
        let namespace = Namespace { connection, name: target.client.namespace };
        namespace.admits().await.context("asking Temporal whose database its workflows belong to")?;
        let clock = Arc::new(SystemClock);
        let (probe, watch) = StoreProbe::new(store.clone(), Arc::new(namespace), clock.clone(), pace);
        let journal = StoreJournal::new(store.clone(), clock, watch.clone());
        let tasks = Tasks::new();
        let stopping = tasks.stopping();
        tasks.spawn_loop("store probe", STORE_LOOP_SILENCE_MAX, |pulse| async move {
            pulse.wait(probe.run(stopping)).await;
        });
        let stopping = tasks.stopping();
        tasks.spawn_loop("store journal", STORE_LOOP_SILENCE_MAX, |pulse| async move {
            pulse.wait(journal.run(stopping)).await;
        });
        Ok(Self { store, watch, tasks })
    }

    async fn close(self) {
        self.tasks.stop();
        self.tasks.drain().await;
    }
}

/// Puts together what activities work with.
fn deps(config: &WorkerConfig, parts: &Parts, store: Arc<dyn Store>) -> Deps {
    let connections = config.providers.values();
    let connections = connections.map(|of| (of.profile.provider, connection(config, of, parts, &store))).collect();
    Deps { store, connections, clock: Arc::clone(&parts.clock), keep_raw: config.keep_raw }
}

fn connection(config: &WorkerConfig, configured: &Configured, parts: &Parts, store: &Arc<dyn Store>) -> Connection {
    let (profile, calls) = (configured.profile, (configured.connect)(Arc::clone(&parts.transport)));
    let (credentials, clock) = (Arc::new(StoreCredentials(Arc::clone(store))), Arc::new(SystemClock));
    Connection {
        profile,
        timing: config.timings.of(profile.provider),
        strategy: config.strategies.of(profile.provider),
        tokens: TokenSource::new(calls.sign_in, credentials, clock.clone()),
        calendars: calls.calendars,
        webhook_address: gateway::webhook_address(&config.public_url, profile.provider),
        channel_token_keys: configured.keys.clone(),
        outages: Outages::default(),
        client_alert: ClientAlert::new(profile.provider, Arc::clone(store), clock),
    }
}
