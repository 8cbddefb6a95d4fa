//! Remembers the notices that were answered with 503. Providers do not repeat everything that was refused, so that each of
//! them makes a catch-up due (`catch_up.rs`) of its calendar. What was refused before anybody proved anything may have
//! been a notice too, but whoever can cause that must not cause work: all are told because of it once in many hours.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// More calendars than are remembered one by one.
    pub more_calendars: bool,
    /// Somebody who has proven nothing was turned away, perhaps with a notice.
    pub unproven: bool,
}

impl Refusals {
    /// A proven notice for this calendar was refused.
    pub(crate) fn add(&self, calendar: CalendarId) {
        let mut refused = self.refused();
        if refused.calendars.len() < CALENDARS_MAX {
            refused.calendars.insert(calendar);
        } else {
            refused.more_calendars |= !refused.calendars.contains(&calendar);
        }
    }

    /// Somebody was turned away before they could prove anything.
    pub(crate) fn add_unproven(&self) {
        self.refused().unproven = true;
    }

    /// A proven notice on its way: refused unless it arrives, whatever ends it (its time, a panic).
    pub(crate) fn on_its_way(self: &Arc<Self>, calendar: CalendarId) -> OnItsWay {
        OnItsWay { refusals: Arc::clone(self), calendar: Some(calendar) }
    }

    /// Hands over what was refused since the last time.
    pub(crate) fn take(&self) -> Refused {
        std::mem::take(&mut self.refused())
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Refusals::on_its_way`].
#[derive(Debug)]
pub(crate) struct OnItsWay {
    refusals: Arc<Refusals>,
    calendar: Option<CalendarId>,
}

impl OnItsWay {
    /// It was taken, or somebody else answers for it now.
    pub(crate) fn arrived(mut self) {
        self.calendar = None;
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if let Some(calendar) = self.calendar {
            self.refusals.add(calendar);
        }
    }
}
