//! Remembers the notices that were answered with 503. Providers do not repeat everything that was refused, so that each of
//! them makes a catch-up due (`catch_up.rs`): of its calendar, or of all where nobody knows which it was.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use evercal_domain::CalendarId;

/// Calendars that are remembered one by one; with more of them at a time, all are told.
const CALENDARS_MAX: usize = 1_000;

/// The notices that this process has refused since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Refused>);

/// For whom notices were refused.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// These calendars.
    pub calendars: BTreeSet<CalendarId>,
    /// Others too; nobody knows which.
    pub unnamed: bool,
}

impl Refusals {
    /// A notice for this calendar was refused.
    pub(crate) fn add(&self, calendar: CalendarId) {
        let mut refused = self.refused();
        if refused.calendars.len() < CALENDARS_MAX {
            refused.calendars.insert(calendar);
        } else {
            refused.unnamed = true;
        }
    }

    /// A notice was refused before anybody looked whose it was.
    pub(crate) fn add_unnamed(&self) {
        self.refused().unnamed = true;
    }

    /// Hands over what was refused since the last time.
    pub(crate) fn take(&self) -> Refused {
        std::mem::take(&mut self.refused())
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
