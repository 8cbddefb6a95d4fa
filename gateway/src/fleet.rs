//! The check of the fleet: whether every open account and every open calendar has its workflow. A workflow that was
//! terminated does not report that, so that it has to be searched for; what is missing is started again and written into the audit log.
//!
//! Temporal's index is read in pages of a thousand and compared with the store. The index lags behind by seconds: what seems
//! to be missing is asked for by name before anything is done. Of several gateways one checks. Not for: what a workflow that
//! starts anew has to know (it reads the store).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use evercal_domain::limits::API_PAGE_ROWS_MAX;
use evercal_domain::{Account, CalendarId, Clock};
use evercal_process::{Pulse, counted};
use evercal_storage::{Store, cause_of};
use evercal_workflow_client::{AccountWorkflows, CallError, SignalOutcome, Workflows};
use evercal_workflows::names;

/// The claim of the check.
const CLAIM: &str = "fleet";
/// Between two calls, so that the check of a large fleet is spread.
const PAGE_PAUSE: Duration = Duration::from_millis(50);
/// Pages of Temporal's index at most: a million workflows of a type.
const PAGES_MAX: usize = 1_000;
/// Started again in one check at most; the next one goes on.
const MISSING_MAX: usize = 1_000;
/// After so many failures in a row it is asked whether Temporal and the store are there.
const FAILURES_IN_A_ROW_MAX: usize = 5;
/// A check that was cut short, or has found as many as it may, is followed by the next one after so long at most.
const REPEATED_AFTER_MAX: Duration = Duration::from_secs(30);
/// How often it is asked whether a check is due, at most.
const TICK_MAX: Duration = Duration::from_secs(15);

pub(crate) struct Fleet {
    pub store: Arc<dyn Store>,
    pub workflows: Arc<dyn Workflows>,
    pub accounts: Arc<AccountWorkflows>,
    pub clock: Arc<dyn Clock>,
    /// The time between two checks.
    pub interval: Duration,
    /// Names this process as the holder of the claim.
    pub process: String,
}

/// What became of an account or a calendar whose workflow is not in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Its workflow runs, or need not run.
    Fine,
    /// Its workflow was missing and is started again.
    Restarted,
}

/// What a check has come across.
#[derive(Debug, Default)]
struct Progress {
    missing: usize,
    failed: usize,
    failed_in_a_row: usize,
}

impl Progress {
    /// When the next one is due: one that has found as many as it may goes on soon.
    fn next_after(&self, interval: Duration) -> Duration {
        if self.missing < MISSING_MAX { interval } else { soon(interval) }
    }
}

/// Not a whole interval later: those that were not checked wait for the next check.
fn soon(interval: Duration) -> Duration {
    REPEATED_AFTER_MAX.min(interval / 20)
}

impl Fleet {
    pub(crate) async fn run(self, pulse: Pulse) {
        let mut rounds = 0_u64;
        let tick = (self.interval / 4).clamp(Duration::from_millis(50), TICK_MAX);
        while pulse.wait(tokio::time::sleep(tick)).await.is_some() {
            rounds += 1;
            if let Some(Err(error)) = pulse.work(self.check_when_due(&pulse, rounds)).await {
                tracing::warn!(%error, cause = cause_of(&error), "the check of the fleet was cut short");
            }
        }
    }

    async fn check_when_due(&self, pulse: &Pulse, round: u64) -> Result<(), CallError> {
        let now = self.clock.now();
        let later = |pause: Duration| now + TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
        // Nobody takes it before its time, this process neither: a holder is a holder for one check.
        let holder = format!("{}/{round}", self.process);
        let Some(turn) = self.store.take_claim(CLAIM, &holder, now, later(self.interval)).await? else {
            return Ok(());
        };
        let mut progress = Progress::default();
        let check = async {
            self.check_accounts(pulse, &mut progress).await?;
            self.check_calendars(pulse, &mut progress).await
        };
        match check.await {
            Ok(()) => {
                tracing::info!(missing = progress.missing, failed = progress.failed, "the fleet was checked");
                self.store.finish_claim(CLAIM, &holder, turn, later(progress.next_after(self.interval))).await?;
                Ok(())
            }
            Err(error) => {
                let again_at = later(soon(self.interval));
                if let Err(error) = self.store.keep_claim(CLAIM, &holder, turn, again_at).await {
                    tracing::warn!(%error, cause = error.cause(), "the check of the fleet is not repeated before its time");
                }
                Err(error)
            }
        }
    }

    async fn check_accounts(&self, pulse: &Pulse, progress: &mut Progress) -> Result<(), CallError> {
        let running = self.running(pulse, names::ACCOUNT).await?;
        let mut after = None;
        loop {
            let accounts = self.store.open_accounts_after(after, API_PAGE_ROWS_MAX).await?;
            let Some(last) = accounts.last() else { return Ok(()) };
            after = Some(last.id);
            for account in &accounts {
                pulse.beat();
                if progress.missing < MISSING_MAX && !running.contains(&names::account_id(account.id)) {
                    let outcome = self.check_account(account).await;
                    self.record(progress, account.id, outcome).await?;
                }
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
    }

    async fn check_calendars(&self, pulse: &Pulse, progress: &mut Progress) -> Result<(), CallError> {
        let running = self.running(pulse, names::SUBSCRIPTION).await?;
        let mut after = None;
        loop {
            let calendars = self.store.open_calendar_ids(after, API_PAGE_ROWS_MAX).await?;
            let Some(last) = calendars.last() else { return Ok(()) };
            after = Some(*last);
            for calendar in calendars.iter().copied() {
                pulse.beat();
                if progress.missing < MISSING_MAX && !running.contains(&names::subscription_id(calendar)) {
                    let outcome = self.check_calendar(calendar).await;
                    self.record(progress, calendar, outcome).await?;
                }
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
    }

    /// An account whose workflow is not in the index.
    async fn check_account(&self, account: &Account) -> Result<Outcome, CallError> {
        let is_new = self.accounts.is_new(account.state_changed_at);
        if is_new || self.workflows.is_running(&names::account_id(account.id)).await? {
            return Ok(Outcome::Fine);
        }
        self.accounts.restart(account).await?;
        Ok(Outcome::Restarted)
    }

    /// A calendar whose subscription is not in the index.
    async fn check_calendar(&self, id: CalendarId) -> Result<Outcome, CallError> {
        let Some(calendar) = self.store.calendar(id).await? else { return Ok(Outcome::Fine) };
        let is_new = self.accounts.is_new(calendar.state_changed_at);
        let is_closed = calendar.state == evercal_domain::CalendarState::Closed;
        if is_new || is_closed || self.workflows.is_running(&names::subscription_id(id)).await? {
            return Ok(Outcome::Fine);
        }
        Ok(match self.accounts.signal_missing_subscription(&calendar).await? {
            SignalOutcome::Delivered => Outcome::Restarted,
            SignalOutcome::NoAccount => Outcome::Fine,
        })
    }

    /// One of which a row cannot be read, or that cannot be started, does not keep the others from being checked. Where
    /// several in a row fail, it is asked first whether Temporal and the store are there at all.
    async fn record(
        &self,
        progress: &mut Progress,
        id: impl std::fmt::Display,
        outcome: Result<Outcome, CallError>,
    ) -> Result<(), CallError> {
        match outcome {
            Ok(outcome) => {
                progress.missing += usize::from(outcome == Outcome::Restarted);
                progress.failed_in_a_row = 0;
            }
            Err(error) => {
                let cause = cause_of(&error);
                counted!(warn, "one of the fleet could not be checked", %id, %error, cause);
                progress.failed += 1;
                progress.failed_in_a_row += 1;
                if progress.failed_in_a_row >= FAILURES_IN_A_ROW_MAX {
                    self.workflows.ping().await?;
                    self.store.claim_rounds(CLAIM).await?;
                    progress.failed_in_a_row = 0;
                }
            }
        }
        Ok(())
    }

    async fn running(&self, pulse: &Pulse, workflow_type: &str) -> Result<HashSet<String>, CallError> {
        let mut running = HashSet::new();
        let mut page = Vec::new();
        for _ in 0..PAGES_MAX {
            pulse.beat();
            let answer = self.workflows.list_running(workflow_type, page).await?;
            running.extend(answer.workflow_ids);
            page = answer.next;
            if page.is_empty() {
                break;
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
        Ok(running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_found_as_many_as_it_may_is_followed_by_the_next_one_soon() {
        let (interval, soon) = (Duration::from_mins(10), Duration::from_secs(30));
        for (missing, expected) in [(0, interval), (MISSING_MAX - 1, interval), (MISSING_MAX, soon)] {
            assert_eq!(Progress { missing, ..Progress::default() }.next_after(interval), expected, "{missing}");
        }
    }
}
