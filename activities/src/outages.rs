//! Who waits for a provider that fails, so that nobody waits for an old backoff when it answers again.
//!
//! A failure raises a suspicion; it is an outage when a probe of another calendar fails too. While it lasts, this process
//! probes the provider every few seconds, each time for the next calendar, since any single one may never be answered; and
//! with the first good answer all that wait are woken. A calendar that fails alone is woken once, since its failure may have
//! been an outage that was over before any probe, and then keeps its backoff.
//!
//! That the provider refuses the whole installation is taken as certain when another account is refused too, or when there is
//! none.
//!
//! Kept in memory: what a killed process knew is lost, and its calendars wait for their backoff. Pure but for the lock
//! (`state`); probing and waking are the worker's.

mod state;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use evercal_domain::{AccountId, CalendarId, ProviderError};
use evercal_providers::TokenError;
use tokio::time::Instant;

pub use state::Source;
use state::State;

/// Who waits for a provider.
#[derive(Default)]
pub struct Outages {
    state: Mutex<State>,
}

/// The calendar that a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Its account, with whose grant the call is made.
    pub account: AccountId,
    /// The calendar.
    pub calendar: CalendarId,
}

/// Whether the provider refuses the whole installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not, as far as this process knows.
    None,
    /// It does.
    Refused(ProviderError),
    /// It did, and answers again.
    Over,
}

/// For which calendar to probe the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// For this calendar.
    Calendar(CalendarId),
    /// For any calendar of another account than these. This process knows none: it is in the store, or there is none
    /// ([`Outages::no_other_account`]).
    AnotherAccount(BTreeSet<AccountId>),
}

impl Outages {
    /// Notes how a call about a calendar went.
    pub fn note<T>(&self, source: Source, caller: Caller, outcome: &Result<T, TokenError>) {
        match outcome {
            Ok(_) => self.state().answered(source, caller, Instant::now()),
            Err(TokenError::Provider(error)) => self.state().failed(source, caller, error, Instant::now()),
            Err(TokenError::NotConnected) => self.state().has_no_grant(caller),
            Err(TokenError::Store(_)) => {}
        }
    }

    /// The error that a call would meet, while the provider refuses the whole installation: then it is not made.
    pub fn refused(&self) -> Option<ProviderError> {
        self.state().refused().cloned()
    }

    /// A calendar waits, although its call was not made.
    pub fn waits(&self, caller: Caller) {
        self.state().waits(caller);
    }

    /// Whether the provider answered a call a moment ago, and refuses nothing since.
    pub fn is_answered(&self) -> bool {
        self.state().is_answered(Instant::now())
    }

    /// Whether the provider refuses the whole installation. That it is over is returned once.
    pub fn refusal(&self) -> Refusal {
        self.state().take_refusal()
    }

    /// The probe to make now, if it is time.
    pub fn next_probe(&self) -> Option<Probe> {
        self.state().next_probe(Instant::now())
    }

    /// This calendar cannot be probed, such as when it is gone: another one is probed next.
    pub fn skip(&self, calendar: CalendarId) {
        self.state().skip(calendar);
    }

    /// There is no calendar of another account that could be probed: the answers to one account are all that is known.
    pub fn no_other_account(&self) {
        self.state().confirm_refusal(Instant::now());
    }

    /// Calendars to wake, at most so many.
    pub fn take_to_wake(&self, limit: usize) -> Vec<CalendarId> {
        self.state().take_to_wake(limit)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
