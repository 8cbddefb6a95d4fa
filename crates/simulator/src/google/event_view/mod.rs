//! A calendar as one caller sees it with one query: which events it shows, in which order, and with which fields.

pub(crate) mod free_busy_reader;

use std::borrow::Cow;
use std::collections::HashSet;

use chrono::{DateTime, TimeDelta};
use serde_json::{Map, Value, json};

use super::event_query::{EventQuery, Order};
use super::quirks::Quirks;
use super::series::Series;
use super::store::{Calendar, EventRecord};
use super::times::EventPoint;
use super::tokens::{Cursor, Snapshot};
use crate::core::access::AccessRole;

/// Instances of one series in one answer of a list that expands series; Google's own horizon is not published.
const INSTANCES_PER_SERIES_MAX: usize = 730;
/// How far an endless series is expanded when no `timeMax` bounds it.
const EXPANSION_REACH: TimeDelta = TimeDelta::days(20 * 365);

pub(crate) type Resource<'a> = Cow<'a, Map<String, Value>>;

/// An entry of a list with its sort key.
pub(crate) struct Item<'a> {
    pub(crate) cursor: Cursor,
    pub(crate) resource: Resource<'a>,
}

/// A calendar as one caller sees it with one query.
pub(crate) struct View<'a, 'q> {
    pub(crate) calendar: &'a Calendar,
    pub(crate) query: &'q EventQuery<'q>,
    pub(crate) role: AccessRole,
    pub(crate) quirks: &'q Quirks,
}

impl<'a> View<'a, '_> {
    /// The next `count` entries of the list after `cursor`.
    pub(crate) fn items(
        &self,
        since: Option<u64>,
        snapshot: Snapshot,
        cursor: Option<&Cursor>,
        count: usize,
    ) -> Vec<Item<'a>> {
        let in_stored_order = !self.query.single_events && self.query.order == Order::Unspecified;
        let position =
            cursor.filter(|_| in_stored_order).map_or(0, |cursor| u64::try_from(cursor.position).unwrap_or(0));
        // A full list goes by creation, which never changes; so an event that changes while pages are read
        // is neither lost nor repeated. An increment goes by change.
        let records: Box<dyn Iterator<Item = &'a EventRecord>> = match since {
            None => Box::new(self.calendar.by_ordinal(position, snapshot.ordinal)),
            Some(since) => Box::new(self.calendar.by_version(position.max(since), snapshot.version)),
        };
        let records = records.filter(|event| self.is_wanted(event, since.is_some()));
        if in_stored_order && self.is_free_busy() {
            return self.single_items(since, snapshot, cursor, count);
        }
        if in_stored_order {
            return records
                .take(count)
                .map(|event| Item {
                    cursor: Cursor::at(if since.is_some() { event.version } else { event.ordinal }),
                    resource: self.show(Cow::Borrowed(&event.resource)),
                })
                .collect();
        }
        let mut items: Vec<Item<'a>> = records
            .flat_map(|event| self.expand_or_keep(event))
            .map(|resource| self.item(resource))
            .filter(|item| cursor.is_none_or(|cursor| item.cursor > *cursor))
            .collect();
        items.sort_by(|a, b| a.cursor.cmp(&b.cursor));
        items.truncate(count);
        for item in &mut items {
            item.resource = self.show(std::mem::take(&mut item.resource));
        }
        items
    }

    fn expand_or_keep(&self, event: &'a EventRecord) -> Vec<Resource<'a>> {
        if !self.query.single_events || !event.is_master() {
            return vec![Cow::Borrowed(&event.resource)];
        }
        self.expand(event).into_iter().filter(|instance| self.in_window(instance)).map(Cow::Owned).collect()
    }

    /// The generated instances of a series: those that no exception replaces, inside the window, at most
    /// [`INSTANCES_PER_SERIES_MAX`].
    pub(crate) fn expand(&self, master: &EventRecord) -> Vec<Map<String, Value>> {
        let zone = self.calendar.zone;
        let Ok(series) = Series::parse(&master.resource, zone) else {
            return Vec::new();
        };
        let replaced: HashSet<&str> =
            self.calendar.exceptions_of(&master.id).map(|exception| exception.id.as_str()).collect();
        let horizon = self.is_free_busy().then(|| free_busy_reader::horizon(master));
        let last = match self.query.time_max {
            Some(time_max) => Some(time_max.naive_utc() + TimeDelta::days(1)),
            None if series.is_endless() => {
                let from = self.query.time_min.map_or(series.start.local(), |min| min.naive_utc());
                Some(from.max(series.start.local()) + EXPANSION_REACH)
            }
            None => None,
        };
        let last = match (last, horizon) {
            (Some(last), Some(horizon)) => Some(last.min(horizon)),
            (last, horizon) => last.or(horizon),
        };
        let instances = series
            .local_starts(last)
            .into_iter()
            .map(|local| series.occurrence(local))
            .filter(|occurrence| {
                let end = occurrence.end.unix_seconds(zone);
                self.query.time_min.is_none_or(|min| end > min.timestamp())
            })
            .map(|occurrence| occurrence.resource(&master.resource, zone))
            .filter(|instance| {
                let id = instance.get("id").and_then(Value::as_str);
                id.is_some_and(|id| !replaced.contains(id))
            });
        if !self.is_free_busy() {
            return instances.take(INSTANCES_PER_SERIES_MAX).collect();
        }
        // What is ahead matters to them, not how it began.
        let mut instances: Vec<_> = instances.collect();
        instances.drain(..instances.len().saturating_sub(free_busy_reader::INSTANCES_PER_SERIES_MAX));
        instances
    }

    pub(crate) fn is_free_busy(&self) -> bool {
        self.role == AccessRole::FreeBusyReader
    }

    pub(crate) fn is_wanted(&self, event: &EventRecord, incremental: bool) -> bool {
        let query = self.query;
        if !incremental && event.is_cancelled() && !self.shows_cancelled(event) {
            return false;
        }
        if query.single_events && event.is_master() && event.is_cancelled() && !incremental {
            return false;
        }
        let updated_late = query.updated_min.is_none_or(|min| {
            let updated = event.text("updated").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            updated.is_none_or(|updated| updated >= min)
        });
        updated_late && self.overlaps_window(event) && query.selects(&event.resource)
    }

    fn shows_cancelled(&self, event: &EventRecord) -> bool {
        let query = self.query;
        if query.show_deleted == Some(true) || query.updated_min.is_some() {
            return true;
        }
        if self.is_free_busy() {
            // Who is given no series gets none of its cancelled instances either.
            return false;
        }
        let master = event.master_id().and_then(|id| self.calendar.event(id));
        !query.single_events && master.is_some_and(|master| !master.is_cancelled())
    }

    fn overlaps_window(&self, event: &EventRecord) -> bool {
        let starts_early = self.query.time_max.is_none_or(|max| event.span.start < max.timestamp());
        let Some(min) = self.query.time_min else {
            return starts_early;
        };
        if !starts_early || event.span.end > min.timestamp() {
            return starts_early;
        }
        if !event.is_master() {
            return false;
        }
        let zone = self.calendar.zone;
        Series::parse(&event.resource, zone).is_ok_and(|series| {
            series.is_endless()
                || series
                    .local_starts(None)
                    .last()
                    .is_some_and(|last| series.occurrence(*last).end.unix_seconds(zone) > min.timestamp())
        })
    }

    pub(crate) fn in_window(&self, resource: &Map<String, Value>) -> bool {
        let zone = self.calendar.zone;
        let seconds = |name: &str| EventPoint::stored(resource.get(name), zone).map(|point| point.unix_seconds(zone));
        let start = seconds("start").or_else(|| seconds("originalStartTime"));
        let end = seconds("end").or(start);
        let before_max = self.query.time_max.is_none_or(|max| start.is_none_or(|start| start < max.timestamp()));
        let after_min = self.query.time_min.is_none_or(|min| end.is_none_or(|end| end > min.timestamp()));
        before_max && after_min
    }

    fn item(&self, resource: Resource<'a>) -> Item<'a> {
        match self.query.order {
            Order::StartTime => self.item_by_start(resource),
            Order::Unspecified | Order::Updated => {
                let updated = resource
                    .get("updated")
                    .and_then(Value::as_str)
                    .filter(|_| self.query.order == Order::Updated)
                    .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
                let position = updated.map_or(0, |updated| updated.timestamp_millis());
                Item { cursor: Cursor { position, id: id_of(&resource) }, resource }
            }
        }
    }

    pub(crate) fn item_by_start(&self, resource: Resource<'a>) -> Item<'a> {
        let zone = self.calendar.zone;
        let start = EventPoint::stored(resource.get("start"), zone)
            .or_else(|| EventPoint::stored(resource.get("originalStartTime"), zone));
        Item {
            cursor: Cursor { position: start.map_or(0, |start| start.unix_seconds(zone)), id: id_of(&resource) },
            resource,
        }
    }

    /// The resource as this caller may see it and asked for it.
    pub(crate) fn show<'r>(&self, resource: Resource<'r>) -> Resource<'r> {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        let cancelled = text("status") == Some("cancelled");
        let is_exception = resource.contains_key("recurringEventId");
        if cancelled && self.quirks.id_only_tombstones && !is_exception {
            let kept = ["kind", "etag", "id", "status"];
            return Cow::Owned(only(&resource, &kept));
        }
        let hidden = self.is_free_busy()
            || (!self.role.sees_private() && matches!(text("visibility"), Some("private" | "confidential")));
        let mut resource = resource;
        if hidden {
            resource = Cow::Owned(only(
                &resource,
                &[
                    "kind",
                    "etag",
                    "id",
                    "status",
                    "htmlLink",
                    "created",
                    "updated",
                    "start",
                    "end",
                    "recurrence",
                    "recurringEventId",
                    "originalStartTime",
                    "iCalUID",
                    "transparency",
                    "visibility",
                    "sequence",
                    "eventType",
                ],
            ));
            if self.is_free_busy() {
                resource.to_mut().insert("visibility".to_owned(), json!("private"));
                if self.quirks.free_busy_without_original_start {
                    resource.to_mut().remove("originalStartTime");
                }
            }
        }
        if let Some(zone) = self.query.time_zone {
            let own = self.calendar.zone;
            for name in ["start", "end", "originalStartTime"] {
                if let Some(point) = EventPoint::stored(resource.get(name), own) {
                    resource.to_mut().insert(name.to_owned(), point.to_value(zone));
                }
            }
        }
        self.query.cut_attendees(resource, &self.calendar.record.id)
    }
}

fn id_of(resource: &Map<String, Value>) -> String {
    resource.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn only(resource: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    resource
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl Cursor {
    /// After the entry with this version or ordinal.
    fn at(position: u64) -> Self {
        Self { position: i64::try_from(position).unwrap_or(i64::MAX), id: String::new() }
    }

    /// Smaller than every other one.
    pub(crate) fn before_everything() -> Self {
        Self { position: i64::MIN, id: String::new() }
    }
}
