//! The catch-up backlog of accounts: their list of calendars has to be read, since notices about it may have been refused. All
//! of them are signalled by the gateway that has signalled all calendars.

use std::collections::BTreeMap;

use evercal_domain::{AccountId, AccountState};
use evercal_process::counted;
use evercal_storage::StoreError;
use evercal_workflow_client::AccountSignal;
use tokio::time::Instant;

use super::CatchUp;
use super::telling::Telling;

/// Accounts read from the store at a time.
const ACCOUNTS_PER_PAGE: u32 = 200;

/// Which accounts are still to be signalled.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// All are being signalled, in the order of their ids.
    all: Option<Walk>,
    /// These too, and when to try them again.
    single: BTreeMap<AccountId, Instant>,
}

/// How far signalling all of them has come.
#[derive(Debug, Clone, Copy)]
struct Walk {
    had_turn_up_to: Option<AccountId>,
}

impl Lists {
    /// Whether the backlog is empty.
    pub(super) fn is_none(&self) -> bool {
        self.all.is_none() && self.single.is_empty()
    }

    /// Enqueues this one. One that is deferred keeps its time.
    pub(super) fn owe(&mut self, account: AccountId, now: Instant) {
        self.single.entry(account).or_insert(now);
    }

    /// Enqueues all, from the first one on.
    pub(super) fn owe_all(&mut self) {
        self.all = Some(Walk { had_turn_up_to: None });
    }

    fn due(&self, now: Instant) -> Vec<AccountId> {
        self.single.iter().filter(|(_, at)| **at <= now).map(|(account, _)| *account).collect()
    }
}

impl CatchUp {
    /// Signals the accounts of the backlog, for no longer than the round has time for.
    pub(super) async fn tell_lists(&self, lists: &mut Lists, telling: &mut Telling) -> Result<(), StoreError> {
        for account in lists.due(Instant::now()) {
            self.tell_list(account, lists, telling).await;
        }
        while let Some(walk) = lists.all
            && !telling.is_over()
        {
            let accounts = self.store.open_accounts_after(walk.had_turn_up_to, ACCOUNTS_PER_PAGE).await?;
            if accounts.is_empty() {
                lists.all = None;
            }
            for account in accounts {
                // Whoever is connecting, or connects again, reads the list in any case.
                if account.state == AccountState::Connected && !self.tell_list(account.id, lists, telling).await {
                    break;
                }
                lists.all = Some(Walk { had_turn_up_to: Some(account.id) });
            }
        }
        Ok(())
    }

    /// Tries to signal one, unless the round's time is over; answers whether it was tried.
    async fn tell_list(&self, account: AccountId, lists: &mut Lists, telling: &mut Telling) -> bool {
        if telling.is_over() {
            return false;
        }
        telling.wait_for_turn().await;
        match self.accounts.signal(account, AccountSignal::ListMayHaveChanged).await {
            Ok(_) => {
                telling.failures_in_a_row = 0;
                lists.single.remove(&account);
            }
            Err(error) => {
                counted!(warn, "an account could not be told to look at its list of calendars", account_id = %account, %error);
                telling.failures_in_a_row += 1;
                lists.single.insert(account, Instant::now() + self.pace.pause);
            }
        }
        true
    }
}
