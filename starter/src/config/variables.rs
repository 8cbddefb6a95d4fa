//! Every variable that a gateway or a worker reads. A test holds the list to what the two really ask for, and another to
//! the README.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use evercal_domain::{Provider, zones};
use evercal_settings::{ConfigError, Lookup, TemporalTarget};
use evercal_worker::builds::BuildId;
use evercal_workflows::Timing;

use super::temporal;

/// Who reads a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// `evercal gateway`
    Gateway,
    /// `evercal worker`
    Worker,
    /// `evercal codec`
    Codec,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Worker => "worker",
            Self::Codec => "codec",
        }
    }
}

/// What may be shown of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Whole,
    /// An address, without the password that it may hold.
    Address,
    /// That it is set.
    Secret,
}

/// Where a value comes from when nobody gives one.
pub enum Otherwise {
    /// It has to be given.
    Required,
    /// Always this.
    Value(&'static str),
    /// Nothing, which means this.
    Nothing(&'static str),
    /// This duration, which `EVERCAL_TIMING` may set too.
    Timing { field: &'static str, read: fn(&Timing) -> String },
    /// What the SDK finds in its profile file, or its own default; nothing means the text.
    TemporalSdk { read: fn(&TemporalTarget) -> Option<String>, nothing: &'static str },
}

/// A variable.
pub struct Variable {
    pub name: &'static str,
    pub read_by: &'static [Role],
    pub shown: Shown,
    pub otherwise: Otherwise,
    /// Reads it as the roles do.
    pub check: fn(&Lookup<'_>) -> Result<(), ConfigError>,
}

const BOTH: &[Role] = &[Role::Gateway, Role::Worker];
const ALL: &[Role] = &[Role::Gateway, Role::Worker, Role::Codec];

/// In the order of the README.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "DATABASE_URL",
        read_by: BOTH,
        shown: Shown::Address,
        otherwise: Otherwise::Required,
        check: |lookup| evercal_settings::database_url(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_DATABASE_CONNECTIONS",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Value("10"),
        check: |lookup| evercal_settings::database_connections(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_MASTER_KEY",
        read_by: BOTH,
        shown: Shown::Secret,
        otherwise: Otherwise::Required,
        check: |lookup| evercal_settings::keyring(lookup).map(drop),
    },
    Variable {
        name: "GOOGLE_WEBHOOK_TOKEN",
        read_by: BOTH,
        shown: Shown::Secret,
        otherwise: Otherwise::Required,
        check: |lookup| evercal_settings::channel_token_keys(lookup).map(drop),
    },
    Variable {
        name: "WEBHOOK_BASE_URL",
        read_by: BOTH,
        shown: Shown::Address,
        otherwise: Otherwise::Required,
        check: |lookup| evercal_settings::public_url(lookup).map(drop),
    },
    Variable {
        name: "GOOGLE_CLIENT_ID",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Required,
        check: |lookup| evercal_settings::google_client_id(lookup).map(drop),
    },
    Variable {
        name: "GOOGLE_CLIENT_SECRET",
        read_by: &[Role::Worker],
        shown: Shown::Secret,
        otherwise: Otherwise::Required,
        check: |lookup| evercal_settings::google_client_secret(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_GOOGLE_BASE_URL",
        read_by: BOTH,
        shown: Shown::Address,
        otherwise: Otherwise::Nothing("Google's own servers"),
        check: |lookup| evercal_settings::google_base_url(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_GOOGLE_AUTH_URL",
        read_by: BOTH,
        shown: Shown::Address,
        otherwise: Otherwise::Nothing("Google's own consent page"),
        check: |lookup| evercal_settings::google_auth_url(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_CORS_ORIGINS",
        read_by: &[Role::Gateway],
        shown: Shown::Whole,
        otherwise: Otherwise::Nothing("no other origins"),
        check: |lookup| evercal_gateway::config::cors_origins(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_CONNECTIONS_PER_PEER",
        read_by: &[Role::Gateway],
        shown: Shown::Whole,
        otherwise: Otherwise::Nothing("three quarters of all"),
        check: |lookup| evercal_gateway::config::connections_per_peer(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_TRUSTED_PROXIES",
        read_by: &[Role::Gateway],
        shown: Shown::Whole,
        otherwise: Otherwise::Nothing("no proxies"),
        check: |lookup| evercal_gateway::config::trusted_proxies(lookup).map(drop),
    },
    Variable {
        name: "TEMPORAL_ADDRESS",
        read_by: BOTH,
        shown: Shown::Address,
        otherwise: Otherwise::TemporalSdk { read: |target| Some(target.connection.target.to_string()), nothing: "" },
        check: temporal::check_target,
    },
    Variable {
        name: "TEMPORAL_NAMESPACE",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::TemporalSdk { read: |target| Some(target.client.namespace.clone()), nothing: "" },
        check: |_| Ok(()),
    },
    Variable {
        name: "TEMPORAL_API_KEY",
        read_by: BOTH,
        shown: Shown::Secret,
        otherwise: Otherwise::TemporalSdk { read: temporal::api_key, nothing: "no key" },
        check: |_| Ok(()),
    },
    Variable {
        name: "TEMPORAL_TLS",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::TemporalSdk {
            read: |target| Some(target.connection.tls_options.is_some().to_string()),
            nothing: "",
        },
        check: temporal::check_switch,
    },
    Variable {
        name: "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::TemporalSdk { read: temporal::authority, nothing: "the authorities of this machine" },
        check: |_| Ok(()),
    },
    Variable {
        name: "TEMPORAL_TLS_SERVER_NAME",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::TemporalSdk { read: temporal::server_name, nothing: "the host of TEMPORAL_ADDRESS" },
        check: |_| Ok(()),
    },
    Variable {
        name: "TEMPORAL_TLS_CLIENT_CERT_PATH",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::TemporalSdk { read: temporal::client_certificate, nothing: "no certificate" },
        check: |_| Ok(()),
    },
    Variable {
        name: "TEMPORAL_TLS_CLIENT_KEY_PATH",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::TemporalSdk { read: temporal::client_certificate, nothing: "no certificate" },
        check: |_| Ok(()),
    },
    Variable {
        name: "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Value("false"),
        check: temporal::check_verification,
    },
    Variable {
        name: "TEMPORAL_PROFILE",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Value("default"),
        check: |_| Ok(()),
    },
    Variable {
        name: "TEMPORAL_CONFIG_FILE",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Nothing("temporalio/temporal.toml in the user's configuration folder"),
        check: temporal::check_profile_file,
    },
    Variable {
        name: "EVERCAL_PAYLOAD_KEY",
        read_by: ALL,
        shown: Shown::Secret,
        otherwise: Otherwise::Nothing("payloads stay readable in Temporal"),
        check: |lookup| evercal_settings::payload_codec(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_CODEC_ADDRESS",
        read_by: &[Role::Codec],
        shown: Shown::Whole,
        otherwise: Otherwise::Value(evercal_codec::DEFAULT_ADDRESS),
        check: |lookup| evercal_codec::address(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_CODEC_ORIGINS",
        read_by: &[Role::Codec],
        shown: Shown::Whole,
        otherwise: Otherwise::Nothing("no browser"),
        check: |lookup| evercal_codec::origins(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_HTTP_ADDRESS",
        read_by: &[Role::Gateway],
        shown: Shown::Whole,
        otherwise: Otherwise::Value(evercal_gateway::DEFAULT_ADDRESS),
        check: |lookup| {
            lookup.optional::<SocketAddr>("EVERCAL_HTTP_ADDRESS", evercal_gateway::DEFAULT_ADDRESS).map(drop)
        },
    },
    Variable {
        name: "EVERCAL_BUILD_ID",
        read_by: &[Role::Worker],
        shown: Shown::Whole,
        otherwise: Otherwise::Nothing("workers are not versioned"),
        check: |lookup| lookup.optional::<BuildId>("EVERCAL_BUILD_ID", "2026-11-26.1").map(drop),
    },
    Variable {
        name: "SYNC_CONCURRENT_JOBS",
        read_by: &[Role::Worker],
        shown: Shown::Whole,
        otherwise: Otherwise::Value("10"),
        check: |lookup| lookup.optional::<NonZeroUsize>("SYNC_CONCURRENT_JOBS", "10").map(drop),
    },
    Variable {
        name: "EVERCAL_WORKER_MEMORY_MIB",
        read_by: &[Role::Worker],
        shown: Shown::Whole,
        otherwise: Otherwise::Value("210"),
        check: |lookup| lookup.optional::<NonZeroU64>("EVERCAL_WORKER_MEMORY_MIB", "210").map(drop),
    },
    Variable {
        name: "SYNC_MAX_RETRIES",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing { field: "sync_retries_max", read: retries },
        check: |lookup| lookup.optional::<u32>("SYNC_MAX_RETRIES", "5").map(drop),
    },
    Variable {
        name: "SYNC_TIMEOUT_MS",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing { field: "sync_timeout_ms", read: |timing| timing.sync_timeout_ms.to_string() },
        check: |lookup| lookup.optional::<NonZeroU64>("SYNC_TIMEOUT_MS", "600000").map(drop),
    },
    Variable {
        name: "POLLING_INTERVAL_MS",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing {
            field: "polling_interval_s",
            read: |timing| (u64::from(timing.polling_interval_s) * 1_000).to_string(),
        },
        check: |lookup| lookup.optional::<NonZeroU64>("POLLING_INTERVAL_MS", "900000").map(drop),
    },
    Variable {
        name: evercal_settings::strategy_variable(Provider::Google),
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Value("webhook"),
        check: |lookup| evercal_settings::sync_strategy(lookup, Provider::Google).map(drop),
    },
    Variable {
        name: "RENEW_LEAD",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing { field: "renew_lead_s", read: |timing| timing.renew_lead_s.to_string() },
        check: |lookup| lookup.optional::<u32>("RENEW_LEAD", "86400").map(drop),
    },
    Variable {
        name: "RECONCILE_INTERVAL",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing {
            field: "reconcile_interval_s",
            read: |timing| timing.reconcile_interval_s.to_string(),
        },
        check: |lookup| lookup.optional::<NonZeroU32>("RECONCILE_INTERVAL", "21600").map(drop),
    },
    Variable {
        name: "EVERCAL_TIMING",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Nothing("the durations of workflows/src/retry.rs"),
        check: |lookup| evercal_settings::timing_document(lookup).map(drop),
    },
    Variable {
        name: "EVERCAL_SIMULATED_TIME",
        read_by: &[Role::Worker],
        shown: Shown::Whole,
        otherwise: Otherwise::Value("false"),
        check: |lookup| lookup.optional::<bool>("EVERCAL_SIMULATED_TIME", "true").map(drop),
    },
    Variable {
        name: "EVERCAL_ZONEINFO",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Value(zones::SYSTEM_FOLDER),
        check: |lookup| evercal_settings::zone_data_folder(lookup).map(drop),
    },
    Variable {
        name: "RUST_LOG",
        read_by: BOTH,
        shown: Shown::Whole,
        otherwise: Otherwise::Value("info"),
        check: |lookup| evercal_settings::log_filter(lookup).map(drop),
    },
];

fn retries(timing: &Timing) -> String {
    timing.sync_retries_max.map_or_else(|| "by kind of job".to_owned(), |retries| retries.to_string())
}
