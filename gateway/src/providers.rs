//! How it stands with the providers, as far as that is everybody's affair: which refuse this installation or are off, and which
//! do not accept its OAuth client. Workers find that out and write it down, and gateways that a provider is off; here it is read.
//! Not for: what one account or one calendar meets.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::Provider;
use evercal_domain::journal::{AuditEntry, IncidentKind, client_refused_key};
use evercal_providers::registry;
use evercal_storage::{ProviderIncident, ReportsOfProvidersOff, Store, StoreError};

/// How long an answer of the store is waited for.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// What this gateway knows of the providers, and of the reports that one is off.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    health: ProvidersHealth,
    reports: ReportsOfProvidersOff,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ProvidersHealth {
    /// The trouble in which providers are.
    pub incidents: Vec<ProviderIncident>,
    /// Alerts of this hour and the one before, that a provider does not accept the OAuth client.
    pub client_alerts: Vec<AuditEntry>,
}

impl Providers {
    /// Reads it, and answers it; what was known before stays where the store does not answer.
    pub(crate) async fn update(
        &mut self,
        store: &dyn Store,
        on: &BTreeSet<Provider>,
        now: DateTime<Utc>,
    ) -> ProvidersHealth {
        match tokio::time::timeout(STORE_TIMEOUT, read(&mut self.reports, store, on, now)).await {
            Ok(Ok(health)) => self.health = health,
            Ok(Err(error)) => {
                tracing::warn!(%error, cause = error.cause(), "how it stands with the providers cannot be read");
            }
            Err(_) => tracing::warn!("how it stands with the providers cannot be read: it takes too long"),
        }
        self.known()
    }

    /// What is known.
    pub(crate) fn known(&self) -> ProvidersHealth {
        self.health.clone()
    }
}

async fn read(
    reports: &mut ReportsOfProvidersOff,
    store: &dyn Store,
    on: &BTreeSet<Provider>,
    now: DateTime<Utc>,
) -> Result<ProvidersHealth, StoreError> {
    let off = registry::those_off(|provider| on.contains(&provider));
    let mut incidents = reports.round(store, "gateway", &off, now).await?;
    // Nobody asks one that is off whether it still refuses.
    incidents.retain(|incident| incident.kind != IncidentKind::Refused || on.contains(&incident.provider));
    let mut client_alerts = Vec::new();
    // Those that are off as well: an alert may be older than that.
    for profile in registry::profiles() {
        // While it goes on there is one in each hour, and not yet in this one when it has just begun.
        for at in [now, now - TimeDelta::hours(1)] {
            if let Some(alert) = store.audit_entry(&client_refused_key(profile.provider, at)).await? {
                client_alerts.push(alert);
                break;
            }
        }
    }
    Ok(ProvidersHealth { incidents, client_alerts })
}
