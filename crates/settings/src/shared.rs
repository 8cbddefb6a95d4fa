//! The settings that more than one process reads.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use evercal_domain::account::Secret;
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_domain::{Provider, zones};
use evercal_providers::google::GoogleSettings;
use evercal_storage::{DatabaseUrl, Keyring, StoreSettings};
use evercal_workflows::Timing;
use serde_json::Value;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::lookup::{ConfigError, Lookup};

const WEBHOOK_KEY_EXAMPLE: &str = "the output of `openssl rand -hex 32`";
const MASTER_KEY_EXAMPLE: &str = "k1: followed by the output of `openssl rand -base64 32`";
const SIMULATOR_EXAMPLE: &str = "http://127.0.0.1:9000";

/// `DATABASE_URL`: where the mirror is kept.
pub fn database_url(lookup: &Lookup<'_>) -> Result<DatabaseUrl, ConfigError> {
    const VARIABLE: &str = "DATABASE_URL";
    const EXAMPLE: &str = "postgres://evercal@localhost/evercal or sqlite:///var/lib/evercal/evercal.db";
    let url = lookup.secret(VARIABLE, EXAMPLE)?;
    url.expose().parse().map_err(|error| ConfigError::new(VARIABLE, error, EXAMPLE))
}

/// `EVERCAL_DATABASE_CONNECTIONS`: how many connections to PostgreSQL one process holds at most.
pub fn database_connections(lookup: &Lookup<'_>) -> Result<u32, ConfigError> {
    const VARIABLE: &str = "EVERCAL_DATABASE_CONNECTIONS";
    const EXAMPLE: &str = "10";
    match lookup.optional(VARIABLE, EXAMPLE)? {
        None => Ok(evercal_storage::CONNECTIONS_MAX_DEFAULT),
        Some(connections @ 2..=1_000) => Ok(connections),
        Some(_) => Err(ConfigError::new(VARIABLE, "it has to be from 2 to 1000", EXAMPLE)),
    }
}

/// All that it takes to open the store.
pub fn store(lookup: &Lookup<'_>) -> Result<StoreSettings, ConfigError> {
    let (url, connections_max) = (database_url(lookup)?, database_connections(lookup)?);
    Ok(StoreSettings { url, connections_max, keyring: keyring(lookup)? })
}

/// `EVERCAL_MASTER_KEY`, for what can be done without it.
pub fn keyring_if_set(lookup: &Lookup<'_>) -> Result<Option<Keyring>, ConfigError> {
    const VARIABLE: &str = "EVERCAL_MASTER_KEY";
    let Some(text) = lookup.optional_secret(VARIABLE)? else { return Ok(None) };
    Keyring::parse(text.expose()).map(Some).map_err(|error| ConfigError::new(VARIABLE, error, MASTER_KEY_EXAMPLE))
}

/// `EVERCAL_MASTER_KEY`: the keys that seal credentials; the first seals, all open.
pub fn keyring(lookup: &Lookup<'_>) -> Result<Keyring, ConfigError> {
    const VARIABLE: &str = "EVERCAL_MASTER_KEY";
    let text = lookup.secret(VARIABLE, MASTER_KEY_EXAMPLE)?;
    Keyring::parse(text.expose()).map_err(|error| ConfigError::new(VARIABLE, error, MASTER_KEY_EXAMPLE))
}

/// `GOOGLE_WEBHOOK_TOKEN`: the keys that prove notices; the first signs, all verify.
pub fn channel_token_keys(lookup: &Lookup<'_>) -> Result<ChannelTokenKeys, ConfigError> {
    const VARIABLE: &str = "GOOGLE_WEBHOOK_TOKEN";
    let keys = lookup.secret(VARIABLE, WEBHOOK_KEY_EXAMPLE)?;
    ChannelTokenKeys::parse(keys.expose()).map_err(|error| ConfigError::new(VARIABLE, error, WEBHOOK_KEY_EXAMPLE))
}

/// `WEBHOOK_BASE_URL`: where browsers and providers reach the gateway.
pub fn public_url(lookup: &Lookup<'_>) -> Result<Url, ConfigError> {
    lookup.url("WEBHOOK_BASE_URL", "https://calendar.example.com")
}

/// Where a provider's notices are to be sent.
pub fn webhook_address(lookup: &Lookup<'_>, provider: Provider) -> Result<Url, ConfigError> {
    let mut address = public_url(lookup)?;
    address.set_path(&format!("/api/webhooks/{}", provider.as_str()));
    Ok(address)
}

/// `GOOGLE_CLIENT_ID`: the OAuth client at Google.
pub fn google_client_id(lookup: &Lookup<'_>) -> Result<String, ConfigError> {
    lookup.required("GOOGLE_CLIENT_ID", "1234.apps.googleusercontent.com")
}

/// `GOOGLE_CLIENT_SECRET`: only who redeems codes needs it.
pub fn google_client_secret(lookup: &Lookup<'_>) -> Result<Secret, ConfigError> {
    lookup.secret("GOOGLE_CLIENT_SECRET", "the secret that Google's console shows beside the client id")
}

/// `EVERCAL_GOOGLE_BASE_URL`: puts all of Google's paths under another server (the simulator).
pub fn google_base_url(lookup: &Lookup<'_>) -> Result<Option<Url>, ConfigError> {
    lookup.optional("EVERCAL_GOOGLE_BASE_URL", SIMULATOR_EXAMPLE)
}

/// `EVERCAL_GOOGLE_AUTH_URL`: another consent page alone.
pub fn google_auth_url(lookup: &Lookup<'_>) -> Result<Option<Url>, ConfigError> {
    lookup.optional("EVERCAL_GOOGLE_AUTH_URL", "http://127.0.0.1:9000/o/oauth2/v2/auth")
}

/// All of the OAuth client, with an empty secret for those who do not need it.
pub fn google(lookup: &Lookup<'_>, with_secret: bool) -> Result<GoogleSettings, ConfigError> {
    let client_id = google_client_id(lookup)?;
    let client_secret = if with_secret { google_client_secret(lookup)? } else { Secret::new(String::new()) };
    let base = google_base_url(lookup)?;
    let settings = match &base {
        Some(base) => GoogleSettings::at(base, client_id, client_secret),
        None => GoogleSettings::google(client_id, client_secret),
    };
    let mut settings =
        settings.map_err(|error| ConfigError::new("EVERCAL_GOOGLE_BASE_URL", error, SIMULATOR_EXAMPLE))?;
    if let Some(auth_url) = google_auth_url(lookup)? {
        settings.auth_url = auth_url;
    }
    Ok(settings)
}

/// `EVERCAL_ZONEINFO`: the folder of this machine's time zone data, which are used where they are newer than those that
/// are compiled in.
pub fn zone_data_folder(lookup: &Lookup<'_>) -> Result<Option<PathBuf>, ConfigError> {
    const VARIABLE: &str = "EVERCAL_ZONEINFO";
    let folder: Option<PathBuf> = lookup.optional(VARIABLE, zones::SYSTEM_FOLDER)?;
    if folder.as_ref().is_some_and(|folder| !folder.is_dir()) {
        return Err(ConfigError::new(VARIABLE, "there is no such folder", zones::SYSTEM_FOLDER));
    }
    Ok(folder)
}

/// Takes those data into use; to be called once, when a part starts.
pub fn use_zone_data(lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    if let Some(folder) = zone_data_folder(lookup)? {
        zones::use_folder(&folder);
    }
    Ok(())
}

/// How much is logged when nobody says it.
const DEFAULT_LOG_FILTER: &str = "info";

/// `RUST_LOG`: how much is logged.
pub fn log_filter(lookup: &Lookup<'_>) -> Result<EnvFilter, ConfigError> {
    let filter = lookup.optional("RUST_LOG", "info,evercal_gateway=debug")?;
    Ok(filter.unwrap_or_else(|| EnvFilter::new(DEFAULT_LOG_FILTER)))
}

/// What `EVERCAL_TIMING` says.
pub struct TimingDocument {
    /// The durations, the default where it is silent.
    pub timing: Timing,
    /// The durations that it names.
    pub names: Vec<String>,
}

/// `EVERCAL_TIMING`: any durations, as a JSON object. One that does not exist is an error, since it would change nothing.
pub fn timing_document(lookup: &Lookup<'_>) -> Result<Option<TimingDocument>, ConfigError> {
    const VARIABLE: &str = "EVERCAL_TIMING";
    const EXAMPLE: &str = r#"{"ladder_s":[300,600,1200]}"#;
    let Some(json) = lookup.text(VARIABLE) else { return Ok(None) };
    let wrong = |error: serde_json::Error| ConfigError::new(VARIABLE, error, EXAMPLE);
    let fields: serde_json::Map<String, Value> = serde_json::from_str(&json).map_err(wrong)?;
    let known = serde_json::to_value(Timing::default()).map_err(wrong)?;
    if let Some(unknown) = fields.keys().find(|name| known.get(name.as_str()).is_none()) {
        return Err(ConfigError::new(VARIABLE, format!("there is no duration `{unknown}`"), EXAMPLE));
    }
    let names = fields.keys().cloned().collect();
    let timing: Timing = serde_json::from_value(Value::Object(fields)).map_err(wrong)?;
    // Without a pause a workflow would fill its history and never do anything else.
    let pauses = [
        ("polling_interval_s", timing.polling_interval_s),
        ("reconcile_interval_s", timing.reconcile_interval_s),
        ("discovery_interval_s", timing.discovery_interval_s),
        ("regain_interval_s", timing.regain_interval_s),
    ];
    if let Some((name, _)) = pauses.iter().find(|(_, pause_s)| *pause_s == 0) {
        return Err(ConfigError::new(VARIABLE, format!("`{name}` has to be at least 1"), EXAMPLE));
    }
    Ok(Some(TimingDocument { timing, names }))
}

/// The durations: those of [`timing_document`], and over them those that have names of their own.
pub fn timing(lookup: &Lookup<'_>) -> Result<Timing, ConfigError> {
    let mut timing = timing_document(lookup)?.map_or_else(Timing::default, |document| document.timing);
    if let Some(interval_ms) = lookup.optional::<NonZeroU64>("POLLING_INTERVAL_MS", "900000")? {
        timing.polling_interval_s = u32::try_from(interval_ms.get().div_ceil(1_000)).unwrap_or(u32::MAX);
    }
    if let Some(timeout_ms) = lookup.optional::<NonZeroU64>("SYNC_TIMEOUT_MS", "600000")? {
        timing.sync_timeout_ms = timeout_ms.get();
    }
    if let Some(retries_max) = lookup.optional("SYNC_MAX_RETRIES", "5")? {
        timing.sync_retries_max = Some(retries_max);
    }
    if let Some(lead_s) = lookup.optional("RENEW_LEAD", "86400")? {
        timing.renew_lead_s = lead_s;
    }
    if let Some(interval_s) = lookup.optional::<NonZeroU32>("RECONCILE_INTERVAL", "21600")? {
        timing.reconcile_interval_s = interval_s.get();
    }
    Ok(timing)
}
