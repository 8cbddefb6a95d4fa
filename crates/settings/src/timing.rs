//! The durations that workflows go by: any of them in one document, and five that have a setting of their own.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::time::Duration;

use evercal_config::reading::optional;
use evercal_config::{About, ConfigError, DefaultValue, Derived, GATEWAY_AND_WORKER, Kind, Lookup, Reader, Setting};
use evercal_domain::{ByProvider, Profile, Provider};
use evercal_providers::Registration;
use evercal_providers::registry::{PROVIDERS, profiles};
use evercal_workflows::Timing;
use serde_json::{Map, Value};

/// The value of `EVERCAL_TIMING`, by the names of the durations.
#[derive(Default)]
pub struct TimingDocument {
    of_all: Map<String, Value>,
    of_providers: BTreeMap<Provider, Map<String, Value>>,
    fleet_interval_s: Option<NonZeroU32>,
}

/// In [`TIMING`], the one duration that concerns no provider.
const FLEET_INTERVAL_S: &str = "fleet_interval_s";

/// Any durations, as a JSON object, in which a provider's name has an object of its own. A duration that does not exist is an
/// error, since it would change nothing.
pub static TIMING: Setting<Option<TimingDocument>> = Setting {
    about: About {
        name: "EVERCAL_TIMING",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Nothing("the durations of workflows/src/retry.rs"),
        example: r#"{"ladder_s":[300,600,1200]}"#,
        meaning: "any duration of `workflows/src/retry.rs`, as JSON, for all providers, or under a provider's name for that one; the five settings \
                  for single durations go over it, wherever each is set; `fleet_interval_s` is how long a workflow may be missing until \
                  a gateway starts it again",
    },
    read: document,
};

/// Caps the retries of a sync.
pub static MAX_RETRIES: Setting<Option<u32>> =
    single("SYNC_MAX_RETRIES", "5", "caps the retries of a sync", |lookup| {
        derived(lookup, "sync_retries_max", retries)
    });

/// The longest attempt at a sync, in milliseconds.
pub static TIMEOUT_MS: Setting<Option<NonZeroU64>> =
    single("SYNC_TIMEOUT_MS", "600000", "the longest attempt at a sync, in milliseconds", |lookup| {
        derived(lookup, "sync_timeout_ms", |timing| timing.sync_timeout_ms.to_string())
    });

/// Between two syncs that the poller asks for, in milliseconds.
pub static POLLING_INTERVAL_MS: Setting<Option<NonZeroU64>> =
    single("POLLING_INTERVAL_MS", "900000", "between two syncs that the poller asks for, in milliseconds", |lookup| {
        derived(lookup, "polling_interval_s", |timing| (u64::from(timing.polling_interval_s) * 1_000).to_string())
    });

/// Seconds before its end at which a channel is renewed.
pub static RENEW_LEAD_S: Setting<Option<u32>> =
    single("RENEW_LEAD", "86400", "seconds before its end at which a channel is renewed", |lookup| {
        derived(lookup, "renew_lead_s", |timing| timing.renew_lead_s.to_string())
    });

/// Seconds between two syncs that need no other reason.
pub static RECONCILE_INTERVAL_S: Setting<Option<NonZeroU32>> =
    single("RECONCILE_INTERVAL", "21600", "seconds between two syncs that need no other reason", |lookup| {
        derived(lookup, "reconcile_interval_s", |timing| timing.reconcile_interval_s.to_string())
    });

/// A setting for a single duration or number, which [`TIMING`] has too.
const fn single<T: FromStr<Err: Display>>(
    name: &'static str,
    example: &'static str,
    meaning: &'static str,
    derive: fn(&Lookup<'_>) -> Derived,
) -> Setting<Option<T>> {
    let (read_by, kind, default) = (GATEWAY_AND_WORKER, Kind::Plain, DefaultValue::Derived(derive));
    Setting { about: About { name, read_by, kind, default, example, meaning }, read: optional }
}

/// How long a workflow that should run may be missing, where `EVERCAL_TIMING` does not say it.
const FLEET_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// The durations of each provider's accounts: what suits the provider, under [`TIMING`], under what that says of the provider,
/// under those that have settings of their own.
pub fn by_provider(lookup: &Lookup<'_>) -> Result<ByProvider<Timing>, ConfigError> {
    let document = TIMING.read(lookup)?.unwrap_or_default();
    let one = |registration: &&Registration| {
        Ok((registration.profile.provider, of_provider(lookup, &document, registration)?))
    };
    PROVIDERS.iter().map(one).collect()
}

fn of_provider(
    lookup: &Lookup<'_>,
    document: &TimingDocument,
    registration: &Registration,
) -> Result<Timing, ConfigError> {
    let profile = registration.profile;
    let mut suited = Timing::of(&profile.defaults);
    if let Some(lifetime_s) = (registration.channel_lifetime_s)(lookup)? {
        suited.channel_lifetime_s = lifetime_s;
    }
    let timing = document.over(suited, Some(profile.provider));
    let mut timing = timing.map_err(|error| TIMING.about.error(error))?;
    if let Some(interval_ms) = POLLING_INTERVAL_MS.read(lookup)? {
        timing.polling_interval_s = u32::try_from(interval_ms.get().div_ceil(1_000)).unwrap_or(u32::MAX);
    }
    if let Some(timeout_ms) = TIMEOUT_MS.read(lookup)? {
        timing.sync_timeout_ms = timeout_ms.get();
    }
    if let Some(retries_max) = MAX_RETRIES.read(lookup)? {
        timing.sync_retries_max = Some(retries_max);
    }
    if let Some(lead_s) = RENEW_LEAD_S.read(lookup)? {
        timing.renew_lead_s = lead_s;
    }
    if let Some(interval_s) = RECONCILE_INTERVAL_S.read(lookup)? {
        timing.reconcile_interval_s = interval_s.get();
    }
    Ok(timing)
}

/// How often gateways check that all accounts and subscriptions have their workflow: `fleet_interval_s` in [`TIMING`].
pub fn fleet_interval(lookup: &Lookup<'_>) -> Result<Duration, ConfigError> {
    let document = TIMING.read(lookup)?.unwrap_or_default();
    Ok(document.fleet_interval_s.map_or(FLEET_INTERVAL, |seconds| Duration::from_secs(seconds.get().into())))
}

impl TimingDocument {
    /// These durations, with those that the document says of a provider or, without one, of all.
    fn over(&self, timing: Timing, provider: Option<Provider>) -> serde_json::Result<Timing> {
        let mut timing = serde_json::to_value(timing)?;
        if let Some(durations) = timing.as_object_mut() {
            durations.extend(self.of_all.clone());
            durations
                .extend(provider.and_then(|provider| self.of_providers.get(&provider)).cloned().unwrap_or_default());
        }
        serde_json::from_value(timing)
    }
}

fn document(reader: &Reader<'_>) -> Result<Option<TimingDocument>, ConfigError> {
    let Some(json) = reader.text() else { return Ok(None) };
    let wrong = |error: serde_json::Error| reader.error(error);
    let mut of_all: Map<String, Value> = serde_json::from_str(&json).map_err(wrong)?;
    let fleet_interval_s = of_all.remove(FLEET_INTERVAL_S).map(serde_json::from_value).transpose().map_err(wrong)?;
    let mut of_providers = BTreeMap::new();
    for Profile { provider, .. } in profiles() {
        if let Some(own) = of_all.remove(provider.as_str()) {
            of_providers.insert(*provider, serde_json::from_value::<Map<String, Value>>(own).map_err(wrong)?);
        }
    }
    let known = serde_json::to_value(Timing::default()).map_err(wrong)?;
    let mut names = of_all.keys().chain(of_providers.values().flat_map(Map::keys));
    if let Some(unknown) = names.find(|name| known.get(name.as_str()).is_none()) {
        return Err(reader.error(format!("there is no duration `{unknown}`")));
    }
    let document = TimingDocument { of_all, of_providers, fleet_interval_s };
    for provider in profiles().map(|profile| Some(profile.provider)).chain([None]) {
        let timing = document.over(Timing::default(), provider).map_err(wrong)?;
        if let Some(name) = pause_of_nothing(&timing) {
            return Err(reader.error(format!("`{name}` has to be at least 1")));
        }
    }
    Ok(Some(document))
}

/// Without a pause a workflow would fill its history and never do anything else.
fn pause_of_nothing(timing: &Timing) -> Option<&'static str> {
    let pauses = [
        ("polling_interval_s", timing.polling_interval_s),
        ("reconcile_interval_s", timing.reconcile_interval_s),
        ("discovery_interval_s", timing.discovery_interval_s),
        ("regain_interval_s", timing.regain_interval_s),
    ];
    pauses.into_iter().find(|(_, pause_s)| *pause_s == 0).map(|(name, _)| name)
}

/// What all providers have of a duration that has a setting of its own.
fn derived(lookup: &Lookup<'_>, duration: &str, read: fn(&Timing) -> String) -> Derived {
    // Where the document cannot be read, its own check says why.
    let document = TIMING.read(lookup).ok().flatten().unwrap_or_default();
    let set_by = document.of_all.contains_key(duration).then_some(TIMING.about.name);
    let timing = document.over(Timing::default(), None).unwrap_or_default();
    Derived { value: read(&timing), set_by }
}

fn retries(timing: &Timing) -> String {
    timing.sync_retries_max.map_or_else(|| "by kind of job".to_owned(), |retries| retries.to_string())
}

#[cfg(test)]
mod tests;
