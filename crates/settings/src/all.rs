//! All settings, in the order in which people are shown them.

use evercal_config::Described;
use evercal_providers::registry::{CHANNEL_KEYS, PROVIDERS};

use crate::{codec, gateway, process, store, temporal, timing, worker};

/// Those that are no provider's.
static OWN: &[&dyn Described] = &[
    &store::DATABASE_URL,
    &store::DATABASE_CONNECTIONS,
    &store::MASTER_KEY,
    &CHANNEL_KEYS,
    &gateway::PUBLIC_URL,
    &gateway::CORS_ORIGINS,
    &gateway::CONNECTIONS_PER_PEER,
    &gateway::TRUSTED_PROXIES,
    &temporal::ADDRESS,
    &temporal::NAMESPACE,
    &temporal::API_KEY,
    &temporal::TLS,
    &temporal::TLS_SERVER_CA_CERT_PATH,
    &temporal::TLS_SERVER_NAME,
    &temporal::TLS_CLIENT_CERT_PATH,
    &temporal::TLS_CLIENT_KEY_PATH,
    &temporal::TLS_DISABLE_HOST_VERIFICATION,
    &temporal::PROFILE,
    &temporal::CONFIG_FILE,
    &codec::PAYLOAD_KEY,
    &codec::ADDRESS,
    &codec::ORIGINS,
    &gateway::HTTP_ADDRESS,
    &worker::BUILD_ID,
    &worker::CONCURRENT_JOBS,
    &worker::MEMORY_MIB,
    &worker::KEEP_RAW,
    &timing::MAX_RETRIES,
    &timing::TIMEOUT_MS,
    &timing::POLLING_INTERVAL_MS,
    &timing::RENEW_LEAD_S,
    &timing::RECONCILE_INTERVAL_S,
    &timing::TIMING,
    &process::ZONE_DATA_FOLDER,
    &process::LOG_FILTER,
];

/// All settings: those of the installation, and behind them those of each provider.
pub fn all() -> impl Iterator<Item = &'static dyn Described> {
    let of_providers = PROVIDERS.iter().flat_map(|registration| {
        registration.settings.iter().copied().chain([registration.strategy as &'static dyn Described])
    });
    OWN.iter().copied().chain(of_providers)
}

/// Whether a value of this name may be a secret.
pub fn is_secret(name: &str) -> bool {
    all().map(Described::about).any(|about| about.is_secret() && about.name == name)
}

/// Whether there is such a setting, or a secret whose file is named by it.
pub(crate) fn is_name(name: &str) -> bool {
    let is_setting = all().any(|setting| setting.about().name == name);
    is_setting || name.strip_suffix("_FILE").is_some_and(is_secret)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_setting_has_a_name_of_its_own() {
        assert_eq!(all().map(|setting| setting.about().name).collect::<BTreeSet<_>>().len(), all().count());
    }

    #[test]
    fn what_turns_a_provider_on_is_one_of_its_settings() {
        for registration in PROVIDERS {
            let name = registration.turned_on_by.about().name;
            assert!(registration.settings.iter().any(|setting| setting.about().name == name), "{name}");
        }
    }
}
