//! Account workflows: starting them, and signalling them whether they run or have been lost.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::{Account, AccountId, AccountState, ByProvider, Calendar, Clock, SyncStrategy};
use evercal_storage::{Store, StoreError};
use evercal_workflows::Timing;
use evercal_workflows::contract::AccountInput;

use crate::missing::MissingWorkflows;
use crate::workflows::{AccountSignal, StartOutcome, WorkflowError, Workflows};

/// Starting and signalling race with a workflow that ends; so often both are tried.
const ATTEMPTS: u32 = 3;

/// What account workflows are started with. Later values reach those that run through a worker.
pub struct AccountDefaults {
    /// The durations to go by.
    pub timings: ByProvider<Timing>,
    /// How changes are found.
    pub strategies: ByProvider<SyncStrategy>,
    /// How long what should run may have no workflow before that is written down.
    pub fleet_interval: Duration,
}

/// Talks to account workflows.
pub struct AccountWorkflows {
    store: Arc<dyn Store>,
    workflows: Arc<dyn Workflows>,
    defaults: AccountDefaults,
    missing: MissingWorkflows,
}

/// What became of a signal to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalOutcome {
    /// The account's workflow has it.
    Delivered,
    /// The account is disconnected or unknown, so that there is nobody to signal.
    NoAccount,
}

/// Why a workflow could not be called.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Temporal did not take the call.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// The store does not say what the workflow is about.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccountWorkflows {
    /// Looks accounts up in `store`, and writes into its audit log which workflows were missing.
    pub fn new(
        store: Arc<dyn Store>,
        workflows: Arc<dyn Workflows>,
        clock: Arc<dyn Clock>,
        defaults: AccountDefaults,
    ) -> Self {
        let missing = MissingWorkflows::new(Arc::clone(&store), clock, defaults.fleet_interval);
        Self { store, workflows, defaults, missing }
    }

    /// Signals an account's workflow, starting it if it is lost.
    pub async fn signal(&self, account: AccountId, signal: AccountSignal) -> Result<SignalOutcome, CallError> {
        match self.workflows.signal_account(account, signal.clone()).await {
            Ok(()) => return Ok(SignalOutcome::Delivered),
            Err(WorkflowError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        match self.store.account(account).await? {
            Some(row) if row.state != AccountState::Disconnected => {
                // What was being taken down is not to come back.
                let is_ending = row.state == AccountState::Disconnecting;
                let signal = if is_ending { AccountSignal::Disconnect } else { signal };
                self.start_and_signal(&row, signal).await?;
                self.missing.note_account(&row).await;
                Ok(SignalOutcome::Delivered)
            }
            _ => Ok(SignalOutcome::NoAccount),
        }
    }

    /// Signals an account's workflow that a calendar's subscription is missing, and writes that down.
    pub async fn signal_missing_subscription(&self, calendar: &Calendar) -> Result<SignalOutcome, CallError> {
        let outcome = self.signal(calendar.account_id, AccountSignal::SubscriptionMissing(calendar.id)).await?;
        if outcome == SignalOutcome::Delivered {
            self.missing.note_subscription(calendar).await;
        }
        Ok(outcome)
    }

    /// Starts the workflow of an account where it is missing, and writes that down. An account that is being taken down goes
    /// on with that.
    pub async fn restart(&self, account: &Account) -> Result<(), WorkflowError> {
        let signal = awaited_signal(account).unwrap_or(AccountSignal::Discover);
        self.start_and_signal(account, signal).await?;
        self.missing.note_account(account).await;
        Ok(())
    }

    /// Starts the workflow of an account, or signals the running one.
    pub async fn start_and_signal(&self, account: &Account, signal: AccountSignal) -> Result<(), WorkflowError> {
        for _ in 0..ATTEMPTS {
            let start = self.workflows.start_account(&self.input(account)).await?;
            // A workflow that starts reads the store and so knows everything but the wish to end.
            if start == StartOutcome::Started && signal != AccountSignal::Disconnect {
                return Ok(());
            }
            match self.workflows.signal_account(account.id, signal.clone()).await {
                Err(WorkflowError::NotFound) => {}
                signalled => return signalled,
            }
        }
        Err(WorkflowError::NotFound)
    }

    /// Whether what has been in its state since then is so new that it may not have its workflow yet.
    pub fn is_new(&self, state_since: DateTime<Utc>) -> bool {
        self.missing.is_new(state_since)
    }

    fn input(&self, account: &Account) -> AccountInput {
        AccountInput {
            account_id: account.id,
            tenant_id: account.tenant_id,
            provider: account.provider,
            timing: self.defaults.timings.of(account.provider),
            strategy: self.defaults.strategies.of(account.provider),
            carried: None,
        }
    }
}

/// The signal that an account's workflow has yet to get, as far as the account's row says it: no credentials are opened for it.
pub fn awaited_signal(account: &Account) -> Option<AccountSignal> {
    match account.state {
        AccountState::Disconnected => None,
        AccountState::Disconnecting => Some(AccountSignal::Disconnect),
        AccountState::Connecting => Some(AccountSignal::Authorized),
        AccountState::Connected | AccountState::NeedsReauth | AccountState::Duplicate => {
            account.consent_waits.then_some(AccountSignal::Authorized)
        }
    }
}
