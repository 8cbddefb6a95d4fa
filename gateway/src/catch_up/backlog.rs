//! The catch-up backlog: calendars, or accounts, that have to be signalled, since notices about them may have been refused
//! (`catch_up.rs`): all of them, or single ones.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// Who is still to be signalled.
#[derive(Debug)]
pub(super) struct Backlog<Id> {
    /// All are being signalled, in the order of their ids.
    all: Option<Walk<Id>>,
    /// These too, and when to try them again: at once those that were not tried yet.
    single: BTreeMap<Id, Option<Instant>>,
}

/// How far signalling all of them has come.
#[derive(Debug, Clone, Copy)]
struct Walk<Id> {
    reached: Option<Id>,
}

impl<Id> Default for Backlog<Id> {
    fn default() -> Self {
        Self { all: None, single: BTreeMap::new() }
    }
}

impl<Id: Copy + Ord> Backlog<Id> {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_none() && self.single.is_empty()
    }

    /// Enqueues all, from the first one on; single ones, and when they are to be tried again, are part of that.
    pub(super) fn enqueue_all(&mut self) {
        *self = Self { all: Some(Walk { reached: None }), single: BTreeMap::new() };
    }

    /// Begins with all of them again, from the first one on; single ones stay.
    pub(super) fn restart(&mut self) {
        self.all = Some(Walk { reached: None });
    }

    /// Whether all are in the backlog.
    pub(super) fn has_all(&self) -> bool {
        self.all.is_some()
    }

    /// Enqueues this one. One that is deferred keeps its time.
    pub(super) fn enqueue(&mut self, id: Id) {
        let is_yet_to_be_reached = self.all.is_some_and(|walk| walk.reached.is_none_or(|last| id > last));
        if !is_yet_to_be_reached {
            self.single.entry(id).or_default();
        }
    }

    /// While all are being signalled: the one after which to go on.
    pub(super) fn reached(&self) -> Option<Id> {
        self.all.and_then(|walk| walk.reached)
    }

    /// All up to this one were tried.
    pub(super) fn advance(&mut self, id: Id) {
        self.all = Some(Walk { reached: Some(id) });
    }

    /// All were tried.
    pub(super) fn finish_all(&mut self) {
        self.all = None;
    }

    /// This one has the signal.
    pub(super) fn remove(&mut self, id: Id) {
        self.single.remove(&id);
    }

    /// Defers this one, which could not be signalled.
    pub(super) fn defer(&mut self, id: Id, until: Instant) {
        self.single.insert(id, Some(until));
    }

    /// Those that nobody has tried to signal yet.
    pub(super) fn untried(&self) -> Vec<Id> {
        self.single.iter().filter(|(_, again_at)| again_at.is_none()).map(|(id, _)| *id).collect()
    }

    /// Those whose time to be tried again has come, longest due first.
    pub(super) fn due(&self, now: Instant) -> Vec<Id> {
        let due = self.single.iter().filter_map(|(id, again_at)| again_at.filter(|at| *at <= now).zip(Some(*id)));
        let mut due: Vec<(Instant, Id)> = due.collect();
        due.sort_unstable();
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// How many single ones there are.
    pub(super) fn singles(&self) -> usize {
        self.single.len()
    }
}
