//! Disconnecting all accounts of a tenant, whose own keys are no longer accepted.

use std::sync::Arc;

use evercal_domain::limits::API_PAGE_ROWS_MAX;
use evercal_domain::{AccountState, SystemClock, TenantId};
use evercal_settings::{ConfigError, Lookup};
use evercal_storage::PageRequest;
use evercal_workflow_client::{
    AccountDefaults, AccountSignal, AccountWorkflows, CALL_TIMEOUT, SignalOutcome, TemporalWorkflows, temporal_help,
};

use super::Session;
use crate::cli::{CliError, Failure};

/// The identity of the command in Temporal.
const IDENTITY: &str = "evercal tenants";

/// Signals each account's workflow to take everything down, as `DELETE /v1/accounts/{id}` does; answers how many were signalled.
pub async fn all(session: &Session, tenant: TenantId, find: &dyn Fn(&str) -> Option<String>) -> Result<u32, CliError> {
    let lookup = Lookup::new(find);
    let unusable = |error: ConfigError| CliError::usage(error.to_string(), "`evercal config` shows what would be read");
    let target = evercal_settings::temporal_target(IDENTITY)
        .map_err(|error| CliError::usage(format!("{error:#}"), "set TEMPORAL_ADDRESS, and repeat the command"))?
        .sealing(&lookup)
        .map_err(unusable)?;
    let workflows = Arc::new(TemporalWorkflows::new(target.connection, target.client, CALL_TIMEOUT));
    // For an account whose workflow was lost and is started again.
    let defaults = AccountDefaults {
        timings: evercal_settings::timing::by_provider(&lookup).map_err(unusable)?,
        strategies: evercal_providers::registry::strategies(&lookup).map_err(unusable)?,
        fleet_interval: evercal_settings::timing::fleet_interval(&lookup).map_err(unusable)?,
    };
    let accounts = AccountWorkflows::new(Arc::clone(&session.store), workflows, Arc::new(SystemClock), defaults);
    let mut page = PageRequest::first(API_PAGE_ROWS_MAX);
    let mut disconnecting = 0;
    loop {
        let rows = session.store.accounts_of_tenant(tenant, &page).await?;
        for account in rows.items.iter().filter(|account| account.state != AccountState::Disconnected) {
            let outcome = accounts.signal(account.id, AccountSignal::Disconnect).await.map_err(|error| {
                let message = format!("the workflow of {} could not be signalled: {error}", account.id);
                let next = temporal_help(&message)
                    .unwrap_or("check that Temporal runs, and TEMPORAL_ADDRESS; then repeat the command");
                CliError::new(Failure::Unreachable, message, next)
            })?;
            disconnecting += u32::from(outcome == SignalOutcome::Delivered);
        }
        match rows.next {
            Some(next) => page.after = Some(next),
            None => return Ok(disconnecting),
        }
    }
}
