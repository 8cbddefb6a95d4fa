//! Time zone data that change while the worker runs: they are taken into use, and series that stand by older ones are
//! expanded again.

use std::sync::Arc;
use std::time::Duration;

use evercal_activities::{Deps, expand_again};
use evercal_domain::zones;
use evercal_process::Pulse;

/// Between two looks, at the machine's data and at the calendars: one small file and one query.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks until it is stopped. The first look is at once: the data may have changed while no worker ran.
pub(crate) async fn watch(pulse: Pulse, deps: Arc<Deps>) {
    loop {
        if let Some(version) = zones::refresh() {
            tracing::info!(%version, source = %zones::source(), "other time zone data are used now");
        }
        // As many calendars as there are take as long as they take.
        match pulse.wait(expand_again(&deps)).await {
            None => return,
            Some(Ok(0)) => {}
            Some(Ok(calendars)) => {
                tracing::info!(calendars, version = %zones::version(), "series were expanded again");
            }
            Some(Err(error)) => tracing::warn!(%error, "series by older time zone data could not be looked for"),
        }
        if pulse.wait(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            return;
        }
    }
}
