//! Pages of a delta query over the calendar view (<https://learn.microsoft.com/graph/api/event-delta>). Pure.
//!
//! A round over everything has the occurrences of each series in its pages. A round over what changed only hints: it never names
//! an occurrence that was deleted, and gives those of a series that was moved other ids without a word of the old ones. There a
//! series that is named in any way is read as a whole, later in the same pass.

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::{ProviderError, ProviderEventId, RemoteEvent, RemoteItem, SeriesPosition};
use evercal_http::HttpResponse;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::calls::DELTA;
use super::cursor::{GraphCursor, Round, own_link};
use super::errors::unreadable_answer;
use super::event::{Entry, Kind, OfSeries, WireEvent, entry, raw_text};
use super::settings::GraphSettings;
use crate::entry::unreadable;
use crate::provider::Next;

/// Entries of a page. Microsoft takes the size that is asked for as a preference.
const ENTRIES_MAX: usize = 20_000;

/// A page, read.
pub(super) struct DeltaPage {
    pub(super) items: Vec<RemoteItem>,
    pub(super) next: Next,
    /// The masters that a page over everything has: what of them is cancelled has to be asked for, since no page says it.
    pub(super) masters: Vec<ProviderEventId>,
}

/// A page of any list of the API's.
#[derive(Deserialize)]
pub(super) struct WirePage<'body> {
    #[serde(borrow, default)]
    pub(super) value: Vec<&'body RawValue>,
    #[serde(rename = "@odata.nextLink")]
    pub(super) next_link: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta_link: Option<String>,
}

/// Reads a page of a round.
pub(super) fn delta_page(
    settings: &GraphSettings,
    answer: &HttpResponse,
    round: Round,
) -> Result<DeltaPage, ProviderError> {
    let text = String::from_utf8_lossy(&answer.body);
    let unusable = || unreadable_answer(DELTA, answer);
    let page: WirePage = serde_json::from_str(&text).map_err(|_| unusable())?;
    if page.value.len() > ENTRIES_MAX {
        return Err(unusable().with_reason("pageTooLong"));
    }
    let cursor = |round, link: String| {
        own_link(settings, DELTA, &link)?;
        Ok(GraphCursor { round, link }.into_cursor())
    };
    // Never both; while there are pages, the round is not over.
    let next = match (page.next_link, page.delta_link) {
        (Some(link), _) => Next::More(cursor(round, link)?),
        (None, Some(link)) => Next::Done(cursor(Round::Changes, link)?),
        (None, None) => return Err(unusable().with_reason("noNextLink")),
    };
    let entries: Vec<Entry<'_>> = page.value.iter().map(|raw| entry(raw.get())).collect();
    let (items, masters) = match round {
        Round::Everything => everything(entries),
        Round::Changes => (changes(entries), vec![]),
    };
    Ok(DeltaPage { items, next, masters })
}

/// All of it is taken as it stands. What belongs to a series whose master the page does not have waits for the whole of it.
fn everything(entries: Vec<Entry<'_>>) -> (Vec<RemoteItem>, Vec<ProviderEventId>) {
    let series: BTreeMap<ProviderEventId, OfSeries> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Event(wire, _) if wire.kind() == Kind::Master => Some((wire.id(), wire.of_series())),
            _ => None,
        })
        .collect();
    let mut without_master = BTreeSet::new();
    let mut items = Vec::with_capacity(entries.len());
    for entry in entries {
        let (wire, raw) = match entry {
            Entry::Removed(provider_id) => {
                items.push(RemoteItem::Missing { provider_id });
                continue;
            }
            Entry::Unreadable(item) => {
                items.push(item);
                continue;
            }
            Entry::Event(wire, raw) => (wire, raw),
        };
        match wire.series_id() {
            Some(master_id) if !series.contains_key(&master_id) => {
                without_master.insert(master_id);
            }
            master_id => items.push(item(*wire, raw, master_id.and_then(|master_id| series.get(&master_id)))),
        }
    }
    items.extend(without_master.into_iter().map(named));
    (items, series.into_keys().collect())
}

/// Single events are taken; series are read as a whole.
fn changes(entries: Vec<Entry<'_>>) -> Vec<RemoteItem> {
    let mut series = BTreeSet::new();
    let mut items = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry {
            Entry::Removed(provider_id) => items.push(RemoteItem::Missing { provider_id }),
            Entry::Unreadable(item) => items.push(item),
            Entry::Event(wire, raw) => match wire.series_id() {
                Some(master_id) => {
                    series.insert(master_id);
                }
                None => items.push(single(*wire, raw)),
            },
        }
    }
    items.extend(series.into_iter().map(named));
    items
}

/// The items of a page, and the slots of its series that are cancelled. What the page shows takes place, whatever is said of its slot:
/// the day of a cancelled one is not always the day of a zone that is known.
pub(super) fn with_cancelled(
    mut items: Vec<RemoteItem>,
    cancelled: Vec<(ProviderEventId, SeriesPosition)>,
) -> Vec<RemoteItem> {
    let slot = |position: &SeriesPosition| (position.master_id.clone(), position.original_start.key());
    let shown: BTreeSet<_> = items
        .iter()
        .filter_map(|item| match item {
            RemoteItem::Occurrence { occurrence, .. } => Some(slot(&occurrence.position)),
            RemoteItem::Event(remote) => remote.event.series.as_ref().map(slot),
            _ => None,
        })
        .collect();
    let cancelled = cancelled.into_iter().filter(|(_, position)| !shown.contains(&slot(position)));
    items.extend(cancelled.map(|(provider_id, position)| RemoteItem::CancelledOccurrence { provider_id, position }));
    items
}

fn named(provider_id: ProviderEventId) -> RemoteItem {
    // The version of a master does not move with its occurrences.
    RemoteItem::Named { provider_id, version: None }
}

/// An event that belongs to nothing: all that there is under its id, which may have been a series.
pub(super) fn single(wire: WireEvent, raw: &str) -> RemoteItem {
    let (owner, version) = (wire.id(), wire.version());
    match wire.into_event(None) {
        Ok(event) => RemoteItem::Whole {
            owner,
            version,
            raw: raw_text(raw),
            parts: vec![evercal_domain::Part::Event(Box::new(event))],
        },
        Err(reason) => unreadable(raw, reason.to_owned()),
    }
}

/// An event as it stands.
pub(super) fn item(wire: WireEvent, raw: &str, series: Option<&OfSeries>) -> RemoteItem {
    let provider_id = wire.id();
    if wire.kind() == Kind::Occurrence {
        return match wire.into_occurrence(series.unwrap_or(&OfSeries::default())) {
            Ok(occurrence) => RemoteItem::Occurrence { provider_id, occurrence },
            Err(reason) => unreadable(raw, reason.to_owned()),
        };
    }
    let version = wire.version();
    match wire.into_event(series) {
        Ok(event) => RemoteItem::Event(Box::new(RemoteEvent { event, version, raw: raw_text(raw) })),
        Err(reason) => unreadable(raw, reason.to_owned()),
    }
}
