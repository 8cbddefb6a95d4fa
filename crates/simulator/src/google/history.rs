//! What changes leave in a calendar's history: new versions of events, tombstones, and exceptions that come and go with their
//! series. Every change goes through [`World::store_event`].

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::World;
use super::calendars;
use super::channels;
use super::errors::ApiError;
use super::event_resource;
use super::event_types;
use super::event_view::free_busy_reader;
use super::events;
use super::series::{Series, instance_id};
use super::store::{EventRecord, Span};
use super::times::timestamp;
use crate::core::channels::Collection;

/// Leaves a tombstone of an event, or a cancelled exception of an instance. A deleted series takes its exceptions
/// with it.
pub(crate) fn cancel(
    world: &mut World,
    calendar_id: &str,
    id: &str,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, ApiError> {
    let calendar = calendars::calendar(world, calendar_id)?;
    let event = events::find(calendar, id)?.into_owned();
    if event.contains_key("recurringEventId") {
        let stub = event_resource::cancelled_exception(&event);
        return Ok(world.store_event(calendar_id, stub, now));
    }
    let exceptions: Vec<Map<String, Value>> =
        calendar.exceptions_of(id).map(|exception| exception.resource.clone()).collect();
    for exception in &exceptions {
        let exception = exception.get("id").and_then(Value::as_str).unwrap_or_default();
        world.remove_exception(calendar_id, exception, now);
    }
    let mut tombstone = event;
    tombstone.insert("status".to_owned(), json!("cancelled"));
    tombstone.insert("updated".to_owned(), json!(timestamp(now)));
    let tombstone = world.store_event(calendar_id, tombstone, now);
    if let Some(calendar) = world.provider.calendars.get_mut(calendar_id)
        && let Some(record) = calendar.amend(id, |record| record.removed_exceptions = exceptions)
    {
        world.journal.put(&format!("google/event/{calendar_id}/{id}"), record);
    }
    Ok(tombstone)
}

/// The exceptions of a series that is restored come back as they were, the cancelled ones too, and increments have them before it.
pub(crate) fn restore_exceptions(world: &mut World, calendar_id: &str, master_id: &str, now: DateTime<Utc>) {
    let master = world.provider.calendars.get(calendar_id).and_then(|calendar| calendar.event(master_id));
    let exceptions = master.map(|master| master.removed_exceptions.clone()).unwrap_or_default();
    for exception in exceptions {
        world.store_event(calendar_id, exception, now);
    }
}

/// After a series was changed, its exceptions for times that it no longer has are gone.
pub(crate) fn drop_misplaced_exceptions(
    world: &mut World,
    calendar_id: &str,
    master_id: &str,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let calendar = calendars::calendar(world, calendar_id)?;
    let Some(master) = calendar.event(master_id) else {
        return Ok(());
    };
    let series = Series::parse(&master.resource, calendar.zone)?;
    let misplaced: Vec<String> = calendar
        .exceptions_of(master_id)
        .filter(|exception| {
            let suffix = exception.id.rsplit_once('_').map(|(_, suffix)| suffix);
            let kept = master.is_master()
                && suffix
                    .and_then(|suffix| series.find(suffix))
                    .is_some_and(|found| instance_id(master_id, found.start) == exception.id);
            !kept
        })
        .map(|exception| exception.id.clone())
        .collect();
    for exception in misplaced {
        world.remove_exception(calendar_id, &exception, now);
    }
    Ok(())
}

impl World {
    /// Stores an event as the newest change of its calendar, with a new ETag, and notifies the channels.
    pub(crate) fn store_event(
        &mut self,
        calendar_id: &str,
        mut resource: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Map<String, Value> {
        let Some(calendar) = self.provider.calendars.get_mut(calendar_id) else {
            return resource;
        };
        let id = resource.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let previous = calendar.event(&id);
        let shown_before = free_busy_reader::shown_instances(calendar, previous);
        let vanished_before = previous.map(|event| event.vanished_instances.clone()).unwrap_or_default();
        let (ordinal, version) = calendar.next_position(&id);
        resource.insert("etag".to_owned(), json!(format!("\"{version:016}\"")));
        let record = EventRecord {
            calendar: calendar_id.to_owned(),
            id,
            ordinal,
            version,
            resource: resource.clone(),
            vanished_instances: BTreeSet::new(),
            removed_exceptions: Vec::new(),
            span: Span::default(),
        };
        self.journal.put(&format!("google/event/{calendar_id}/{}", record.id), &record);
        let id = record.id.clone();
        calendar.put(record);
        self.keep_vanished_instances(calendar_id, &id, shown_before, vanished_before);
        if self.provider.announces_changes {
            let collection = Collection::Events { calendar: calendar_id.to_owned() };
            let event_type = resource.get("eventType").and_then(Value::as_str).unwrap_or(event_types::DEFAULT);
            channels::announce(self, &collection, Some(event_type), now);
        }
        resource
    }

    /// Forgets an event as if it had never been.
    pub(crate) fn forget_event(&mut self, calendar_id: &str, id: &str) {
        let Some(calendar) = self.provider.calendars.get_mut(calendar_id) else { return };
        let master = calendar.remove(id).and_then(|event| event.master_id().map(str::to_owned));
        self.journal.remove(&format!("google/event/{calendar_id}/{id}"));
        let Some(master) = master.filter(|_| calendar.has_free_busy_readers()) else { return };
        let remember = |record: &mut EventRecord| {
            record.vanished_instances.insert(id.to_owned());
        };
        if let Some(record) = calendar.amend(&master, remember) {
            self.journal.put(&format!("google/event/{calendar_id}/{master}"), record);
        }
    }

    /// Removes an exception together with its series: by a tombstone, or silently where that quirk is on.
    fn remove_exception(&mut self, calendar_id: &str, id: &str, now: DateTime<Utc>) {
        let Some(calendar) = self.provider.calendars.get(calendar_id) else {
            return;
        };
        if self.provider.quirks.silent_exception_removal {
            self.forget_event(calendar_id, id);
            return;
        }
        let stub = calendar
            .event(id)
            .filter(|event| !event.is_cancelled())
            .map(|event| event_resource::cancelled_exception(&event.resource));
        if let Some(stub) = stub {
            self.store_event(calendar_id, stub, now);
        }
    }
}
