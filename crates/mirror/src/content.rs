//! A page, normalized. A page is a set, not a list: providers promise no order inside it. Of the same id
//! the last entry counts; what the page says exists, exists after it, whatever else the page deletes.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercal_domain::{ProviderEventId, RemoteItem};
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
        RemoteItem::CancelledOccurrence { provider_id, .. } | RemoteItem::Deleted { provider_id } => Some(provider_id),
        RemoteItem::Unreadable { provider_id, .. } => provider_id.as_ref(),
    }
}

/// The master of the series that an item is a part of.
pub(crate) fn master_of(item: &RemoteItem) -> Option<&ProviderEventId> {
    match item {
        RemoteItem::Event(remote) => remote.event.series.as_ref().map(|series| &series.master_id),
        RemoteItem::CancelledOccurrence { position, .. } => Some(&position.master_id),
        RemoteItem::Deleted { .. } | RemoteItem::Unreadable { .. } => None,
    }
}

/// The items that count, each master with what is to be said of its lines. A cancelled occurrence of a series that the page
/// deletes is deleted with it: it is kept as long as its master lives.
pub(crate) fn normalized(items: Vec<RemoteItem>) -> Vec<RemoteItem> {
    let mut later = BTreeSet::new();
    let mut items: Vec<RemoteItem> =
        items.into_iter().rev().filter(|item| id_of(item).is_none_or(|id| later.insert(id.clone()))).collect();
    items.reverse();
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
    items
}
