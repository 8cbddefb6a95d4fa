//! The look at the fleet: whether every open account and every open calendar has its workflow. One that was terminated tells
//! nobody, so that somebody has to look; what is missing is started again and written into the audit log.
//!
//! Temporal's index is read in pages of a thousand and compared with the store. The index lags behind by seconds: what seems
//! to be missing is asked for by name before anything is done. Of several gateways one looks. Not for: what a workflow that
//! starts anew has to know (it reads the store).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::limits::API_PAGE_ROWS_MAX;
use evercal_domain::{Account, CalendarId, Clock};
use evercal_process::Pulse;
use evercal_storage::{Store, StoreError, cause_of};
use evercal_workflows::names;

use crate::accounts::{AccountError, AccountWorkflows};
use crate::signals::{AccountNews, SignalError, Signals};

/// The claim of the look.
const CLAIM: &str = "fleet";
/// Between two calls, so that a look at a large fleet is spread.
const PAGE_PAUSE: Duration = Duration::from_millis(50);
/// Pages of Temporal's index at most: a million workflows of a type.
const PAGES_MAX: usize = 1_000;
/// What is younger than that may not have its workflow yet; or than the time between two looks, where that is shorter.
const GRACE_MAX: TimeDelta = TimeDelta::minutes(1);
/// Started again in one look at most; the next one goes on.
const MISSING_MAX: usize = 1_000;
/// How often it is asked whether a look is due, at most.
const TICK_MAX: Duration = Duration::from_secs(15);

/// Looks at the fleet.
pub(crate) struct Fleet {
    pub store: Arc<dyn Store>,
    pub signals: Arc<dyn Signals>,
    pub accounts: Arc<AccountWorkflows>,
    pub clock: Arc<dyn Clock>,
    /// Between two looks.
    pub interval: Duration,
    /// Names this process.
    pub process: String,
}

#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl Fleet {
    /// Runs until stopped.
    pub(crate) async fn run(self, pulse: Pulse) {
        let mut rounds = 0_u64;
        let tick = (self.interval / 4).clamp(Duration::from_millis(50), TICK_MAX);
        while pulse.wait(tokio::time::sleep(tick)).await.is_some() {
            rounds += 1;
            if let Some(Err(error)) = pulse.work(self.look_when_due(&pulse, rounds)).await {
                tracing::warn!(%error, cause = cause_of(&error), "the look at the fleet was cut short");
            }
        }
    }

    async fn look_when_due(&self, pulse: &Pulse, round: u64) -> Result<(), LookError> {
        let now = self.clock.now();
        let until = now + TimeDelta::from_std(self.interval).unwrap_or(TimeDelta::MAX);
        // Nobody takes it before its time, this process neither: a holder is a holder for one look.
        let holder = format!("{}/{round}", self.process);
        if self.store.take_claim(CLAIM, &holder, now, until).await?.is_none() {
            return Ok(());
        }
        let mut missing = 0;
        self.look_at_accounts(pulse, now, &mut missing).await?;
        self.look_at_calendars(pulse, now, &mut missing).await?;
        tracing::info!(missing, "looked at the fleet");
        Ok(())
    }

    async fn look_at_accounts(&self, pulse: &Pulse, now: DateTime<Utc>, missing: &mut usize) -> Result<(), LookError> {
        let running = self.running(pulse, names::ACCOUNT).await?;
        let mut after = None;
        loop {
            let accounts = self.store.open_accounts_after(after, API_PAGE_ROWS_MAX).await?;
            for account in &accounts {
                pulse.beat();
                let is_new = now - account.state_changed_at < self.grace();
                let id = names::account_id(account.id);
                if is_new || running.contains(&id) || *missing >= MISSING_MAX || self.signals.runs(&id).await? {
                    continue;
                }
                *missing += 1;
                self.accounts.bring_back(account).await?;
                self.write_down(account, None).await?;
            }
            match accounts.last() {
                Some(last) => after = Some(last.id),
                None => return Ok(()),
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
    }

    async fn look_at_calendars(&self, pulse: &Pulse, now: DateTime<Utc>, missing: &mut usize) -> Result<(), LookError> {
        let running = self.running(pulse, names::SUBSCRIPTION).await?;
        let mut after = None;
        loop {
            let calendars = self.store.open_calendar_ids(after, API_PAGE_ROWS_MAX).await?;
            for calendar in calendars.iter().copied() {
                pulse.beat();
                if *missing < MISSING_MAX && !running.contains(&names::subscription_id(calendar)) {
                    *missing += usize::from(self.look_at(calendar, now).await?);
                }
            }
            match calendars.last() {
                Some(last) => after = Some(*last),
                None => return Ok(()),
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
    }

    /// A calendar whose subscription is not in the index; whether it was missing.
    async fn look_at(&self, id: CalendarId, now: DateTime<Utc>) -> Result<bool, LookError> {
        let Some(calendar) = self.store.calendar(id).await? else { return Ok(false) };
        let is_new = now - calendar.state_changed_at < self.grace();
        let is_closed = calendar.state == evercal_domain::CalendarState::Closed;
        if is_new || is_closed || self.signals.runs(&names::subscription_id(id)).await? {
            return Ok(false);
        }
        let Some(account) = self.store.account(calendar.account_id).await? else { return Ok(false) };
        if !self.accounts.tell(account.id, AccountNews::SubscriptionMissing(id)).await? {
            return Ok(false);
        }
        self.write_down(&account, Some(id)).await?;
        Ok(true)
    }

    fn grace(&self) -> TimeDelta {
        TimeDelta::from_std(self.interval).unwrap_or(GRACE_MAX).min(GRACE_MAX)
    }

    async fn running(&self, pulse: &Pulse, workflow_type: &str) -> Result<HashSet<String>, LookError> {
        let mut running = HashSet::new();
        let mut page = Vec::new();
        for _ in 0..PAGES_MAX {
            pulse.beat();
            let answer = self.signals.running(workflow_type, page).await?;
            running.extend(answer.workflow_ids);
            page = answer.next;
            if page.is_empty() {
                break;
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
        Ok(running)
    }

    async fn write_down(&self, account: &Account, calendar: Option<CalendarId>) -> Result<(), StoreError> {
        let (id, what) = match calendar {
            Some(calendar) => (names::subscription_id(calendar), "the subscription"),
            None => (names::account_id(account.id), "the account"),
        };
        tracing::warn!(workflow_id = id, "a workflow that should run was missing and is started again");
        let at = self.clock.now();
        let entry = AuditEntry {
            dedup_key: format!("missing/{id}/{}", at.timestamp_millis()),
            at,
            kind: AuditKind::WorkflowMissing,
            tenant_id: Some(account.tenant_id),
            account_id: Some(account.id),
            calendar_id: calendar,
            message: format!("the workflow of {what} did not run; it is started again"),
        };
        self.store.append_audit(&entry).await
    }
}
