//! What a page does, all of it.

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::limits::EVENT_BYTES_MAX;
use evercal_domain::{ProviderEventId, RemoteItem};
use evercal_recurrence::{ExpandError, Window};

use crate::changes::{Differences, NewChange, VisibleChange};
use crate::content::{Normalized, Unreadable, id_of, ids_of, key_of, master_of, normalized};
use crate::occurrences::{Expansion, OwnerOccurrences, Row, Rows};
use crate::row::{NewRow, RowKind, RowState, StoredBody, StoredRow};

/// Whether a pass ends with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// More pages come.
    No,
    /// A pass that says of each event that is gone that it is, as one over what changed does.
    Pass,
    /// A pass over everything, of a provider where absence means deletion: what no page of it had is gone.
    FullPass,
    /// More chunks come, perhaps: all of a pass over everything was listed, of a provider where absence has to be confirmed. What no
    /// page of it had is to be fetched.
    Listing,
}

/// What the store has of all that a page touches. Read after the revision that the commit will build on: who changes any of it
/// moves the revision, and the commit fails.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// All rows of each owner that is touched ([`touched_ids`]).
    pub rows: Vec<StoredRow>,
    /// Where all of a full pass was listed: the ids of the rows that no page before this one contained.
    pub stale: BTreeSet<ProviderEventId>,
    /// Where a pass ends: cancelled occurrences whose series is not mirrored.
    pub orphans: Vec<(ProviderEventId, RowState)>,
    /// The keys of what is in quarantine.
    pub quarantined: BTreeSet<String>,
    /// Where a full pass ends: the keys among `quarantined` that none of its pages before this one contained.
    pub stale_quarantined: BTreeSet<String>,
}

/// What the store has to do, in one transaction.
#[derive(Debug, Default)]
pub struct Plan {
    /// Rows to write.
    pub upserts: Vec<NewRow>,
    /// Rows to delete, with the occurrences that they own.
    pub deletes: Vec<ProviderEventId>,
    /// Rows that stay as they are: the page contains them in a form that could not be read, or a full pass did not list them
    /// because they lie outside of its window.
    pub kept: Vec<ProviderEventId>,
    /// What the pass has to fetch before it is over: what the page only named, and what is to be confirmed.
    pub named: Vec<Named>,
    /// What does not have to be fetched any more: the page has it, in whatever form, or says that it is gone.
    pub answered: Vec<ProviderEventId>,
    /// What goes into quarantine.
    pub quarantine: Vec<Unreadable>,
    /// The keys of what leaves it.
    pub released: Vec<String>,
    /// Whether quarantined items that no page of this full pass contained leave it too.
    pub sweeps_quarantine: bool,
    /// The occurrences of each owner that is touched.
    pub occurrences: Vec<OwnerOccurrences>,
    /// The lines of the change feed, in order.
    pub changes: Vec<NewChange>,
    /// By how much the number of events moves.
    pub event_count_delta: i64,
    /// The rows that readers see differently.
    pub visible: Vec<VisibleChange>,
}

/// Something that a pass has to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id at the provider.
    pub provider_id: ProviderEventId,
    /// The provider's own mark of the version that it has, where it said so.
    pub version: Option<String>,
}

/// The ids whose owners a page touches: its items' own, and their masters'. A full pass that ends touches those of what it did
/// not contain too.
pub fn touched_ids(items: &[RemoteItem]) -> BTreeSet<&ProviderEventId> {
    items.iter().flat_map(|item| ids_of(item).chain(master_of(item))).collect()
}

/// The ids of which items have the content, or say that it is gone.
pub fn answered_ids(items: &[RemoteItem]) -> BTreeSet<&ProviderEventId> {
    let is_open = |item: &&RemoteItem| matches!(item, RemoteItem::Named { .. } | RemoteItem::Missing { .. });
    items.iter().filter(|item| !is_open(item)).flat_map(ids_of).collect()
}

/// Plans a page. Expanding takes milliseconds for most pages and much more for a few: not for a thread that serves the network.
pub fn plan(items: Vec<RemoteItem>, ends: Ends, snapshot: &Snapshot, expansion: &Expansion) -> Plan {
    let Normalized { items, whole } = normalized(items);
    let window = match expansion {
        Expansion::FromProvider { window } => Some(*window),
        Expansion::ByRules { .. } => None,
    };
    let page = Page::of(&items, whole, ends, window, snapshot);
    let (occurrences, unreadable) = page.rows.expand(expansion);
    let orphans = page.orphans(&unreadable);
    let gone = page.gone_with_the_page();
    let Unlisted { mut to_confirm, outside } = page.unlisted();
    to_confirm.extend(page.elsewhere().into_iter().map(|id| (id, None)));

    let mut draft = Draft::beside(snapshot);
    draft.write(items, unreadable, &orphans);
    for id in gone.into_iter().chain(orphans) {
        draft.delete(&id);
    }
    let released = draft.readable.iter().map(key_of).filter(|key| snapshot.quarantined.contains(key)).collect();
    let held: Vec<_> = draft.quarantine.iter().filter_map(|item| item.provider_id.clone()).collect();
    // What could not be read has been fetched all the same: to stay on the list, it would be asked for without end.
    let answered = draft.readable.into_iter().chain(held.iter().cloned()).collect();
    let kept = held.into_iter().chain(outside).collect();
    let mut named: BTreeMap<ProviderEventId, Option<String>> = to_confirm;
    named.extend(std::mem::take(&mut draft.named).into_iter().map(|named| (named.provider_id, named.version)));
    let named = named.into_iter().map(|(provider_id, version)| Named { provider_id, version }).collect();
    Plan {
        upserts: draft.upserts,
        deletes: draft.deletes,
        kept,
        named,
        answered,
        quarantine: draft.quarantine,
        released,
        sweeps_quarantine: matches!(ends, Ends::FullPass | Ends::Listing),
        occurrences,
        event_count_delta: draft.differences.event_count_delta(),
        visible: draft.differences.visible(),
        changes: draft.differences.into_changes(),
    }
}

/// A page beside what is there.
struct Page<'a> {
    ends: Ends,
    /// The time for which the provider was asked; none where it is asked for all.
    window: Option<Window>,
    snapshot: &'a Snapshot,
    before: BTreeMap<&'a ProviderEventId, &'a RowState>,
    /// What the page says anything about.
    named: BTreeSet<&'a ProviderEventId>,
    /// What it says is gone.
    deleted: BTreeSet<&'a ProviderEventId>,
    /// The owners of which it has all that there is.
    whole: BTreeSet<ProviderEventId>,
    /// The rows of all touched owners, as they will be.
    rows: Rows<'a>,
}

impl<'a> Page<'a> {
    fn of(
        items: &'a [RemoteItem],
        whole: BTreeSet<ProviderEventId>,
        ends: Ends,
        window: Option<Window>,
        snapshot: &'a Snapshot,
    ) -> Self {
        let deleted = items.iter().filter_map(|item| match item {
            RemoteItem::Deleted { provider_id } => Some(provider_id),
            _ => None,
        });
        let mut page = Self {
            ends,
            window,
            snapshot,
            before: snapshot.rows.iter().map(|row| (&row.provider_id, &row.state)).collect(),
            named: items.iter().filter_map(id_of).collect(),
            deleted: deleted.collect(),
            whole,
            rows: Rows::default(),
        };
        let at_rest = page.at_rest(items);
        page.rows = Rows::of(snapshot.rows.iter().filter(|row| !at_rest.contains(row.owner())));
        page.apply(items);
        page
    }

    /// What the page deletes goes first, and whatever it names stays, in any order.
    fn apply(&mut self, items: &'a [RemoteItem]) {
        self.rows.owners.extend(&self.deleted);
        let (gone, deleted) = (self.gone_with_the_page(), &self.deleted);
        self.rows.rows.retain(|id, _| !deleted.contains(id) && !gone.contains(*id));
        for item in items {
            let (id, row) = match item {
                RemoteItem::Event(remote) => (&remote.event.provider_id, Row::Event(&remote.event)),
                RemoteItem::CancelledOccurrence { provider_id, position } => (provider_id, Row::Cancelled(position)),
                RemoteItem::Occurrence { provider_id, occurrence } => (provider_id, Row::Occurrence(occurrence)),
                // The old row of what is fetched later stands until then, and that of what cannot be read until it can be read again;
                // a whole is here in its parts.
                RemoteItem::Named { .. }
                | RemoteItem::Missing { .. }
                | RemoteItem::Whole { .. }
                | RemoteItem::Deleted { .. }
                | RemoteItem::Unreadable { .. } => continue,
            };
            self.rows.owners.insert(row.master().unwrap_or(id));
            self.rows.rows.insert(id, row);
        }
    }

    /// Rows that the page does not name, and that go: the parts of a series whose master it deletes (its deletion is reported for
    /// the master alone), what is not part of an owner any more that the page has as a whole, and what a full pass did not see.
    fn gone_with_the_page(&self) -> BTreeSet<ProviderEventId> {
        let outside = self.outside();
        let is_part_of_deleted =
            |state: &RowState| state.series_master_id.as_ref().is_some_and(|master| self.deleted.contains(master));
        let is_gone = |id: &ProviderEventId, state: &RowState| {
            let is_left_out = self.whole.contains(state.owner(id)) && !outside.contains(id);
            is_part_of_deleted(state) || (is_left_out && !self.may_be_elsewhere(state))
        };
        let parts = self.before.iter().filter(|(id, state)| is_gone(id, state)).map(|(id, _)| *id);
        let stale = self.snapshot.stale.iter().filter(|_| self.ends == Ends::FullPass);
        parts.chain(stale).filter(|id| !self.named.contains(id)).cloned().collect()
    }

    /// Whether a whole says nothing of a row that it leaves out: where it has what lies in a window, an exception may have been moved
    /// out of that, and is asked for by itself.
    fn may_be_elsewhere(&self, state: &RowState) -> bool {
        self.window.is_some() && state.kind == RowKind::Exception
    }

    /// The exceptions that a whole leaves out and that may be elsewhere.
    fn elsewhere(&self) -> Vec<ProviderEventId> {
        let outside = self.outside();
        let is_left_out = |id: &ProviderEventId, state: &RowState| {
            self.whole.contains(state.owner(id)) && !self.named.contains(id) && !outside.contains(id)
        };
        let is_elsewhere = |(id, state): &(&&ProviderEventId, &&RowState)| {
            is_left_out(id, state) && self.may_be_elsewhere(state) && !self.deleted.contains(state.owner(id))
        };
        self.before.iter().filter(is_elsewhere).map(|(id, _)| (*id).clone()).collect()
    }

    /// Where absence has to be confirmed: what a full pass did not list.
    fn unlisted(&self) -> Unlisted {
        let mut unlisted = Unlisted::default();
        if self.ends != Ends::Listing {
            return unlisted;
        }
        let outside = self.outside();
        let rows = self.snapshot.rows.iter().filter(|row| self.snapshot.stale.contains(&row.provider_id));
        for row in rows.filter(|row| !self.named.contains(&row.provider_id)) {
            if outside.contains(&row.provider_id) {
                unlisted.outside.push(row.provider_id.clone());
            } else {
                // Of what belongs to a series, the series is asked for.
                let version = row.version.clone().filter(|_| row.owner() == &row.provider_id);
                unlisted.to_confirm.insert(row.owner().clone(), version);
            }
        }
        unlisted
    }

    /// The rows outside of the time for which the provider was asked: it was not asked for them, so that they stay as they were
    /// last seen. A series is there where any part of it is.
    fn outside(&self) -> BTreeSet<&'a ProviderEventId> {
        let Some(window) = self.window else { return BTreeSet::new() };
        let rows = &self.snapshot.rows;
        let inside: BTreeSet<&ProviderEventId> = rows
            .iter()
            .filter(|row| reaches_into(row, &window))
            .flat_map(|row| [&row.provider_id, row.owner()])
            .collect();
        rows.iter().map(|row| &row.provider_id).filter(|id| !inside.contains(id)).collect()
    }

    /// Owners of which a page over everything says nothing and that lie outside of what was asked for: the past of a calendar can
    /// be most of it, and nothing of that is computed or written again.
    fn at_rest(&self, items: &'a [RemoteItem]) -> BTreeSet<&'a ProviderEventId> {
        if self.ends != Ends::Listing {
            return BTreeSet::new();
        }
        let (outside, touched) = (self.outside(), touched_ids(items));
        let is_moved = |row: &&StoredRow| {
            !outside.contains(&row.provider_id) || touched.contains(&row.provider_id) || touched.contains(row.owner())
        };
        let rows = &self.snapshot.rows;
        let moved: BTreeSet<&ProviderEventId> = rows.iter().filter(is_moved).map(StoredRow::owner).collect();
        rows.iter().map(StoredRow::owner).filter(|owner| !moved.contains(owner)).collect()
    }

    /// Cancelled occurrences that are left without a series. They come when a page after the one that deleted the master still
    /// has its cancelled occurrences; only at the end of a pass is it known that no later page brings the master.
    fn orphans(&self, unreadable: &BTreeMap<ProviderEventId, ExpandError>) -> BTreeSet<ProviderEventId> {
        if matches!(self.ends, Ends::No | Ends::Listing) {
            return BTreeSet::new();
        }
        let is_there = |master: &ProviderEventId| {
            let is_written = !unreadable.contains_key(master) || self.before.contains_key(master);
            self.rows.rows.contains_key(master) && is_written
        };
        let loaded = self.rows.rows.iter().filter(|(id, row)| match row {
            Row::Cancelled(_) => true,
            Row::Unreadable(_) => self.before.get(*id).is_some_and(|state| state.kind == RowKind::Cancelled),
            Row::Event(_) | Row::Occurrence(_) => false,
        });
        let loaded = loaded.filter_map(|(id, row)| Some((*id, row.master()?)));
        let others = self.snapshot.orphans.iter().filter(|(id, _)| !self.before.contains_key(id));
        let others = others.filter(|(id, _)| !self.named.contains(id));
        let others = others.filter_map(|(id, state)| Some((id, state.series_master_id.as_ref()?)));
        let left_alone =
            loaded.chain(others).filter(|(_, master)| !is_there(master) && !self.is_held(master, unreadable));
        left_alone.map(|(id, _)| id.clone()).collect()
    }

    /// Whether an event is in quarantine after the page.
    fn is_held(&self, id: &ProviderEventId, unreadable: &BTreeMap<ProviderEventId, ExpandError>) -> bool {
        let key = key_of(id);
        if self.named.contains(id) {
            return unreadable.contains_key(id) || !(self.rows.rows.contains_key(id) || self.deleted.contains(id));
        }
        let sweeps = matches!(self.ends, Ends::FullPass | Ends::Listing);
        let is_swept = sweeps && self.snapshot.stale_quarantined.contains(&key);
        self.snapshot.quarantined.contains(&key) && !is_swept
    }
}

/// What a full pass did not list, of a provider where absence has to be confirmed.
#[derive(Default)]
struct Unlisted {
    /// What is to be asked for, with the version that is mirrored.
    to_confirm: BTreeMap<ProviderEventId, Option<String>>,
    /// Rows outside of the window.
    outside: Vec<ProviderEventId>,
}

/// Whether a row lies inside of a window, wholly or in part. A master says nothing of that itself.
fn reaches_into(row: &StoredRow, window: &Window) -> bool {
    match &row.body {
        StoredBody::Event(event) if event.is_master() => false,
        StoredBody::Event(event) => window.overlaps(&event.start, &event.end),
        StoredBody::Occurrence(occurrence) => window.overlaps(&occurrence.start, &occurrence.end),
        StoredBody::Cancelled(position) => window.overlaps(&position.original_start, &position.original_start),
        StoredBody::Unreadable => true,
    }
}

/// A plan while it is made.
#[derive(Default)]
struct Draft<'a> {
    before: BTreeMap<&'a ProviderEventId, &'a RowState>,
    upserts: Vec<NewRow>,
    deletes: Vec<ProviderEventId>,
    quarantine: Vec<Unreadable>,
    /// The ids of the page's items that could be read.
    readable: Vec<ProviderEventId>,
    named: Vec<Named>,
    differences: Differences,
}

impl<'a> Draft<'a> {
    fn beside(snapshot: &'a Snapshot) -> Self {
        let rows = snapshot.rows.iter().map(|row| (&row.provider_id, &row.state));
        let orphans = snapshot.orphans.iter().map(|(id, state)| (id, state));
        Self { before: orphans.chain(rows).collect(), ..Self::default() }
    }

    /// What the page itself says; its deletions come last.
    fn write(
        &mut self,
        items: Vec<RemoteItem>,
        mut unreadable: BTreeMap<ProviderEventId, ExpandError>,
        orphans: &BTreeSet<ProviderEventId>,
    ) {
        let mut deleted = Vec::new();
        for item in items {
            match item {
                RemoteItem::Event(remote) => match unreadable.remove(&remote.event.provider_id) {
                    Some(error) => {
                        let raw =
                            remote.raw.unwrap_or_else(|| serde_json::to_string(&remote.event).unwrap_or_default());
                        let raw = raw.chars().take(EVENT_BYTES_MAX / 4).collect();
                        let id = Some(remote.event.provider_id);
                        self.quarantine.push(Unreadable::new(id, error.to_string(), raw));
                    }
                    None => self.upsert(NewRow::of_event(remote)),
                },
                RemoteItem::CancelledOccurrence { provider_id, .. } if orphans.contains(&provider_id) => {
                    self.readable.push(provider_id);
                }
                RemoteItem::CancelledOccurrence { provider_id, position } => {
                    self.upsert(NewRow::of_cancelled(provider_id, position));
                }
                RemoteItem::Occurrence { provider_id, occurrence } => {
                    self.upsert(NewRow::of_occurrence(provider_id, occurrence));
                }
                RemoteItem::Named { provider_id, version } => self.named.push(Named { provider_id, version }),
                // Of what belongs to a series, the series is asked for.
                RemoteItem::Missing { provider_id } => {
                    if let Some(state) = self.before.get(&provider_id) {
                        let provider_id = state.owner(&provider_id).clone();
                        self.named.push(Named { provider_id, version: None });
                    }
                }
                // It is here in its parts.
                RemoteItem::Whole { .. } => {}
                RemoteItem::Deleted { provider_id } => deleted.push(provider_id),
                RemoteItem::Unreadable { provider_id, reason, raw } => {
                    self.quarantine.push(Unreadable::new(provider_id, reason, raw));
                }
            }
        }
        for id in deleted {
            self.delete(&id);
            self.readable.push(id);
        }
    }

    fn upsert(&mut self, row: NewRow) {
        let before = self.before.get(&row.provider_id).map(|state| (*state).clone());
        self.differences.note(&row.provider_id, before, Some(row.state.clone()));
        self.readable.push(row.provider_id.clone());
        self.upserts.push(row);
    }

    /// Deletes a row where there is one.
    fn delete(&mut self, id: &ProviderEventId) {
        if let Some(before) = self.before.get(id) {
            self.differences.note(id, Some((*before).clone()), None);
            self.deletes.push(id.clone());
        }
    }
}

#[cfg(test)]
mod tests;
