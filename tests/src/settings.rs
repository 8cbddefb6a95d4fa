//! What a world begins with, and what its gateways and workers go by.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use evercal_domain::account::Secret;
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_domain::{SyncStrategy, random};
use evercal_http::HttpSettings;
use evercal_payload_codec::SealingCodec;
use evercal_storage::{DatabaseUrl, Keyring, StoreSettings};
use evercal_worker::builds::BuildId;
use evercal_workflows::Timing;

use crate::providers::ProviderUnderTest;

/// What a world begins with.
pub struct WorldOptions {
    /// The durations of all workflows.
    pub timing: Timing,
    /// How often gateways check that all workflows are there.
    pub fleet_interval: Duration,
    /// How changes are found.
    pub strategy: SyncStrategy,
    /// Events in the user's calendar.
    pub events: u32,
    /// Whether requests carry the workflows' own time, for tests that skip time.
    pub simulated_time: bool,
    /// What one call to the provider may take.
    pub http: HttpSettings,
    /// Syncs at a time.
    pub concurrent_syncs: usize,
    /// Where the store is, with its tables, as `DATABASE_URL` says it; a file in the world's folder when nothing is said.
    pub database: Option<String>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            timing: quick(),
            fleet_interval: Duration::from_mins(10),
            strategy: SyncStrategy::default(),
            events: 20,
            simulated_time: false,
            http: HttpSettings::default(),
            concurrent_syncs: 10,
            database: None,
        }
    }
}

/// The product's durations, with the waits that a test in real time would have to sit through cut short.
pub fn quick() -> Timing {
    Timing { sync_backoff_initial_ms: 50, ladder_s: vec![1, 1, 1], regain_interval_s: 2, ..Timing::default() }
}

/// What gateway and worker share.
#[derive(Clone)]
pub struct Settings {
    /// Where the store is, as `DATABASE_URL` says it.
    pub database: String,
    /// Seals credentials.
    master_key: Secret,
    /// The keys of which those that sign channel tokens are derived.
    channel_keys: Secret,
    /// Where the gateway listens.
    pub gateway_address: SocketAddr,
    /// The durations.
    pub timing: Timing,
    /// How often gateways that start from now on check that all workflows are there.
    pub fleet_interval: Duration,
    /// How changes are found.
    pub strategy: SyncStrategy,
    /// Whether requests carry the workflows' time.
    pub simulated_time: bool,
    /// What one call to the provider may take.
    pub http: HttpSettings,
    /// Syncs at a time in the worker.
    pub concurrent_syncs: usize,
    /// How large the process may grow before workers that start from now on let go of workflows in memory, in MiB. All tests
    /// share one process.
    pub memory_mib: u64,
    /// Seals what Temporal keeps, in gateways and workers that start from now on.
    pub payload_codec: Option<SealingCodec>,
    /// The build of workers that start from now on.
    pub build_id: Option<BuildId>,
    /// Whether workers that start from now on are set up for the provider.
    pub provider_is_on: bool,
    /// Whether workers that start from now on keep the provider's own text of events.
    pub keep_raw: bool,
}

impl Settings {
    /// Fresh keys and a free address, and a store in a folder where none is given.
    pub(crate) fn new(options: WorldOptions, folder: &Path) -> anyhow::Result<Self> {
        let own_file = || DatabaseUrl::file(folder.join("evercal.db")).to_string();
        Ok(Self {
            database: options.database.unwrap_or_else(own_file),
            master_key: Keyring::generate("test")?,
            channel_keys: Secret::new(random::token()?),
            gateway_address: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?,
            timing: options.timing,
            fleet_interval: options.fleet_interval,
            strategy: options.strategy,
            simulated_time: options.simulated_time,
            http: options.http,
            concurrent_syncs: options.concurrent_syncs,
            memory_mib: u64::MAX / 1_048_576,
            payload_codec: None,
            build_id: None,
            provider_is_on: true,
            keep_raw: true,
        })
    }

    /// The keys of which those of each provider are derived.
    pub(crate) fn channel_keys(&self) -> ChannelTokenKeys {
        ChannelTokenKeys::parse(self.channel_keys.expose()).expect("the keys are good")
    }

    /// What it takes to open another store with the keys of this one.
    pub fn store_at(&self, database: &str) -> anyhow::Result<StoreSettings> {
        Ok(StoreSettings::new(database.parse()?, Keyring::parse(self.master_key.expose())?))
    }

    /// What a process would find in its environment.
    pub(crate) fn values(
        &self,
        provider: &dyn ProviderUnderTest,
        database: &str,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let strategy = format!("SYNC_STRATEGY_{}", provider.profile().provider.as_str().to_uppercase());
        let mut timing = serde_json::to_value(&self.timing)?;
        timing["fleet_interval_s"] = self.fleet_interval.as_secs().into();
        let mut values = vec![
            ("DATABASE_URL", database.to_owned()),
            ("EVERCAL_MASTER_KEY", self.master_key.expose().to_owned()),
            ("EVERCAL_HTTP_ADDRESS", self.gateway_address.to_string()),
            ("WEBHOOK_BASE_URL", format!("http://{}/", self.gateway_address)),
            ("EVERCAL_TIMING", timing.to_string()),
            ("EVERCAL_CHANNEL_KEYS", self.channel_keys.expose().to_owned()),
            (strategy.as_str(), self.strategy.as_str().to_owned()),
            ("SYNC_CONCURRENT_JOBS", self.concurrent_syncs.to_string()),
            ("EVERCAL_WORKER_MEMORY_MIB", self.memory_mib.to_string()),
            ("EVERCAL_KEEP_RAW", self.keep_raw.to_string()),
        ];
        values.extend(self.build_id.iter().map(|build_id| ("EVERCAL_BUILD_ID", build_id.to_string())));
        values.extend(provider.settings());
        Ok(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}
