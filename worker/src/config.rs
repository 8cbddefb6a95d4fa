//! What a worker has to know to run.

use std::collections::BTreeMap;

use evercal_domain::{ByProvider, Provider, SyncStrategy};
use evercal_http::HttpSettings;
use evercal_providers::{Configured, registry};
use evercal_settings::{BuildId, ConfigError, Lookup, gateway, store, timing, worker};
use evercal_storage::{ProbePace, StoreSettings};
use evercal_workflows::Timing;
use url::Url;

/// The configuration of a worker.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Where the mirror is kept, and the keys that open credentials.
    pub store: StoreSettings,
    /// The providers that the installation is set up for.
    pub providers: BTreeMap<Provider, Configured>,
    /// Where browsers and providers reach the gateway (`WEBHOOK_BASE_URL`).
    pub public_url: Url,
    /// The durations that workflows go by.
    pub timings: ByProvider<Timing>,
    /// How changes are found (`SYNC_STRATEGY_…`).
    pub strategies: ByProvider<SyncStrategy>,
    /// What one call to a provider may take.
    pub http: HttpSettings,
    /// Syncs at a time in this process (`SYNC_CONCURRENT_JOBS`).
    pub concurrent_syncs: usize,
    /// How large the process may grow before it lets go of the workflows in memory, in MiB (`EVERCAL_WORKER_MEMORY_MIB`).
    pub memory_mib: u64,
    /// The build that this process is of, where workers are versioned (`EVERCAL_BUILD_ID`): it gets no work until its build
    /// was promoted.
    pub build_id: Option<BuildId>,
    /// Whether the provider's own text of each event is kept (`EVERCAL_KEEP_RAW`).
    pub keep_raw: bool,
    /// How often the store's health is checked.
    pub probe: ProbePace,
}

impl WorkerConfig {
    /// Reads the configuration; errors name the variable, what is wrong and an example.
    pub fn from_lookup(lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            store: store::settings(lookup)?,
            providers: registry::configured(lookup)?,
            public_url: gateway::PUBLIC_URL.read(lookup)?,
            timings: timing::by_provider(lookup)?,
            strategies: registry::strategies(lookup)?,
            http: HttpSettings::default(),
            build_id: worker::BUILD_ID.read(lookup)?,
            memory_mib: worker::MEMORY_MIB.read(lookup)?.get(),
            concurrent_syncs: worker::CONCURRENT_JOBS.read(lookup)?.get(),
            keep_raw: worker::KEEP_RAW.read(lookup)?,
            probe: ProbePace::default(),
        })
    }
}
