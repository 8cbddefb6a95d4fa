//! Turns: Microsoft answers only so many requests at a time for a mailbox, and refuses the others
//! (<https://learn.microsoft.com/graph/throttling-limits>, "Outlook service limits").

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use evercal_domain::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Mailboxes that are remembered; beyond it those without requests are forgotten.
const MAILBOXES_MAX: usize = 10_000;

/// The mailboxes that this process has requests at.
pub(super) struct Mailboxes {
    requests_max: usize,
    by_account: Mutex<HashMap<AccountId, Arc<Semaphore>>>,
}

impl Mailboxes {
    /// Each with so many requests at a time.
    pub(super) fn new(requests_max: usize) -> Self {
        Self { requests_max: requests_max.max(1), by_account: Mutex::default() }
    }

    /// Waits for a turn, which ends when it is dropped. A consent that is no account's yet does not wait.
    pub(super) async fn turn(&self, account: Option<AccountId>) -> Option<OwnedSemaphorePermit> {
        let semaphore = self.of(account?);
        // It is never closed.
        semaphore.acquire_owned().await.ok()
    }

    /// The same for as much as may be asked at a time.
    pub(super) async fn all_turns(&self, account: Option<AccountId>) -> Option<OwnedSemaphorePermit> {
        let semaphore = self.of(account?);
        semaphore.acquire_many_owned(u32::try_from(self.requests_max).unwrap_or(1)).await.ok()
    }

    fn of(&self, account: AccountId) -> Arc<Semaphore> {
        let mut mailboxes = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        if mailboxes.len() >= MAILBOXES_MAX && !mailboxes.contains_key(&account) {
            // One in use stays, so that there is never more than one for an account.
            mailboxes.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        }
        Arc::clone(mailboxes.entry(account).or_insert_with(|| Arc::new(Semaphore::new(self.requests_max))))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn an_account_has_so_many_turns_at_a_time_and_others_have_their_own() {
        let mailboxes = Mailboxes::new(2);
        let (one, other) = (AccountId::generate(), AccountId::generate());
        let first = mailboxes.turn(Some(one)).now_or_never().flatten();
        let second = mailboxes.turn(Some(one)).now_or_never().flatten();
        assert!(first.is_some() && second.is_some());
        assert!(mailboxes.turn(Some(one)).now_or_never().is_none());
        assert!(mailboxes.turn(Some(other)).now_or_never().flatten().is_some());
        assert!(mailboxes.turn(None).now_or_never().is_some());
        assert!(mailboxes.all_turns(Some(one)).now_or_never().is_none());
        drop(first);
        assert!(mailboxes.turn(Some(one)).now_or_never().flatten().is_some());
        assert!(mailboxes.all_turns(Some(one)).now_or_never().is_none());
        drop(second);
        let all = mailboxes.all_turns(Some(one)).now_or_never().flatten();
        assert!(all.is_some() && mailboxes.turn(Some(one)).now_or_never().is_none());
    }
}
