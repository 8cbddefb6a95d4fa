//! Providers that a process is not set up for, although accounts are connected there. Which those are, each process finds by
//! itself and reports; the incident is there from the first report until every process that runs has seen no new one for a while.
//!
//! Each process goes by its own clock: it remembers when it first saw the last report, and does not compare the report's time
//! with its own. Rounds that failed, or that it stood still for, count as nothing seen.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::journal::IncidentKind;
use evercal_domain::{Provider, ProviderOff};
use tokio::time::Instant;

use crate::entities::Store;
use crate::entities::journal::{IncidentEnd, ProviderIncident};
use crate::error::StoreError;

/// A report is repeated when nobody's is younger, so that the number of processes makes no difference to the store.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// An incident that nobody reports for so long is over. A gateway's round may take most of it.
const REPORT_LASTS: Duration = Duration::from_secs(25);
/// A longer time between two rounds means that this process stood still, and perhaps the others too.
const STANDSTILL: Duration = Duration::from_secs(20);

/// What one process has seen of the reports.
#[derive(Debug, Default)]
pub struct ReportsOfProvidersOff {
    /// Of each provider, the time that its last report has, and when this process saw it first.
    seen: BTreeMap<Provider, (DateTime<Utc>, Instant)>,
    /// When the last round ended.
    round_at: Option<Instant>,
}

impl ReportsOfProvidersOff {
    /// Reports the providers that this process, a gateway or a worker by its `role`, has `off` where accounts are connected,
    /// ends what nobody reports any more, and answers the incidents that are left, of all kinds. For each few seconds.
    pub async fn round(
        &mut self,
        store: &dyn Store,
        role: &str,
        off: &[ProviderOff],
        now: DateTime<Utc>,
    ) -> Result<Vec<ProviderIncident>, StoreError> {
        let stood_still = self.round_at.take().is_none_or(|at| at.elapsed() > STANDSTILL);
        if stood_still {
            self.seen.clear();
        }
        let mut incidents = store.incidents().await?;
        let mut has_changed = false;
        let ages = self.see(&incidents);
        let is_due = |off: &&ProviderOff| ages.get(&off.provider).is_none_or(|age| *age >= REPORT_INTERVAL);
        for off in off.iter().filter(is_due) {
            if store.has_open_accounts(off.provider).await? {
                report(store, role, off, now).await?;
                has_changed = true;
            }
        }
        for (provider, _) in ages.into_iter().filter(|(_, age)| *age >= REPORT_LASTS) {
            let reported_at = self.seen.remove(&provider).map(|(reported_at, _)| reported_at);
            let message =
                format!("No gateway or worker reports any more that {provider} is off where accounts are connected");
            let end = IncidentEnd {
                provider,
                kind: IncidentKind::Off,
                at: now,
                only_if_reported_at: reported_at,
                message: &message,
            };
            if store.close_incident(&end).await?.is_some() {
                tracing::info!(%provider, "{message}");
            }
            has_changed = true;
        }
        if has_changed {
            incidents = store.incidents().await?;
        }
        self.round_at = Some(Instant::now());
        Ok(incidents)
    }

    /// How long ago the last report of each provider that is off was new to this process.
    fn see(&mut self, incidents: &[ProviderIncident]) -> BTreeMap<Provider, Duration> {
        let off = incidents.iter().filter(|incident| incident.kind == IncidentKind::Off);
        let before = std::mem::take(&mut self.seen);
        self.seen = off
            .map(|ProviderIncident { provider, reported_at, .. }| {
                let known = before.get(provider).filter(|(known_at, _)| known_at == reported_at);
                (*provider, known.copied().unwrap_or_else(|| (*reported_at, Instant::now())))
            })
            .collect();
        self.seen.iter().map(|(provider, (_, seen_at))| (*provider, seen_at.elapsed())).collect()
    }
}

async fn report(store: &dyn Store, role: &str, off: &ProviderOff, now: DateTime<Utc>) -> Result<(), StoreError> {
    let ProviderOff { provider, title, turned_on_by } = *off;
    let (kind, cause) = (IncidentKind::Off, turned_on_by.to_owned());
    let incident = ProviderIncident { provider, kind, cause, since: now, reported_at: now };
    let message = format!(
        "{title} is off in a {role}, although accounts are connected there: {turned_on_by} is not set; an operator has to set it \
         or to disconnect the accounts"
    );
    // The store keeps microseconds.
    if store.open_incident(&incident, &message).await?.timestamp_micros() == now.timestamp_micros() {
        tracing::warn!(%provider, "alert: {message}");
    }
    Ok(())
}
