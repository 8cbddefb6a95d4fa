//! How it stands with the providers, as far as that is everybody's affair: which refuse this installation, and which do not
//! accept its OAuth client. Workers find that out and write it down; here it is read. Not for: what one account or one
//! calendar meets.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::Provider;
use evercal_domain::journal::{AuditEntry, client_refused_key};
use evercal_providers::registry;
use evercal_storage::{ProviderIncident, Store, StoreError};

/// How long an answer of the store is waited for.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Default)]
pub(crate) struct ProvidersHealth {
    /// Those that refuse the whole installation.
    pub incidents: Vec<ProviderIncident>,
    /// Those that are off, although accounts are connected there.
    pub off: Vec<ProviderOff>,
    /// Alerts of this hour and the one before, that a provider does not accept the OAuth client.
    pub client_alerts: Vec<AuditEntry>,
}

/// A provider that is off, although accounts are connected there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProviderOff {
    /// Its name, for people.
    pub title: &'static str,
    /// The setting that turns it on.
    pub turned_on_by: &'static str,
}

impl ProvidersHealth {
    /// Reads it; what was known before stays where the store does not answer.
    pub(crate) async fn update(&mut self, store: &dyn Store, on: &BTreeSet<Provider>, now: DateTime<Utc>) {
        match tokio::time::timeout(STORE_TIMEOUT, read(store, on, now)).await {
            Ok(Ok(health)) => *self = health,
            Ok(Err(error)) => {
                tracing::warn!(%error, cause = error.cause(), "how it stands with the providers cannot be read");
            }
            Err(_) => tracing::warn!("how it stands with the providers cannot be read: it takes too long"),
        }
    }
}

async fn read(store: &dyn Store, on: &BTreeSet<Provider>, now: DateTime<Utc>) -> Result<ProvidersHealth, StoreError> {
    let mut health = ProvidersHealth { incidents: store.incidents().await?, ..ProvidersHealth::default() };
    // Nobody asks one that is off whether it still refuses.
    health.incidents.retain(|incident| on.contains(&incident.provider));
    for registration in registry::PROVIDERS {
        let profile = registration.profile;
        if !on.contains(&profile.provider) && store.has_open_accounts(profile.provider).await? {
            let turned_on_by = registration.turned_on_by.about().name;
            health.off.push(ProviderOff { title: profile.title, turned_on_by });
        }
    }
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
