//! What a page of a pass does to the mirror, as plain data: no SQL, no I/O, the same for every backend.
//!
//! A page is a set, not a list: providers promise no order inside it. Of the same id the last entry counts; what the
//! page says exists, exists after it, whatever else the page deletes.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercal_domain::change::ChangeKind;
use evercal_domain::event::Fingerprint;
use evercal_domain::{Event, ProviderEventId, RemoteItem, SeriesPosition};
use sha2::{Digest as _, Sha256};

use crate::columns::{micros, to_json};
use crate::entities::mirror::events::{RowKind, RowState};
use crate::error::StoreError;

/// A row to write.
#[derive(Debug)]
pub struct NewRow {
    pub provider_id: ProviderEventId,
    pub state: RowState,
    pub body: String,
    /// Whether something of it could not be taken as it was sent.
    pub warned: bool,
}

impl NewRow {
    fn of_event(event: &Event) -> Result<Self, StoreError> {
        Ok(Self {
            provider_id: event.provider_id.clone(),
            state: RowState {
                kind: RowKind::of(event),
                series_master_id: event.series.as_ref().map(|series| series.master_id.clone()),
                fingerprint: Fingerprint::of_event(event),
                updated_us: event.updated_at.map(micros),
            },
            body: to_json(event, "events.body")?,
            warned: !event.warnings.is_empty(),
        })
    }

    fn of_cancelled(provider_id: &ProviderEventId, position: &SeriesPosition) -> Result<Self, StoreError> {
        Ok(Self {
            provider_id: provider_id.clone(),
            state: RowState {
                kind: RowKind::Cancelled,
                series_master_id: Some(position.master_id.clone()),
                fingerprint: Fingerprint::of_cancelled(position),
                updated_us: None,
            },
            body: to_json(position, "events.body")?,
            warned: false,
        })
    }
}

/// An item for the quarantine.
#[derive(Debug)]
pub struct Unreadable {
    /// The id, or a hash of what was sent.
    pub item_key: String,
    pub provider_id: Option<ProviderEventId>,
    pub reason: String,
    pub raw: String,
}

/// A page, understood and without doubles.
#[derive(Debug, Default)]
pub struct PageContent {
    /// What exists.
    pub rows: Vec<NewRow>,
    /// What does not exist any more.
    pub gone: Vec<ProviderEventId>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl PageContent {
    /// Reads a page. Done before the write transaction begins: hashing and serialising need no lock.
    pub fn of(items: &[RemoteItem]) -> Result<Self, StoreError> {
        let last: HashMap<&ProviderEventId, usize> =
            items.iter().enumerate().filter_map(|(index, item)| Some((id_of(item)?, index))).collect();
        let counts = |index: usize, item| id_of(item).is_none_or(|id| last.get(id) == Some(&index));
        let items = || items.iter().enumerate().filter(|(index, item)| counts(*index, *item)).map(|(_, item)| item);
        let gone: HashSet<&ProviderEventId> = items()
            .filter_map(|item| match item {
                RemoteItem::Deleted { provider_id } => Some(provider_id),
                _ => None,
            })
            .collect();

        let mut content = Self::default();
        for item in items() {
            match item {
                RemoteItem::Event(event) => content.rows.push(NewRow::of_event(event)?),
                // A cancelled occurrence is kept as long as its master lives, and that ends here.
                RemoteItem::CancelledOccurrence { provider_id, position } if gone.contains(&position.master_id) => {
                    content.gone.push(provider_id.clone());
                }
                RemoteItem::CancelledOccurrence { provider_id, position } => {
                    content.rows.push(NewRow::of_cancelled(provider_id, position)?);
                }
                RemoteItem::Deleted { provider_id } => content.gone.push(provider_id.clone()),
                RemoteItem::Unreadable { provider_id, reason, raw } => content.unreadable.push(Unreadable {
                    item_key: item_key(provider_id.as_ref(), raw),
                    provider_id: provider_id.clone(),
                    reason: reason.clone(),
                    raw: raw.clone(),
                }),
            }
        }
        Ok(content)
    }

    /// Ids that the page says anything about.
    pub fn ids(&self) -> impl Iterator<Item = &ProviderEventId> {
        let unreadable = self.unreadable.iter().filter_map(|item| item.provider_id.as_ref());
        self.rows.iter().map(|row| &row.provider_id).chain(&self.gone).chain(unreadable)
    }

    /// Whether a row of it is a cancelled occurrence.
    pub fn has_cancelled(&self) -> bool {
        self.rows.iter().any(|row| row.state.kind == RowKind::Cancelled)
    }

    /// Keys that cannot be in quarantine after this page.
    pub fn understood(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| &row.provider_id).chain(&self.gone).map(key_of_id)
    }
}

fn id_of(item: &RemoteItem) -> Option<&ProviderEventId> {
    match item {
        RemoteItem::Event(event) => Some(&event.provider_id),
        RemoteItem::CancelledOccurrence { provider_id, .. } | RemoteItem::Deleted { provider_id } => Some(provider_id),
        RemoteItem::Unreadable { provider_id, .. } => provider_id.as_ref(),
    }
}

fn key_of_id(id: &ProviderEventId) -> String {
    format!("id:{}", id.as_str())
}

fn item_key(provider_id: Option<&ProviderEventId>, raw: &str) -> String {
    if let Some(id) = provider_id {
        key_of_id(id)
    } else {
        format!("sha256:{}", STANDARD.encode(Sha256::digest(raw.as_bytes())))
    }
}

/// The difference between the mirror before and after a commit: at most one change per id, only true ones.
#[derive(Debug, Default)]
pub struct Differences {
    entries: Vec<Difference>,
    index: HashMap<ProviderEventId, usize>,
}

#[derive(Debug)]
struct Difference {
    id: ProviderEventId,
    before: Option<RowState>,
    after: Option<RowState>,
}

/// A line of the feed that has no number yet.
#[derive(Debug, PartialEq, Eq)]
pub struct NewChange {
    pub id: ProviderEventId,
    pub kind: ChangeKind,
    pub before: Option<Fingerprint>,
    pub after: Option<Fingerprint>,
}

impl Differences {
    /// Notes that a row went from one state to another. What it was before the commit is what the first call says.
    pub fn note(&mut self, id: &ProviderEventId, before: Option<RowState>, after: Option<RowState>) {
        let known = self.index.get(id).and_then(|index| self.entries.get_mut(*index));
        if let Some(entry) = known {
            entry.after = after;
        } else {
            self.index.insert(id.clone(), self.entries.len());
            self.entries.push(Difference { id: id.clone(), before, after });
        }
    }

    /// By how much the number of events moved.
    pub fn event_count_delta(&self) -> i64 {
        let counted = |state: &Option<RowState>| state.as_ref().map_or(0, RowState::counted);
        self.entries.iter().map(|entry| counted(&entry.after) - counted(&entry.before)).sum()
    }

    /// The rows that readers see differently now.
    pub fn visible(&self) -> Vec<VisibleChange> {
        self.entries.iter().filter(|entry| entry.before != entry.after).map(Difference::visible).collect()
    }

    /// The lines for the feed, in the order of the page.
    pub fn into_changes(self) -> Vec<NewChange> {
        self.entries.into_iter().filter_map(Difference::into_change).collect()
    }
}

/// A row that readers see differently after a commit.
#[derive(Debug)]
pub struct VisibleChange {
    pub id: ProviderEventId,
    /// Whose occurrences it changes: the owner that it had and the one that it has.
    pub owners: Vec<ProviderEventId>,
    pub is_deleted: bool,
    /// Whether it is a master, an exception or a cancelled occurrence, or was one.
    pub is_of_series: bool,
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
