//! What a free/busy reader is given: no series, but single instances, years ahead, each with an id of its own (seen in
//! the field, <https://github.com/SergeyMosin/Appointments/issues/631>; how far ahead is not published).

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use serde_json::{Map, Value, json};

use super::super::World;
use super::super::event_query::EventQuery;
use super::super::quirks::Quirks;
use super::super::request::Query;
use super::super::store::{Calendar, EventRecord};
use super::super::tokens::{Cursor, Snapshot};
use super::{Item, Resource, View};
use crate::core::access::AccessRole;

/// Instances of one series.
pub(crate) const INSTANCES_PER_SERIES_MAX: usize = 2_000;
/// How far a series reaches beyond its last change.
const REACH: TimeDelta = TimeDelta::days(5 * 366);

/// The last wall-clock time at which a series has instances for such a reader. It moves with the series' last change, so
/// that a full list and the sum of its increments are the same.
pub(crate) fn horizon(master: &EventRecord) -> NaiveDateTime {
    let changed = master.text("updated").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    changed.map_or(DateTime::UNIX_EPOCH.naive_utc(), |at| at.naive_utc()) + REACH
}

impl<'a> View<'a, '_> {
    /// The next `count` entries after `cursor`, in stored order, with the instances of each series by their ids.
    pub(crate) fn single_items(
        &self,
        since: Option<u64>,
        snapshot: Snapshot,
        cursor: Option<&Cursor>,
        count: usize,
    ) -> Vec<Item<'a>> {
        // The page before may have ended in the middle of a series.
        let after = cursor.map_or(0, |cursor| u64::try_from(cursor.position).unwrap_or(0)).saturating_sub(1);
        let records: Box<dyn Iterator<Item = &'a EventRecord>> = match since {
            None => Box::new(self.calendar.by_ordinal(after, snapshot.ordinal)),
            Some(since) => Box::new(self.calendar.by_version(after.max(since), snapshot.version)),
        };
        records
            .filter(|event| self.is_wanted(event, since.is_some()))
            .flat_map(|event| self.instances_or_event(event, since.is_some()))
            .filter(|item| cursor.is_none_or(|cursor| item.cursor > *cursor))
            .take(count)
            .map(|item| Item { resource: self.show(item.resource), cursor: item.cursor })
            .collect()
    }

    fn instances_or_event(&self, event: &'a EventRecord, is_increment: bool) -> Vec<Item<'a>> {
        let position = if is_increment { event.version } else { event.ordinal };
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        if !event.is_master() {
            let cursor = Cursor { position, id: String::new() };
            return vec![Item { cursor, resource: Cow::Borrowed(&event.resource) }];
        }
        let live = if event.is_cancelled() { Vec::new() } else { self.expand(event) };
        let mut items: Vec<Item<'a>> = live
            .into_iter()
            .filter(|instance| self.in_window(instance))
            .map(|instance| instance_item(position, Cow::Owned(instance)))
            .collect();
        if is_increment {
            let gone = event.vanished_instances.iter();
            items.extend(gone.map(|id| instance_item(position, Cow::Owned(tombstone(event, id)))));
        }
        items.sort_by(|a, b| a.cursor.cmp(&b.cursor));
        items
    }
}

fn instance_item(position: i64, resource: Resource<'_>) -> Item<'_> {
    let id = resource.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    Item { cursor: Cursor { position, id }, resource }
}

/// An instance that is no more: of such, only the id is sure.
fn tombstone(master: &EventRecord, id: &str) -> Map<String, Value> {
    let fields = [
        ("kind", json!("calendar#event")),
        ("etag", master.resource.get("etag").cloned().unwrap_or_default()),
        ("id", json!(id)),
        ("status", json!("cancelled")),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The instances of a series that a free/busy reader is given, without its exceptions; none where nobody reads so.
pub(crate) fn shown_instances(calendar: &Calendar, master: Option<&EventRecord>) -> BTreeSet<String> {
    let Some(master) = master.filter(|master| master.is_master() && !master.is_cancelled()) else {
        return BTreeSet::new();
    };
    if !calendar.has_free_busy_readers() {
        return BTreeSet::new();
    }
    let everything = Query::default();
    let Ok(query) = EventQuery::parse(&everything) else { return BTreeSet::new() };
    let view = View { calendar, query: &query, role: AccessRole::FreeBusyReader, quirks: &Quirks::NONE };
    let ids = view.expand(master).into_iter().filter_map(|instance| Some(instance.get("id")?.as_str()?.to_owned()));
    ids.collect()
}

impl World {
    /// Remembers which instances a changed series has no more, so that increments report them to those who were given
    /// them. `before` is what [`shown_instances`] said, and `gone` what went with it otherwise.
    pub(crate) fn keep_vanished_instances(
        &mut self,
        calendar_id: &str,
        master_id: &str,
        mut before: BTreeSet<String>,
        earlier: BTreeSet<String>,
    ) {
        let Some(calendar) = self.provider.calendars.get_mut(calendar_id) else { return };
        before.extend(earlier);
        if before.is_empty() {
            return;
        }
        let now = shown_instances(calendar, calendar.event(master_id));
        let replaced: BTreeSet<String> =
            calendar.exceptions_of(master_id).map(|exception| exception.id.clone()).collect();
        let vanished: BTreeSet<String> =
            before.into_iter().filter(|id| !now.contains(id) && !replaced.contains(id)).collect();
        if let Some(record) = calendar.amend(master_id, |record| record.vanished_instances = vanished) {
            self.journal.put(&format!("google/event/{calendar_id}/{master_id}"), record);
        }
    }
}
