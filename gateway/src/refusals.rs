//! Remembers the notices that were answered with 503. Providers do not repeat everything that was refused, so that each of
//! them makes a catch-up due (`catch_up.rs`) of its calendar, or of its account's list of calendars. A connection
//! that was closed before it proved anything may have brought a notice too; since anybody can cause that, it must not cause
//! work: because of such connections all calendars catch up once in many hours.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercal_domain::{AccountId, CalendarId, Watched};

/// Calendars, and accounts, that are remembered one by one; with more of them at a time, all catch up.
const SINGLE_MAX: usize = 1_000;

/// The notices that this process has refused since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<RefusedNotices>);

/// What a notice is about: a calendar's events, or an account's list of calendars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoticeSubject {
    Calendar(CalendarId),
    List(AccountId),
}

impl From<CalendarId> for NoticeSubject {
    fn from(calendar: CalendarId) -> Self {
        Self::Calendar(calendar)
    }
}

impl From<Watched> for NoticeSubject {
    fn from(watched: Watched) -> Self {
        match watched {
            Watched::Calendar { calendar_id, .. } => Self::Calendar(calendar_id),
            Watched::CalendarList { account_id } => Self::List(account_id),
        }
    }
}

/// Whom refused notices were about.
#[derive(Debug, Default)]
pub(crate) struct RefusedNotices {
    pub calendars: BTreeSet<CalendarId>,
    /// Their lists of calendars.
    pub accounts: BTreeSet<AccountId>,
    /// More than are remembered one by one.
    pub more: bool,
    /// Somebody who has proven nothing was turned away, perhaps with a notice.
    pub unproven: bool,
}

impl Refusals {
    /// A proven notice about this was refused.
    pub(crate) fn add(&self, about: impl Into<NoticeSubject>) {
        let refused = &mut *self.refused();
        match about.into() {
            NoticeSubject::Calendar(calendar) => add_to(&mut refused.calendars, &mut refused.more, calendar),
            NoticeSubject::List(account) => add_to(&mut refused.accounts, &mut refused.more, account),
        }
    }

    /// Somebody was turned away before they could prove anything.
    pub(crate) fn add_unproven(&self) {
        self.refused().unproven = true;
    }

    /// A request that may bring notices and has proven nothing yet: somebody was turned away unless it is answered, whatever ends
    /// it (its time, room for others, a panic).
    pub(crate) fn unproven(self: &Arc<Self>) -> UnprovenRequest {
        UnprovenRequest(Some(Arc::clone(self)))
    }

    /// A proven notice in flight: refused unless it is delivered, whatever ends it (its time, a panic).
    pub(crate) fn in_flight(self: &Arc<Self>, about: impl Into<NoticeSubject>) -> InFlightNotice {
        InFlightNotice { refusals: Arc::clone(self), about: Some(about.into()) }
    }

    /// Takes what was refused since the last time.
    pub(crate) fn take(&self) -> RefusedNotices {
        std::mem::take(&mut self.refused())
    }

    fn refused(&self) -> MutexGuard<'_, RefusedNotices> {
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

/// See [`Refusals::unproven`].
#[derive(Debug)]
pub(crate) struct UnprovenRequest(Option<Arc<Refusals>>);

impl UnprovenRequest {
    /// It was looked at to its end: what it brought is known, and to send it again would change nothing.
    pub(crate) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for UnprovenRequest {
    fn drop(&mut self) {
        if let Some(refusals) = &self.0 {
            refusals.add_unproven();
        }
    }
}

/// See [`Refusals::in_flight`].
#[derive(Debug)]
pub(crate) struct InFlightNotice {
    refusals: Arc<Refusals>,
    about: Option<NoticeSubject>,
}

impl InFlightNotice {
    /// It was taken, or somebody else answers for it now.
    pub(crate) fn delivered(mut self) {
        self.about = None;
    }
}

impl Drop for InFlightNotice {
    fn drop(&mut self) {
        if let Some(about) = self.about {
            self.refusals.add(about);
        }
    }
}
