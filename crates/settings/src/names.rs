//! The names of all settings, without those that Temporal's SDK reads. `evercal config` knows more about each; a test
//! there holds the two lists together.

/// May hold a secret; each can also be given by the file that `<name>_FILE` names.
pub const SECRETS: [&str; 5] =
    ["DATABASE_URL", "EVERCAL_MASTER_KEY", "EVERCAL_PAYLOAD_KEY", "GOOGLE_CLIENT_SECRET", "GOOGLE_WEBHOOK_TOKEN"];

/// The others.
pub const PLAIN: [&str; 24] = [
    "EVERCAL_BUILD_ID",
    "EVERCAL_CODEC_ADDRESS",
    "EVERCAL_CODEC_ORIGINS",
    "EVERCAL_CONNECTIONS_PER_PEER",
    "EVERCAL_CORS_ORIGINS",
    "EVERCAL_DATABASE_CONNECTIONS",
    "EVERCAL_GOOGLE_AUTH_URL",
    "EVERCAL_GOOGLE_BASE_URL",
    "EVERCAL_HTTP_ADDRESS",
    "EVERCAL_SIMULATED_TIME",
    "EVERCAL_TIMING",
    "EVERCAL_TRUSTED_PROXIES",
    "EVERCAL_ZONEINFO",
    "EVERCAL_WORKER_MEMORY_MIB",
    "GOOGLE_CLIENT_ID",
    "POLLING_INTERVAL_MS",
    "RECONCILE_INTERVAL",
    "RENEW_LEAD",
    "RUST_LOG",
    "SYNC_CONCURRENT_JOBS",
    "SYNC_MAX_RETRIES",
    "SYNC_STRATEGY_GOOGLE",
    "SYNC_TIMEOUT_MS",
    "WEBHOOK_BASE_URL",
];

/// Whether a value of this name may be a secret.
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Whether there is such a setting.
pub fn is_name(name: &str) -> bool {
    PLAIN.contains(&name) || is_secret(name) || name.strip_suffix("_FILE").is_some_and(is_secret)
}
