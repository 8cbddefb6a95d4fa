//! Account workflows: starting them, telling them something, and making sure that no consent is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evercal_domain::limits::API_PAGE_ROWS_MAX;
use evercal_domain::{Account, AccountId, AccountState, Calendar, Clock, SyncStrategies};
use evercal_process::{Pulse, counted};
use evercal_storage::{Store, StoreError};
use evercal_workflows::Timing;
use evercal_workflows::contract::AccountInput;

use crate::missing::Missing;
use crate::signals::{AccountNews, SignalError, Signals, Start};

/// Starting and telling race with a workflow that ends; so often they are tried.
const ATTEMPTS: u32 = 3;
/// After so many failures in a row Temporal is taken to be away again.
const FAILURES_IN_A_ROW_MAX: u32 = 5;

/// What accounts get along when they start. Later values reach them through a worker.
pub struct Given {
    /// The durations to go by.
    pub timing: Timing,
    /// How changes are found, by provider.
    pub strategies: SyncStrategies,
}

/// Talks to account workflows.
pub struct AccountWorkflows {
    store: Arc<dyn Store>,
    signals: Arc<dyn Signals>,
    given: Given,
    pub(crate) missing: Missing,
    /// Whether consents may be waiting in the store of which no workflow knows.
    unsettled: AtomicBool,
}

/// Why an account's workflow could not be told.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Temporal did not take it.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The store does not say what the account is.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account that is not told, for whatever reason, is told later.
struct Telling<'a> {
    accounts: &'a AccountWorkflows,
    done: bool,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.accounts.unsettle();
        }
    }
}

impl AccountWorkflows {
    /// What the process before left undone is done by the first [`Self::settle`].
    pub fn new(store: Arc<dyn Store>, signals: Arc<dyn Signals>, clock: Arc<dyn Clock>, given: Given) -> Self {
        let fleet_interval = Duration::from_secs(given.timing.fleet_interval_s.into());
        let missing = Missing::new(Arc::clone(&store), clock, fleet_interval);
        Self { store, signals, given, missing, unsettled: AtomicBool::new(true) }
    }

    /// A code is in the store: starts the workflow, or tells the running one. When that fails, [`Self::settle`] does it
    /// later, in this process or the next one.
    pub(crate) async fn authorized(&self, account: &Account) {
        let mut telling = Telling { accounts: self, done: false };
        match self.start_and_tell(account, AccountNews::Authorized).await {
            Ok(()) => telling.done = true,
            Err(error) => {
                counted!(warn, "the account waits until Temporal answers", account = %account.id, %error);
            }
        }
    }

    /// Tells an account's workflow, starting it if it is lost. Returns false if the account is disconnected or unknown,
    /// so that there is nobody to tell.
    pub async fn tell(&self, account: AccountId, news: AccountNews) -> Result<bool, AccountError> {
        match self.signals.tell_account(account, news.clone()).await {
            Ok(()) => return Ok(true),
            Err(SignalError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        match self.store.account(account).await? {
            Some(row) if row.state != AccountState::Disconnected => {
                // What was being taken down is not to come back.
                let news = if row.state == AccountState::Disconnecting { AccountNews::Disconnect } else { news };
                self.start_and_tell(&row, news).await?;
                self.missing.note_account(&row).await;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Tells an account's workflow that a calendar's subscription is missing, and writes that down.
    pub(crate) async fn tell_missing(&self, calendar: &Calendar) -> Result<bool, AccountError> {
        let told = self.tell(calendar.account_id, AccountNews::SubscriptionMissing(calendar.id)).await?;
        if told {
            self.missing.note_subscription(calendar).await;
        }
        Ok(told)
    }

    /// Temporal was away: accounts may be waiting.
    pub(crate) fn unsettle(&self) {
        self.unsettled.store(true, Ordering::SeqCst);
    }

    /// Makes sure that nothing is forgotten: an account that is connecting, or whose code is not redeemed yet, or that is
    /// being taken down, gets its workflow and is told.
    pub(crate) async fn settle(&self, pulse: &Pulse) -> Result<(), AccountError> {
        if !self.unsettled.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let settled = self.settle_all(pulse).await;
        if settled.is_err() {
            self.unsettle();
        }
        settled
    }

    /// One account that cannot be told does not keep the others waiting.
    async fn settle_all(&self, pulse: &Pulse) -> Result<(), AccountError> {
        let mut failed = None;
        let mut in_a_row = 0;
        let mut after = None;
        loop {
            let accounts = self.store.unsettled_accounts(after, API_PAGE_ROWS_MAX).await?;
            for account in &accounts {
                pulse.beat();
                let Some(news) = waits_for(account) else { continue };
                match self.start_and_tell(account, news).await {
                    Ok(()) => in_a_row = 0,
                    Err(error) if in_a_row >= FAILURES_IN_A_ROW_MAX => return Err(error.into()),
                    Err(error) => {
                        in_a_row += 1;
                        failed = Some(error);
                    }
                }
            }
            // One that cannot be read is left out, so that the last row tells where to go on.
            match accounts.last() {
                Some(last) => after = Some(last.id),
                None => break,
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Starts the workflow of an account where it is missing. An account that is being taken down goes on with that.
    pub(crate) async fn bring_back(&self, account: &Account) -> Result<(), SignalError> {
        let news = waits_for(account).unwrap_or(AccountNews::Look);
        self.start_and_tell(account, news).await?;
        self.missing.note_account(account).await;
        Ok(())
    }

    async fn start_and_tell(&self, account: &Account, news: AccountNews) -> Result<(), SignalError> {
        for _ in 0..ATTEMPTS {
            let start = self.signals.start_account(&self.input(account)).await?;
            // A workflow that starts reads the store and so knows everything but the wish to end.
            if start == Start::Started && news != AccountNews::Disconnect {
                return Ok(());
            }
            match self.signals.tell_account(account.id, news.clone()).await {
                Err(SignalError::NotFound) => {}
                told => return told,
            }
        }
        Err(SignalError::NotFound)
    }

    fn input(&self, account: &Account) -> AccountInput {
        AccountInput {
            account_id: account.id,
            tenant_id: account.tenant_id,
            provider: account.provider,
            timing: self.given.timing.clone(),
            strategy: self.given.strategies.of(account.provider),
            carried: None,
        }
    }
}

/// What an account's workflow has yet to hear. No credentials are opened for it.
fn waits_for(account: &Account) -> Option<AccountNews> {
    match account.state {
        AccountState::Disconnected => None,
        AccountState::Disconnecting => Some(AccountNews::Disconnect),
        AccountState::Connecting => Some(AccountNews::Authorized),
        AccountState::Connected | AccountState::NeedsReauth | AccountState::Duplicate => {
            account.consent_waits.then_some(AccountNews::Authorized)
        }
    }
}
