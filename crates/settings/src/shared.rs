//! The settings that more than one process reads.

use evercal_domain::Provider;
use evercal_domain::account::Secret;
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_providers::google::GoogleSettings;
use evercal_storage::Keyring;
use evercal_workflows::Timing;
use url::Url;

use crate::lookup::{ConfigError, Lookup};

const WEBHOOK_KEY_EXAMPLE: &str = "the output of `openssl rand -hex 32`";
const MASTER_KEY_EXAMPLE: &str = "k1: followed by the output of `openssl rand -base64 32`";
const SIMULATOR_EXAMPLE: &str = "http://127.0.0.1:9000";

/// `DATABASE_URL`: where the mirror is kept.
pub fn database_url(lookup: &Lookup<'_>) -> Result<String, ConfigError> {
    lookup.required("DATABASE_URL", "sqlite:///var/lib/evercal/evercal.db")
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

/// `GOOGLE_CLIENT_ID` and the rest of the OAuth client. Only who redeems codes needs `GOOGLE_CLIENT_SECRET`.
/// `EVERCAL_GOOGLE_BASE_URL` puts all of Google's paths under another server (the simulator); `EVERCAL_GOOGLE_AUTH_URL` the
/// consent page alone.
pub fn google(lookup: &Lookup<'_>, with_secret: bool) -> Result<GoogleSettings, ConfigError> {
    let client_id = lookup.required("GOOGLE_CLIENT_ID", "1234.apps.googleusercontent.com")?;
    let client_secret = if with_secret {
        lookup.secret("GOOGLE_CLIENT_SECRET", "the secret that Google's console shows beside the client id")?
    } else {
        Secret::new(String::new())
    };
    let base: Option<Url> = lookup.optional("EVERCAL_GOOGLE_BASE_URL", SIMULATOR_EXAMPLE)?;
    let settings = match &base {
        Some(base) => GoogleSettings::at(base, client_id, client_secret),
        None => GoogleSettings::google(client_id, client_secret),
    };
    let mut settings =
        settings.map_err(|error| ConfigError::new("EVERCAL_GOOGLE_BASE_URL", error, SIMULATOR_EXAMPLE))?;
    if let Some(auth_url) = lookup.optional("EVERCAL_GOOGLE_AUTH_URL", "http://127.0.0.1:9000/o/oauth2/v2/auth")? {
        settings.auth_url = auth_url;
    }
    Ok(settings)
}

/// The durations. `EVERCAL_TIMING` holds any of them as JSON; the names of their own go over it.
pub fn timing(lookup: &Lookup<'_>) -> Result<Timing, ConfigError> {
    const EXAMPLE: &str = r#"{"ladder_s":[300,600,1200]}"#;
    let mut timing = match lookup.text("EVERCAL_TIMING") {
        Some(json) => {
            serde_json::from_str(&json).map_err(|error| ConfigError::new("EVERCAL_TIMING", error, EXAMPLE))?
        }
        None => Timing::default(),
    };
    if let Some(interval_ms) = lookup.optional::<u64>("POLLING_INTERVAL_MS", "900000")? {
        timing.polling_interval_s = u32::try_from(interval_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
    }
    if let Some(timeout_ms) = lookup.optional("SYNC_TIMEOUT_MS", "600000")? {
        timing.sync_timeout_ms = timeout_ms;
    }
    if let Some(retries_max) = lookup.optional("SYNC_MAX_RETRIES", "5")? {
        timing.sync_retries_max = Some(retries_max);
    }
    if let Some(lead_s) = lookup.optional("RENEW_LEAD", "86400")? {
        timing.renew_lead_s = lead_s;
    }
    if let Some(interval_s) = lookup.optional("RECONCILE_INTERVAL", "21600")? {
        timing.reconcile_interval_s = interval_s;
    }
    Ok(timing)
}
