//! Remembers the notices that were answered with 503. Providers do not repeat everything that was refused, so that each of
//! them makes a catch-up due (`catch_up.rs`) of its calendar, or of its account's list of calendars. What was refused before
//! anybody proved anything may have been a notice too, but whoever can cause that must not cause work: because of it, all
//! calendars catch up once in many hours.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercal_domain::{AccountId, CalendarId, Watched};

/// Calendars, and accounts, that are remembered one by one; with more of them at a time, all catch up.
const SINGLE_MAX: usize = 1_000;

/// The notices that this process has refused since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Refused>);

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A calendar's events.
    Calendar(CalendarId),
    /// An account's list of calendars.
    List(AccountId),
}

impl From<CalendarId> for About {
    fn from(calendar: CalendarId) -> Self {
        Self::Calendar(calendar)
    }
}

impl From<Watched> for About {
    fn from(watched: Watched) -> Self {
        match watched {
            Watched::Calendar { calendar_id, .. } => Self::Calendar(calendar_id),
            Watched::CalendarList { account_id } => Self::List(account_id),
        }
    }
}

/// For whom notices were refused.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// These calendars.
    pub calendars: BTreeSet<CalendarId>,
    /// The lists of calendars of these accounts.
    pub accounts: BTreeSet<AccountId>,
    /// More than are remembered one by one.
    pub more: bool,
    /// Somebody who has proven nothing was turned away, perhaps with a notice.
    pub unproven: bool,
}

impl Refusals {
    /// A proven notice about this was refused.
    pub(crate) fn add(&self, about: impl Into<About>) {
        let refused = &mut *self.refused();
        match about.into() {
            About::Calendar(calendar) => add_to(&mut refused.calendars, &mut refused.more, calendar),
            About::List(account) => add_to(&mut refused.accounts, &mut refused.more, account),
        }
    }

    /// Somebody was turned away before they could prove anything.
    pub(crate) fn add_unproven(&self) {
        self.refused().unproven = true;
    }

    /// A proven notice on its way: refused unless it arrives, whatever ends it (its time, a panic).
    pub(crate) fn on_its_way(self: &Arc<Self>, about: impl Into<About>) -> OnItsWay {
        OnItsWay { refusals: Arc::clone(self), about: Some(about.into()) }
    }

    /// Takes what was refused since the last time.
    pub(crate) fn take(&self) -> Refused {
        std::mem::take(&mut self.refused())
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add_to<T: Ord>(single: &mut BTreeSet<T>, more: &mut bool, one: T) {
    if single.len() < SINGLE_MAX {
        single.insert(one);
    } else {
        *more |= !single.contains(&one);
    }
}

/// See [`Refusals::on_its_way`].
#[derive(Debug)]
pub(crate) struct OnItsWay {
    refusals: Arc<Refusals>,
    about: Option<About>,
}

impl OnItsWay {
    /// It was taken, or somebody else answers for it now.
    pub(crate) fn arrived(mut self) {
        self.about = None;
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if let Some(about) = self.about {
            self.refusals.add(about);
        }
    }
}
