//! The difference between a mirror before and after a page: at most one change per id, only true ones.

use std::collections::HashMap;

use evercal_domain::ProviderEventId;
use evercal_domain::change::ChangeKind;
use evercal_domain::event::Fingerprint;

use crate::row::{RowKind, RowState};

/// A line of the change feed that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChange {
    /// To which event.
    pub id: ProviderEventId,
    /// What happened.
    pub kind: ChangeKind,
    /// The fingerprint before; none where it was not there.
    pub before: Option<Fingerprint>,
    /// The fingerprint after; none where it is gone.
    pub after: Option<Fingerprint>,
}

/// A row that readers see differently after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleChange {
    /// Its id at the provider.
    pub id: ProviderEventId,
    /// Whose occurrences it changes: the owner before and the one after.
    pub owners: Vec<ProviderEventId>,
    /// Whether it is gone.
    pub is_deleted: bool,
    /// Whether it is a master, an exception or a cancelled occurrence, or was one.
    pub is_of_series: bool,
}

/// What is noted while a page is planned.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    entries: Vec<Difference>,
    index: HashMap<ProviderEventId, usize>,
}

#[derive(Debug)]
struct Difference {
    id: ProviderEventId,
    before: Option<RowState>,
    after: Option<RowState>,
}

impl Differences {
    /// Notes that a row went from one state to another. What it was before the page is what the first call says. An occurrence that
    /// its provider made is none of its own to readers: it is part of its series, as those that rules make.
    pub(crate) fn note(&mut self, id: &ProviderEventId, before: Option<RowState>, after: Option<RowState>) {
        let of_its_own = |state: &RowState| state.kind != RowKind::Occurrence;
        let (before, after) = (before.filter(of_its_own), after.filter(of_its_own));
        let known = self.index.get(id).and_then(|index| self.entries.get_mut(*index));
        if let Some(entry) = known {
            entry.after = after;
        } else {
            self.index.insert(id.clone(), self.entries.len());
            self.entries.push(Difference { id: id.clone(), before, after });
        }
    }

    /// By how much the number of events moves.
    pub(crate) fn event_count_delta(&self) -> i64 {
        let counted = |state: &Option<RowState>| state.as_ref().map_or(0, RowState::counted);
        self.entries.iter().map(|entry| counted(&entry.after) - counted(&entry.before)).sum()
    }

    /// The rows that readers see differently.
    pub(crate) fn visible(&self) -> Vec<VisibleChange> {
        self.entries.iter().filter(|entry| entry.before != entry.after).map(Difference::visible).collect()
    }

    /// The lines for the feed, in the order of the page.
    pub(crate) fn into_changes(self) -> Vec<NewChange> {
        self.entries.into_iter().filter_map(Difference::into_change).collect()
    }
}

impl Difference {
    fn visible(&self) -> VisibleChange {
        let states = || self.before.iter().chain(&self.after);
        VisibleChange {
            id: self.id.clone(),
            owners: states().map(|state| state.owner(&self.id).clone()).collect(),
            is_deleted: self.after.is_none(),
            is_of_series: states().any(|state| state.kind != RowKind::Single),
        }
    }

    fn into_change(self) -> Option<NewChange> {
        let kind = match (&self.before, &self.after) {
            (None, None) => return None,
            (Some(before), Some(after)) if before.fingerprint == after.fingerprint => return None,
            (Some(_), None) => ChangeKind::Deleted,
            (_, Some(after)) if after.kind == RowKind::Cancelled => ChangeKind::Cancelled,
            (None, Some(_)) => ChangeKind::Created,
            (Some(_), Some(_)) => ChangeKind::Updated,
        };
        let fingerprint = |state: RowState| state.fingerprint;
        Some(NewChange { id: self.id, kind, before: self.before.map(fingerprint), after: self.after.map(fingerprint) })
    }
}
