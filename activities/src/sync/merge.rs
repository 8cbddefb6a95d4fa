//! A page together with what the store has: which series it touches, and their occurrences.

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::limits::EVENT_BYTES_MAX;
use evercal_domain::{Calendar, Event, ProviderEventId, RemoteItem, SeriesPosition, Zone};
use evercal_recurrence::{ExpandError, Series, Window, expand_series, single_occurrence, warnings};
use evercal_storage::{OwnerOccurrences, StoredBody, StoredItem};
use temporalio_sdk::activities::ActivityError;

use crate::deps::Deps;
use crate::failure::from_store;

/// A page ready to commit.
pub(super) struct Merged {
    /// Its items; a master that cannot be expanded has become unreadable.
    pub(super) items: Vec<RemoteItem>,
    /// The occurrences of every owner that it touches.
    pub(super) occurrences: Vec<OwnerOccurrences>,
}

/// Merges a page. `sweep` says that this is the last page of a full pass, after which rows of older generations go.
pub(super) async fn merge(
    deps: &Deps,
    calendar: &Calendar,
    generation: i64,
    items: Vec<RemoteItem>,
    sweep: bool,
    window: &Window,
) -> Result<Merged, ActivityError> {
    let mut touched: BTreeSet<ProviderEventId> = items.iter().flat_map(named_ids).collect();
    let mut swept = BTreeSet::new();
    if sweep {
        let on_page: BTreeSet<&ProviderEventId> = items.iter().filter_map(item_id).collect();
        for stale in deps.store.stale_items(calendar.id, generation).await.map_err(from_store)? {
            if !on_page.contains(&stale.provider_id) {
                touched.insert(stale.owner().clone());
                swept.insert(stale.provider_id);
            }
        }
    }
    let ids: Vec<ProviderEventId> = touched.iter().cloned().collect();
    let stored = deps.store.related_items(calendar.id, &ids).await.map_err(from_store)?;
    let zone = calendar_zone(calendar);
    let window = *window;
    // Expanding takes milliseconds for most pages and much more for a few: off the threads that serve the network.
    tokio::task::spawn_blocking(move || expand(stored, items, &swept, zone, &window))
        .await
        .map_err(|panic| ActivityError::from(anyhow::Error::new(panic)))
}

/// The zone in which a master repeats that names none.
pub(super) fn calendar_zone(calendar: &Calendar) -> Option<Zone> {
    calendar.remote.time_zone.as_deref().and_then(|name| name.parse().ok())
}

fn expand(
    stored: Vec<StoredItem>,
    items: Vec<RemoteItem>,
    swept: &BTreeSet<ProviderEventId>,
    zone: Option<Zone>,
    window: &Window,
) -> Merged {
    let mut items = last_of_each(items);
    for item in &mut items {
        if let RemoteItem::Event(event) = item
            && event.is_master()
        {
            let found = warnings(event);
            event.warnings.extend(found);
        }
    }
    let mut owners = Owners::default();
    for row in stored {
        let stays = !swept.contains(&row.provider_id);
        owners.note(&row);
        if stays {
            owners.rows.insert(row.provider_id.clone(), row.body);
        }
    }
    owners.apply(&items);
    let mut unreadable = BTreeMap::new();
    let occurrences = owners.expand(zone, window, &mut unreadable);
    for item in &mut items {
        let Some((id, error)) = item_id(item).and_then(|id| unreadable.remove_entry(id)) else { continue };
        if let RemoteItem::Event(event) = item {
            let raw = serde_json::to_string(event).unwrap_or_default();
            let raw = raw.chars().take(EVENT_BYTES_MAX / 4).collect();
            *item = RemoteItem::Unreadable { provider_id: Some(id), reason: error.to_string(), raw };
        }
    }
    Merged { items, occurrences }
}

/// The rows of all touched owners, as they will be after the page.
#[derive(Default)]
struct Owners {
    rows: BTreeMap<ProviderEventId, StoredBody>,
    ids: BTreeSet<ProviderEventId>,
}

impl Owners {
    fn note(&mut self, row: &StoredItem) {
        self.ids.insert(row.owner().clone());
    }

    /// A page is a set, as it is for the store: what it deletes goes first, and whatever it names stays, in any order.
    fn apply(&mut self, items: &[RemoteItem]) {
        let named: BTreeSet<&ProviderEventId> = items.iter().filter_map(item_id).collect();
        let mut deleted = BTreeSet::new();
        for item in items {
            if let RemoteItem::Deleted { provider_id } = item {
                self.ids.insert(provider_id.clone());
                self.rows.remove(provider_id);
                deleted.insert(provider_id);
            }
        }
        // A deleted master takes its exceptions along. All at once: a page can delete the thousands of instances that a
        // series is where nothing else is shown of it.
        self.rows
            .retain(|id, body| named.contains(id) || master_of(body).is_none_or(|master| !deleted.contains(master)));
        for item in items {
            let (provider_id, body) = match item {
                RemoteItem::Event(event) => (&event.provider_id, StoredBody::Event(event.clone())),
                RemoteItem::CancelledOccurrence { provider_id, position } => {
                    (provider_id, StoredBody::Cancelled(position.clone()))
                }
                // The old row of what cannot be read stands until it can be read again.
                RemoteItem::Deleted { .. } | RemoteItem::Unreadable { .. } => continue,
            };
            let row = StoredItem { provider_id: provider_id.clone(), body };
            self.note(&row);
            self.rows.insert(row.provider_id, row.body);
        }
    }

    fn expand(
        &self,
        zone: Option<Zone>,
        window: &Window,
        unreadable: &mut BTreeMap<ProviderEventId, ExpandError>,
    ) -> Vec<OwnerOccurrences> {
        let mut exceptions: BTreeMap<&ProviderEventId, Vec<&Event>> = BTreeMap::new();
        let mut cancelled: BTreeMap<&ProviderEventId, Vec<&SeriesPosition>> = BTreeMap::new();
        for body in self.rows.values() {
            match body {
                StoredBody::Event(event) => {
                    if let Some(series) = &event.series {
                        exceptions.entry(&series.master_id).or_default().push(event);
                    }
                }
                StoredBody::Cancelled(position) => cancelled.entry(&position.master_id).or_default().push(position),
                StoredBody::Unreadable { .. } => {}
            }
        }
        let not_known_whole: BTreeSet<&ProviderEventId> = self.rows.iter().filter_map(owner_of_unreadable).collect();
        let mut result = Vec::new();
        for owner in &self.ids {
            // What is shown of it stays until all of it can be read again: a cancelled occurrence might come back otherwise.
            if not_known_whole.contains(owner) {
                continue;
            }
            let exceptions = exceptions.remove(owner).unwrap_or_default();
            let occurrences = match self.rows.get(owner) {
                Some(StoredBody::Event(master)) if master.is_master() => {
                    let cancelled = cancelled.remove(owner).unwrap_or_default();
                    let series = Series { master, exceptions, cancelled, calendar_zone: zone };
                    match expand_series(&series, window) {
                        Ok(occurrences) => occurrences,
                        Err(error) => {
                            unreadable.insert(owner.clone(), error);
                            continue;
                        }
                    }
                }
                // A single event has its one occurrence whatever the window: only series have to roll forward.
                Some(StoredBody::Event(single)) if single.series.is_none() => {
                    single_occurrence(single, &EVERYTHING).into_iter().collect()
                }
                // Exceptions without their master: somebody was invited to one instance, or the master
                // is on a later page.
                _ => exceptions.iter().filter_map(|event| single_occurrence(event, &EVERYTHING)).collect(),
            };
            result.push(OwnerOccurrences { owner: owner.clone(), occurrences });
        }
        result
    }
}

const EVERYTHING: Window =
    Window { start: chrono::DateTime::<chrono::Utc>::MIN_UTC, end: chrono::DateTime::<chrono::Utc>::MAX_UTC };

fn master_of(body: &StoredBody) -> Option<&ProviderEventId> {
    match body {
        StoredBody::Event(event) => event.series.as_ref().map(|series| &series.master_id),
        StoredBody::Cancelled(position) => Some(&position.master_id),
        StoredBody::Unreadable { master_id } => master_id.as_ref(),
    }
}

fn owner_of_unreadable<'a>((id, body): (&'a ProviderEventId, &'a StoredBody)) -> Option<&'a ProviderEventId> {
    let StoredBody::Unreadable { master_id } = body else { return None };
    Some(master_id.as_ref().unwrap_or(id))
}

fn item_id(item: &RemoteItem) -> Option<&ProviderEventId> {
    match item {
        RemoteItem::Event(event) => Some(&event.provider_id),
        RemoteItem::CancelledOccurrence { provider_id, .. } | RemoteItem::Deleted { provider_id } => Some(provider_id),
        RemoteItem::Unreadable { provider_id, .. } => provider_id.as_ref(),
    }
}

/// Without doubles: of the same id the last item counts.
fn last_of_each(items: Vec<RemoteItem>) -> Vec<RemoteItem> {
    let mut later = BTreeSet::new();
    let mut kept: Vec<RemoteItem> =
        items.into_iter().rev().filter(|item| item_id(item).is_none_or(|id| later.insert(id.clone()))).collect();
    kept.reverse();
    kept
}

/// The item's own id, and its master's.
fn named_ids(item: &RemoteItem) -> Vec<ProviderEventId> {
    let master = match item {
        RemoteItem::Event(event) => event.series.as_ref().map(|series| series.master_id.clone()),
        RemoteItem::CancelledOccurrence { position, .. } => Some(position.master_id.clone()),
        RemoteItem::Deleted { .. } | RemoteItem::Unreadable { .. } => None,
    };
    item_id(item).cloned().into_iter().chain(master).collect()
}

/// The rows of some owners, expanded anew: for rolling the window forward.
pub(super) fn expand_stored(stored: Vec<StoredItem>, zone: Option<Zone>, window: &Window) -> Vec<OwnerOccurrences> {
    let mut owners = Owners::default();
    for row in stored {
        owners.note(&row);
        owners.rows.insert(row.provider_id.clone(), row.body);
    }
    // One that cannot be expanded any more keeps the occurrences that it has, and says so in the log.
    let mut unreadable = BTreeMap::new();
    let occurrences = owners.expand(zone, window, &mut unreadable);
    for error in unreadable.values() {
        tracing::warn!(%error, "a series could not be expanded for the new window");
    }
    occurrences
}

#[cfg(test)]
mod tests;
