//! What a worker has to know to run.

use std::num::{NonZeroU64, NonZeroUsize};

use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_domain::{Provider, SyncStrategies};
use evercal_http::HttpSettings;
use evercal_providers::google::GoogleSettings;
use evercal_settings::{ConfigError, Lookup};
use evercal_storage::{ProbePace, StoreSettings};
use evercal_workflows::Timing;
use url::Url;

use crate::builds::BuildId;

/// The configuration of a worker.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Where the mirror is kept, and the keys that open credentials.
    pub store: StoreSettings,
    /// The keys that sign channel tokens.
    pub channel_token_keys: ChannelTokenKeys,
    /// The OAuth client at Google, and where Google is.
    pub google: GoogleSettings,
    /// Where Google's notices are to be sent.
    pub google_webhook_address: Url,
    /// The durations that workflows go by.
    pub timing: Timing,
    /// How changes are found, by provider (`SYNC_STRATEGY_…`).
    pub strategies: SyncStrategies,
    /// What one call to a provider may take.
    pub http: HttpSettings,
    /// Syncs at a time in this process (`SYNC_CONCURRENT_JOBS`).
    pub concurrent_syncs: usize,
    /// How large the process may grow before it lets go of the workflows in memory, in MiB (`EVERCAL_WORKER_MEMORY_MIB`).
    pub memory_mib: u64,
    /// The build that this process is of, where workers are versioned (`EVERCAL_BUILD_ID`): it gets no work until its build
    /// was promoted.
    pub build_id: Option<BuildId>,
    /// Whether requests carry the workflow's time for a simulator (`EVERCAL_SIMULATED_TIME`). Never in production.
    pub simulated_time: bool,
    /// How often it is looked how the store is.
    pub probe: ProbePace,
}

/// How large a worker's process may grow where nobody says otherwise, in MiB.
pub(crate) const MEMORY_MIB_DEFAULT: u64 = 210;

impl WorkerConfig {
    /// Reads the configuration; errors name the variable, what is wrong and an example.
    pub fn from_lookup(lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            store: evercal_settings::store(lookup)?,
            channel_token_keys: evercal_settings::channel_token_keys(lookup)?,
            google: evercal_settings::google(lookup, true)?,
            google_webhook_address: evercal_settings::webhook_address(lookup, Provider::Google)?,
            timing: evercal_settings::timing(lookup)?,
            strategies: evercal_settings::sync_strategies(lookup)?,
            http: HttpSettings::default(),
            build_id: lookup.optional("EVERCAL_BUILD_ID", "2026-11-26.1 or a commit's hash")?,
            memory_mib: lookup
                .optional::<NonZeroU64>("EVERCAL_WORKER_MEMORY_MIB", "210")?
                .map_or(MEMORY_MIB_DEFAULT, NonZeroU64::get),
            concurrent_syncs: lookup.or_default::<NonZeroUsize>("SYNC_CONCURRENT_JOBS", "10", "10")?.get(),
            simulated_time: lookup.or_default("EVERCAL_SIMULATED_TIME", "false", "true")?,
            probe: ProbePace::default(),
        })
    }
}
