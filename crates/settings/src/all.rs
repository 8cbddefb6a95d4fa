//! All settings, in the order in which people are shown them.

use crate::setting::Described;
use crate::{codec, gateway, google, process, store, strategies, temporal, timing, worker};

/// All settings.
pub static ALL: &[&dyn Described] = &[
    &store::DATABASE_URL,
    &store::DATABASE_CONNECTIONS,
    &store::MASTER_KEY,
    &google::WEBHOOK_TOKEN,
    &gateway::PUBLIC_URL,
    &google::CLIENT_ID,
    &google::CLIENT_SECRET,
    &google::BASE_URL,
    &google::AUTH_URL,
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
    &strategies::GOOGLE,
    &timing::RENEW_LEAD_S,
    &timing::RECONCILE_INTERVAL_S,
    &timing::TIMING,
    &process::ZONE_DATA_FOLDER,
    &process::LOG_FILTER,
];

/// Whether a value of this name may be a secret.
pub fn is_secret(name: &str) -> bool {
    ALL.iter().map(|setting| setting.about()).any(|about| about.is_secret() && about.name == name)
}

/// Whether there is such a setting, or a secret whose file is named by it.
pub(crate) fn is_name(name: &str) -> bool {
    let is_setting = ALL.iter().any(|setting| setting.about().name == name);
    is_setting || name.strip_suffix("_FILE").is_some_and(is_secret)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_setting_has_a_name_of_its_own() {
        assert_eq!(ALL.iter().map(|setting| setting.about().name).collect::<BTreeSet<_>>().len(), ALL.len());
    }
}
