//! Nobody waits for an old backoff when a provider answers again: probes whether it does, wakes those that wait, and writes
//! once that it refuses the whole installation. What is known of outages is in `evercal_activities::outages`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evercal_activities::outages::{Probe, Refusal};
use evercal_activities::{Connection, Deps};
use evercal_domain::journal::IncidentKind;
use evercal_domain::{Account, AccountId, AccountState, Calendar, CalendarId, CalendarState, Provider};
use evercal_process::Pulse;
use evercal_storage::{IncidentEnd, ProviderIncident, StoreError};
use evercal_workflow_client::Workflows;
use futures::StreamExt as _;

/// How long a round may take: a call to the provider, signals that Temporal does not take.
pub(crate) const SILENCE_MAX: Duration = Duration::from_mins(5);
/// Between two rounds.
const TICK: Duration = Duration::from_secs(1);
/// Subscriptions woken in one tick, so that a fleet does not fall upon a provider that has just come back.
const WOKEN_PER_TICK_MAX: usize = 200;
/// Signals on their way at a time.
const CONCURRENT_SIGNALS: usize = 16;
/// Ticks between two checks for incidents that another process, or this one before a restart, may have left open.
const INCIDENTS_INTERVAL: u32 = 15;

/// Accounts per page, and pages, in which one is searched with whose grant a probe can be made.
const ACCOUNTS_PER_PAGE: u32 = 100;
const ACCOUNT_PAGES_MAX: u32 = 20;

/// Runs for as long as the worker does. Whatever fails here is tried again with the next tick: those that wait have their
/// backoff in any case.
pub(crate) async fn run(pulse: Pulse, workflows: Arc<dyn Workflows>, deps: Arc<Deps>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut alerts = BTreeMap::new();
    while pulse.wait(ticks.tick()).await.is_some() {
        if pulse.work(round(&*workflows, &deps, &mut alerts)).await.is_none() {
            return;
        }
    }
}

async fn round(workflows: &dyn Workflows, deps: &Deps, alerts: &mut BTreeMap<Provider, Alerts>) {
    for (provider, connection) in &deps.connections {
        if let Some(next) = connection.outages.next_probe() {
            probe(deps, connection, next).await;
        }
        wake(workflows, connection.outages.take_to_wake(WOKEN_PER_TICK_MAX)).await;
        if let Err(error) =
            alerts.entry(*provider).or_default().write(deps, connection, connection.outages.refusal()).await
        {
            tracing::warn!(%error, "an alert about a provider could not be written; it is tried again");
        }
    }
}

/// Probes the provider. The call itself notes what comes of it.
async fn probe(deps: &Deps, connection: &Connection, next: Probe) {
    let calendar = match next {
        Probe::Calendar(id) => match deps.store.calendar(id).await {
            Ok(None) => return connection.outages.skip(id),
            found => found,
        },
        Probe::AnotherAccount(accounts) => {
            match one_of_another_account(deps, connection.profile.provider, &accounts).await {
                Ok(None) => return connection.outages.no_other_account(),
                found => found,
            }
        }
    };
    match calendar {
        Ok(Some(calendar)) => {
            let read = connection.probe(&calendar).await;
            tracing::info!(calendar_id = %calendar.id, answers = read.is_ok(), "probed whether the provider answers");
        }
        Ok(None) => {}
        // The store's own trouble says nothing about the provider.
        Err(error) => tracing::debug!(%error, "no probe of the provider while the store does not answer"),
    }
}

/// A calendar that should be answered, of another account than these.
async fn one_of_another_account(
    deps: &Deps,
    provider: Provider,
    than: &BTreeSet<AccountId>,
) -> Result<Option<Calendar>, StoreError> {
    let mut after = None;
    for _ in 0..ACCOUNT_PAGES_MAX {
        let accounts = deps.store.open_accounts_after(after, ACCOUNTS_PER_PAGE).await?;
        let Some(last) = accounts.last() else { return Ok(None) };
        after = Some(last.id);
        let fits = |account: &&Account| {
            account.provider == provider && account.state == AccountState::Connected && !than.contains(&account.id)
        };
        for account in accounts.iter().filter(fits) {
            let calendars = deps.store.calendars_of_account(account.id).await?;
            if let Some(calendar) = calendars.into_iter().find(|calendar| is_read(calendar.state)) {
                return Ok(Some(calendar));
            }
        }
    }
    Ok(None)
}

/// Whether the provider should let us read a calendar in this state.
fn is_read(state: CalendarState) -> bool {
    match state {
        CalendarState::Creating
        | CalendarState::Live
        | CalendarState::Renewing
        | CalendarState::Polling
        | CalendarState::PollOnly
        | CalendarState::Paused => true,
        CalendarState::NeedsReauth | CalendarState::ActionRequired | CalendarState::Closed => false,
    }
}

async fn wake(workflows: &dyn Workflows, calendars: Vec<CalendarId>) {
    if calendars.is_empty() {
        return;
    }
    tracing::info!(count = calendars.len(), "the provider answers again: those that waited try now");
    futures::stream::iter(calendars)
        .for_each_concurrent(CONCURRENT_SIGNALS, |id| async move {
            // One that is gone waits for nothing; any other has its backoff.
            if let Err(error) = workflows.retry_now(id).await {
                tracing::debug!(calendar_id = %id, %error, "a subscription could not be woken");
            }
        })
        .await;
}

/// The alert that a provider refuses the whole installation.
#[derive(Default)]
struct Alerts {
    /// The cause that this process wrote last.
    written: Option<String>,
    /// The end of a refusal that could not be written yet.
    over: bool,
    ticks: u32,
}

impl Alerts {
    /// Writes once that a provider refuses the whole installation, and once that it does not any more, whichever of the
    /// processes see it.
    async fn write(&mut self, deps: &Deps, connection: &Connection, refusal: Refusal) -> Result<(), StoreError> {
        let provider = connection.profile.provider;
        self.ticks = self.ticks.wrapping_add(1);
        match refusal {
            Refusal::Refused(error) => {
                self.over = false;
                let cause = error.reason.unwrap_or_else(|| "no reason given".to_owned());
                if self.written.as_deref() == Some(cause.as_str()) {
                    return Ok(());
                }
                let name = provider.as_str();
                let message = format!(
                    "{name} refuses this installation ({cause}): an operator has to look at its project there; \
                     calendars are not read meanwhile, and it is tried again every minute"
                );
                tracing::warn!(provider = name, cause, "alert: {message}");
                let (kind, since) = (IncidentKind::Refused, deps.clock.now());
                let incident = ProviderIncident { provider, kind, cause: cause.clone(), since, reported_at: since };
                deps.store.open_incident(&incident, &message).await?;
                self.written = Some(cause);
            }
            Refusal::Over => self.over = true,
            Refusal::None => {}
        }
        // Another process may have opened it, and be gone by now: any process that the provider answers closes it.
        let is_check_due = self.ticks.is_multiple_of(INCIDENTS_INTERVAL) && connection.outages.is_answered();
        let is_open = |one: &ProviderIncident| one.provider == provider && one.kind == IncidentKind::Refused;
        if self.over || (is_check_due && deps.store.incidents().await?.iter().any(is_open)) {
            let at = deps.clock.now();
            let message = format!("{provider} does not refuse this installation any more: calendars are read again");
            let (kind, message) = (IncidentKind::Refused, message.as_str());
            deps.store.close_incident(&IncidentEnd { provider, kind, at, only_if_reported_at: None, message }).await?;
            self.over = false;
            self.written = None;
        }
        Ok(())
    }
}
