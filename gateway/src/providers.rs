//! How it stands with the providers, as far as that is everybody's affair: which refuse this installation, and which do not
//! accept its OAuth client. Workers find that out and write it down; here it is read. Not for: what one account or one
//! calendar meets.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::journal::{AuditEntry, client_refused_key};
use evercal_providers::registry;
use evercal_storage::{ProviderIncident, Store, StoreError};

/// How long an answer of the store is waited for.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Default)]
pub(crate) struct ProvidersHealth {
    /// Those that refuse the whole installation.
    pub incidents: Vec<ProviderIncident>,
    /// Alerts of this hour and the one before, that a provider does not accept the OAuth client.
    pub client_alerts: Vec<AuditEntry>,
}

impl ProvidersHealth {
    /// Reads it; what was known before stays where the store does not answer.
    pub(crate) async fn update(&mut self, store: &dyn Store, now: DateTime<Utc>) {
        match tokio::time::timeout(STORE_TIMEOUT, read(store, now)).await {
            Ok(Ok(health)) => *self = health,
            Ok(Err(error)) => {
                tracing::warn!(%error, cause = error.cause(), "how it stands with the providers cannot be read");
            }
            Err(_) => tracing::warn!("how it stands with the providers cannot be read: it takes too long"),
        }
    }
}

async fn read(store: &dyn Store, now: DateTime<Utc>) -> Result<ProvidersHealth, StoreError> {
    let mut health = ProvidersHealth { incidents: store.incidents().await?, client_alerts: Vec::new() };
    // Those that are off as well: an alert may be older than that.
    for profile in registry::profiles() {
        // While it goes on there is one in each hour, and not yet in this one when it has just begun.
        for at in [now, now - TimeDelta::hours(1)] {
            if let Some(alert) = store.audit_entry(&client_refused_key(profile.provider, at)).await? {
                health.client_alerts.push(alert);
                break;
            }
        }
    }
    Ok(health)
}
