//! A page, normalized. A page is a set, not a list: providers promise no order inside it. Of the same id
//! the last entry counts; what the page says exists, exists after it, whatever else the page deletes.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercal_domain::{Part, ProviderEventId, RemoteEvent, RemoteItem};
use evercal_recurrence::warnings;
use sha2::{Digest as _, Sha256};

/// An item for the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The id, or a hash of what was sent.
    pub item_key: String,
    /// Its id at the provider, where even that could be read.
    pub provider_id: Option<ProviderEventId>,
    /// What was wrong, for people.
    pub reason: String,
    /// What the provider sent, cut to a limit.
    pub raw: String,
}

impl Unreadable {
    pub(crate) fn new(provider_id: Option<ProviderEventId>, reason: String, raw: String) -> Self {
        let item_key = match &provider_id {
            Some(id) => key_of(id),
            None => format!("sha256:{}", STANDARD.encode(Sha256::digest(raw.as_bytes()))),
        };
        Self { item_key, provider_id, reason, raw }
    }
}

/// The key under which an item with this id is in quarantine.
pub(crate) fn key_of(id: &ProviderEventId) -> String {
    format!("id:{}", id.as_str())
}

/// The id that an item is about, where it has one.
pub(crate) fn id_of(item: &RemoteItem) -> Option<&ProviderEventId> {
    match item {
        RemoteItem::Event(remote) => Some(&remote.event.provider_id),
        RemoteItem::CancelledOccurrence { provider_id, .. }
        | RemoteItem::Occurrence { provider_id, .. }
        | RemoteItem::Named { provider_id, .. }
        | RemoteItem::Missing { provider_id }
        | RemoteItem::Whole { owner: provider_id, .. }
        | RemoteItem::Deleted { provider_id } => Some(provider_id),
        RemoteItem::Unreadable { provider_id, .. } => provider_id.as_ref(),
    }
}

/// The ids of all that an item is about: its own, or its owner's and those of its parts.
pub(crate) fn ids_of(item: &RemoteItem) -> impl Iterator<Item = &ProviderEventId> {
    let parts = match item {
        RemoteItem::Whole { parts, .. } => parts.as_slice(),
        _ => &[],
    };
    id_of(item).into_iter().chain(parts.iter().map(|part| match part {
        Part::Event(event) => &event.provider_id,
        Part::Cancelled { provider_id, .. } | Part::Occurrence { provider_id, .. } => provider_id,
    }))
}

/// The master of the series that an item is a part of.
pub(crate) fn master_of(item: &RemoteItem) -> Option<&ProviderEventId> {
    match item {
        RemoteItem::Event(remote) => remote.event.series.as_ref().map(|series| &series.master_id),
        RemoteItem::CancelledOccurrence { position, .. } => Some(&position.master_id),
        RemoteItem::Occurrence { occurrence, .. } => Some(&occurrence.position.master_id),
        RemoteItem::Named { .. }
        | RemoteItem::Missing { .. }
        | RemoteItem::Whole { .. }
        | RemoteItem::Deleted { .. }
        | RemoteItem::Unreadable { .. } => None,
    }
}

/// A page as it counts.
pub(crate) struct Normalized {
    /// The items, each id once; what a page has as a whole is among them in its parts.
    pub(crate) items: Vec<RemoteItem>,
    /// The owners of which the page has all that there is.
    pub(crate) whole: BTreeSet<ProviderEventId>,
}

/// The items that count, each master with what is to be said of its lines. A cancelled occurrence of a series that the page
/// deletes is deleted with it: it is kept as long as its master lives.
pub(crate) fn normalized(items: Vec<RemoteItem>) -> Normalized {
    let mut whole = BTreeSet::new();
    let parts = last_of_each_id(items).into_iter().flat_map(|item| apart(item, &mut whole)).collect();
    let mut items = last_of_each_id(parts);
    let gone: BTreeSet<ProviderEventId> = items
        .iter()
        .filter_map(|item| match item {
            RemoteItem::Deleted { provider_id } => Some(provider_id.clone()),
            _ => None,
        })
        .collect();
    for item in &mut items {
        match item {
            RemoteItem::Event(remote) if remote.event.is_master() => {
                let found = warnings(&remote.event);
                remote.event.warnings.extend(found);
            }
            RemoteItem::CancelledOccurrence { provider_id, position } if gone.contains(&position.master_id) => {
                *item = RemoteItem::Deleted { provider_id: provider_id.clone() };
            }
            _ => {}
        }
    }
    Normalized { items, whole }
}

/// Of the same id the last entry counts.
fn last_of_each_id(items: Vec<RemoteItem>) -> Vec<RemoteItem> {
    let mut later = BTreeSet::new();
    let mut items: Vec<RemoteItem> =
        items.into_iter().rev().filter(|item| id_of(item).is_none_or(|id| later.insert(id.clone()))).collect();
    items.reverse();
    items
}

/// The parts of an item; whose whole they are is noted. The text and the mark of the whole are its owner's.
fn apart(item: RemoteItem, whole: &mut BTreeSet<ProviderEventId>) -> Vec<RemoteItem> {
    let RemoteItem::Whole { owner, version, mut raw, parts } = item else { return vec![item] };
    let has_owner = parts.iter().any(|part| matches!(part, Part::Event(event) if event.provider_id == owner));
    let mut items: Vec<RemoteItem> = parts
        .into_iter()
        .map(|part| match part {
            Part::Event(event) => {
                let raw = if event.provider_id == owner { raw.take() } else { None };
                RemoteItem::Event(Box::new(RemoteEvent { event: *event, version: version.clone(), raw }))
            }
            Part::Cancelled { provider_id, position } => RemoteItem::CancelledOccurrence { provider_id, position },
            Part::Occurrence { provider_id, occurrence } => RemoteItem::Occurrence { provider_id, occurrence },
        })
        .collect();
    if !has_owner {
        // Its own row is gone too, where there was one.
        items.push(RemoteItem::Deleted { provider_id: owner.clone() });
    }
    whole.insert(owner);
    items
}
