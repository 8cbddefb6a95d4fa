//! The catch-up backlog: calendars that have to be synced, since notices about them may have been refused (`catch_up.rs`): all
//! of them, or single ones.

use std::collections::BTreeMap;

use evercal_domain::CalendarId;
use tokio::time::Instant;

/// Which calendars are still to be signalled.
#[derive(Debug, Default)]
pub(crate) struct Debt {
    /// All are being signalled, in the order of their ids; those up to `had_turn_up_to` have had their turn.
    all: Option<Walk>,
    /// These too, and when to try them again: at once those that were not tried yet.
    single: BTreeMap<CalendarId, Option<Instant>>,
}

/// How far signalling all of them has come.
#[derive(Debug, Clone, Copy)]
struct Walk {
    had_turn_up_to: Option<CalendarId>,
}

impl Debt {
    /// Whether the backlog is empty.
    pub(crate) fn is_none(&self) -> bool {
        self.all.is_none() && self.single.is_empty()
    }

    /// Enqueues all, from the first one on.
    pub(crate) fn owe_all(&mut self) {
        *self = Self { all: Some(Walk { had_turn_up_to: None }), single: BTreeMap::new() };
    }

    /// Begins with all of them again, from the first one on; single ones stay.
    pub(crate) fn walk_anew(&mut self) {
        self.all = Some(Walk { had_turn_up_to: None });
    }

    /// Whether all are in the backlog.
    pub(crate) fn owes_all(&self) -> bool {
        self.all.is_some()
    }

    /// Enqueues this one. One that is deferred keeps its time.
    pub(crate) fn owe(&mut self, calendar: CalendarId) {
        let has_its_turn_yet = self.all.is_some_and(|walk| walk.had_turn_up_to.is_none_or(|last| calendar > last));
        if !has_its_turn_yet {
            self.single.entry(calendar).or_default();
        }
    }

    /// While all are being signalled: the one after which to go on.
    pub(crate) fn had_turn_up_to(&self) -> Option<CalendarId> {
        self.all.and_then(|walk| walk.had_turn_up_to)
    }

    /// All up to this one have had their turn.
    pub(crate) fn walked(&mut self, calendar: CalendarId) {
        self.all = Some(Walk { had_turn_up_to: Some(calendar) });
    }

    /// All have had their turn.
    pub(crate) fn walked_to_the_end(&mut self) {
        self.all = None;
    }

    /// This one has the signal.
    pub(crate) fn told(&mut self, calendar: CalendarId) {
        self.single.remove(&calendar);
    }

    /// Defers this one, which could not be signalled.
    pub(crate) fn put_off(&mut self, calendar: CalendarId, until: Instant) {
        self.single.insert(calendar, Some(until));
    }

    /// Those that nobody has tried to signal yet.
    pub(crate) fn untried(&self) -> Vec<CalendarId> {
        self.single.iter().filter(|(_, again)| again.is_none()).map(|(calendar, _)| *calendar).collect()
    }

    /// Those whose time to be tried again has come, longest due first.
    pub(crate) fn due(&self, now: Instant) -> Vec<CalendarId> {
        let due = self.single.iter().filter_map(|(calendar, again)| again.filter(|at| *at <= now).zip(Some(*calendar)));
        let mut due: Vec<(Instant, CalendarId)> = due.collect();
        due.sort_unstable();
        due.into_iter().map(|(_, calendar)| calendar).collect()
    }

    /// How many single ones there are.
    pub(crate) fn singles(&self) -> usize {
        self.single.len()
    }
}
