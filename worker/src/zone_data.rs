//! Time zone data that change while the worker runs: they are taken into use, and series that stand by older ones are
//! expanded again.

use std::sync::Arc;
use std::time::Duration;

use evercal_activities::{Deps, expand_again};
use evercal_domain::zones;
use evercal_process::Pulse;

/// Between two checks of the machine's data and of the calendars: one small file and one query.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Checks until it is stopped, for the first time at once: the data may have changed while no worker ran.
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
            Some(Err(error)) => tracing::warn!(%error, "series by older time zone data could not be searched"),
        }
        if pulse.wait(tokio::time::sleep(CHECK_INTERVAL)).await.is_none() {
            return;
        }
    }
}
