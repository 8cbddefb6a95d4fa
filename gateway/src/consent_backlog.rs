//! Consents in the store of which no workflow may know yet. An account's workflow is signalled right after a consent is kept;
//! whatever keeps that from happening (Temporal is away, the process ends), the account is signalled from here, by this process or the
//! next one. Not for: keeping a consent (`consents.rs`), signalling an account (`crates/workflow-client`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evercal_domain::Account;
use evercal_domain::limits::API_PAGE_ROWS_MAX;
use evercal_process::{Pulse, counted};
use evercal_storage::Store;
use evercal_workflow_client::{AccountSignal, AccountWorkflows, CallError, awaited_signal};

/// After so many failures in a row Temporal is taken to be away again.
const FAILURES_IN_A_ROW_MAX: u32 = 5;

/// Accounts whose workflow may have to be signalled.
pub(crate) struct ConsentBacklog {
    store: Arc<dyn Store>,
    accounts: Arc<AccountWorkflows>,
    /// Whether there may be any.
    may_have_some: AtomicBool,
}

/// An account that is not signalled, for whatever reason, is in the backlog.
struct Signalling<'a> {
    backlog: &'a ConsentBacklog,
    is_done: bool,
}

impl Drop for Signalling<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.backlog.fill();
        }
    }
}

impl ConsentBacklog {
    /// What the process before left undone is done by the first [`Self::drain`].
    pub(crate) fn new(store: Arc<dyn Store>, accounts: Arc<AccountWorkflows>) -> Self {
        Self { store, accounts, may_have_some: AtomicBool::new(true) }
    }

    /// A code of this account is in the store: starts the workflow, or signals the running one.
    pub(crate) async fn authorized(&self, account: &Account) {
        let mut signalling = Signalling { backlog: self, is_done: false };
        match self.accounts.start_and_signal(account, AccountSignal::Authorized).await {
            Ok(()) => signalling.is_done = true,
            Err(error) => {
                counted!(warn, "the account waits until Temporal answers", account_id = %account.id, %error);
            }
        }
    }

    /// Accounts may be waiting: Temporal was away.
    pub(crate) fn fill(&self) {
        self.may_have_some.store(true, Ordering::SeqCst);
    }

    /// An account that is connecting, or whose code is not redeemed yet, or that is being taken down, gets its workflow and the
    /// signal for it. Where that fails, the next call goes on.
    pub(crate) async fn drain(&self, pulse: &Pulse) -> Result<(), CallError> {
        if !self.may_have_some.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let drained = self.signal_all(pulse).await;
        if drained.is_err() {
            self.fill();
        }
        drained
    }

    /// One account that cannot be signalled does not keep the others waiting.
    async fn signal_all(&self, pulse: &Pulse) -> Result<(), CallError> {
        let mut outcome = Ok(());
        let mut failures_in_a_row = 0;
        let mut after = None;
        loop {
            let accounts = self.store.pending_accounts(after, API_PAGE_ROWS_MAX).await?;
            // One that cannot be read is left out, so that the last row says where to go on.
            let Some(last) = accounts.last() else { return outcome };
            after = Some(last.id);
            for account in &accounts {
                pulse.beat();
                let Some(signal) = awaited_signal(account) else { continue };
                match self.accounts.start_and_signal(account, signal).await {
                    Ok(()) => failures_in_a_row = 0,
                    Err(error) if failures_in_a_row >= FAILURES_IN_A_ROW_MAX => return Err(error.into()),
                    Err(error) => {
                        failures_in_a_row += 1;
                        outcome = Err(error.into());
                    }
                }
            }
        }
    }
}
