//! A worker that is not set up for a provider says so for as long as accounts are connected there: their calendars stand still
//! whenever it takes their work.

use std::sync::Arc;
use std::time::Duration;

use evercal_activities::Deps;
use evercal_process::Pulse;
use evercal_providers::registry;
use evercal_storage::ReportsOfProvidersOff;

/// A round is a few statements, and the store has timeouts of its own.
pub(crate) const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Between two rounds.
const INTERVAL: Duration = Duration::from_secs(3);

/// Runs for as long as the worker does.
pub(crate) async fn run(pulse: Pulse, deps: Arc<Deps>) {
    let off = registry::those_off(|provider| deps.connections.contains_key(&provider));
    let mut reports = ReportsOfProvidersOff::default();
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while pulse.wait(interval.tick()).await.is_some() {
        let round = reports.round(&*deps.store, "worker", &off, deps.clock.now());
        if let Some(Err(error)) = pulse.work(round).await {
            tracing::warn!(%error, "that a provider is off could not be written; it is tried again");
        }
    }
}
