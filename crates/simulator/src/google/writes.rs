//! Changing events: insert, import, patch, update, delete, move (source: the discovery document). Every change goes
//! through [`World::store_event`], which gives it a version and tells the channels.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::World;
use super::calendars;
use super::channels;
use super::conference;
use super::errors::ApiError;
use super::event_resource::{self as resource, EventId};
use super::event_types::{self, Place};
use super::events;
use super::free_busy_view;
use super::oauth::Caller;
use super::request::{ApiRequest, ApiResponse};
use super::series::{Series, instance_id};
use super::store::EventRecord;
use super::times::timestamp;
use crate::core::channels::Collection;

pub(crate) fn insert(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open_for_writing(world, caller, request.calendar_id()?)?;
    let now = world.now_for(&opened.id, request.simulated_now());
    let mut body = request.json_object()?;
    if !conference::is_understood(&request.query)? {
        conference::keep(&mut body, None);
    }
    let stored = insert_event(world, &opened.id, &caller.user, body, now)?;
    Ok(ApiResponse::resource(&stored))
}

/// Adds a new event; also used by the seed and by the control API.
pub(crate) fn insert_event(
    world: &mut World,
    calendar_id: &str,
    creator: &str,
    body: Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, ApiError> {
    let chosen = body.get("id").and_then(Value::as_str).map(str::to_owned);
    if chosen.is_some() && body.contains_key("iCalUID") {
        return Err(ApiError::invalid("Only one of id and iCalUID may be given when an event is created."));
    }
    let id = match chosen {
        Some(id) => EventId::chosen(&id)?,
        None => EventId::made(world.new_id("event")),
    };
    let calendar = calendars::calendar(world, calendar_id)?;
    if calendar.event(id.as_str()).is_some() {
        return Err(ApiError::duplicate());
    }
    let zone = calendar.zone;
    let place = Place::of(&calendar.record);
    let mut fresh = resource::new(&id, calendar_id, creator, now);
    if let Some(kind) = body.get("eventType").filter(|kind| !kind.is_null()) {
        fresh.insert("eventType".to_owned(), kind.clone());
    }
    if let Some(uid) = body.get("iCalUID").filter(|uid| uid.is_string()) {
        fresh.insert("iCalUID".to_owned(), uid.clone());
    }
    let given = body.clone();
    resource::merge(&mut fresh, body);
    conference::settle(&mut fresh);
    resource::check(&mut fresh, zone, calendar_id)?;
    event_types::check_new(&fresh, &given, place)?;
    Ok(world.store_event(calendar_id, fresh, now))
}

/// `events.import`: a private copy, found again by its `iCalUID`.
pub(crate) fn import(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open_for_writing(world, caller, request.calendar_id()?)?;
    let now = world.now_for(&opened.id, request.simulated_now());
    let mut body = request.json_object()?;
    let uid =
        body.get("iCalUID").and_then(Value::as_str).ok_or_else(|| ApiError::required("Missing iCalUID."))?.to_owned();
    body.remove("id");
    if !conference::is_understood(&request.query)? {
        conference::keep(&mut body, None);
    }
    // Whatever it was, the copy is an ordinary event.
    event_types::remove_properties(&mut body);
    let calendar = calendars::calendar(world, &opened.id)?;
    let zone = calendar.zone;
    let organizer = body.get("organizer").cloned();
    let existing = calendar.event_by_ical_uid(&uid).map(|event| event.id.clone());
    let id = match existing {
        Some(id) => EventId::made(id),
        None => EventId::made(world.new_id("event")),
    };
    let mut imported = resource::new(&id, &opened.id, &caller.user, now);
    imported.insert("iCalUID".to_owned(), json!(uid));
    if let Some(organizer) = organizer.filter(Value::is_object) {
        imported.insert("organizer".to_owned(), organizer);
    }
    resource::merge(&mut imported, body);
    conference::settle(&mut imported);
    resource::check(&mut imported, zone, &opened.id)?;
    let stored = world.store_event(&opened.id, imported, now);
    Ok(ApiResponse::resource(&stored))
}

pub(crate) fn patch(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    change(world, caller, request, Change::Patch)
}

pub(crate) fn update(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    change(world, caller, request, Change::Replace)
}

/// How a body meets the stored event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// PATCH: fields that are absent stay.
    Patch,
    /// PUT: fields that are absent are cleared.
    Replace,
}

fn change(world: &mut World, caller: &Caller, request: &ApiRequest, how: Change) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open_for_writing(world, caller, request.calendar_id()?)?;
    let id = request.event_id()?;
    check_condition(world, &opened.id, id, request)?;
    let now = world.now_for(&opened.id, request.simulated_now());
    let mut body = request.json_object()?;
    if !conference::is_understood(&request.query)? {
        conference::keep(&mut body, Some(&complete(world, &opened.id, id)?));
    }
    let stored = change_event(world, &opened.id, id, body, how, now)?;
    Ok(ApiResponse::resource(&stored))
}

/// Changes an event, or makes an exception of an instance that was only generated so far.
pub(crate) fn change_event(
    world: &mut World,
    calendar_id: &str,
    id: &str,
    body: Map<String, Value>,
    how: Change,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, ApiError> {
    let calendar = calendars::calendar(world, calendar_id)?;
    let (zone, place) = (calendar.zone, Place::of(&calendar.record));
    let before = complete(world, calendar_id, id)?;
    event_types::check_unchanged(&before, &body, how)?;
    let mut body = body;
    let spreads = visibility_spreads(calendar, &before, &mut body);
    if resource::changes_what_only_the_organizer_may(&before, &body, how) {
        return Err(ApiError::forbidden_for_non_organizer());
    }
    let mut after = match how {
        Change::Patch => before.clone(),
        Change::Replace => resource::without_writable(&before),
    };
    resource::merge(&mut after, body);
    conference::settle(&mut after);
    if after.get("status") == Some(&json!("cancelled")) {
        return cancel(world, calendar_id, id, now);
    }
    resource::check(&mut after, zone, calendar_id)?;
    event_types::check_change(&before, &after, place)?;
    resource::bump_sequence(&before, &mut after);
    if resource::changed_beyond_reminders(&before, &after) {
        after.insert("updated".to_owned(), json!(timestamp(now)));
    }
    let was_master = before.contains_key("recurrence");
    if was_master && before.get("status") == Some(&json!("cancelled")) {
        restore_exceptions(world, calendar_id, id, now);
    }
    if let Some(visibility) = spreads {
        spread_visibility(world, calendar_id, &before, &visibility, now);
    }
    let stored = world.store_event(calendar_id, after, now);
    if was_master {
        drop_misplaced_exceptions(world, calendar_id, id, now)?;
    }
    Ok(stored)
}

pub(crate) fn delete(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open_for_writing(world, caller, request.calendar_id()?)?;
    let id = request.event_id()?;
    let calendar = calendars::calendar(world, &opened.id)?;
    let event = events::find(calendar, id)?;
    if event.get("status") == Some(&json!("cancelled")) {
        return Err(ApiError::already_deleted());
    }
    check_condition(world, &opened.id, id, request)?;
    let now = world.now_for(&opened.id, request.simulated_now());
    cancel(world, &opened.id, id, now)?;
    Ok(ApiResponse::empty(204))
}

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
        let stub = resource::cancelled_exception(&event);
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

/// The exceptions of a series that is restored come back as they were, the cancelled ones too, and are told before it.
fn restore_exceptions(world: &mut World, calendar_id: &str, master_id: &str, now: DateTime<Utc>) {
    let master = world.provider.calendars.get(calendar_id).and_then(|calendar| calendar.event(master_id));
    let exceptions = master.map(|master| master.removed_exceptions.clone()).unwrap_or_default();
    for exception in exceptions {
        world.store_event(calendar_id, exception, now);
    }
}

/// The visibility that all of a series gets when one instance becomes more private than it; one that is less private than
/// the series is taken out of the body (source: release notes of 2026-07-07).
fn visibility_spreads(
    calendar: &super::store::Calendar,
    before: &Map<String, Value>,
    body: &mut Map<String, Value>,
) -> Option<Value> {
    let privacy = |visibility: Option<&Value>| match visibility.and_then(Value::as_str) {
        Some("public") => 0,
        Some("private" | "confidential") => 2,
        _ => 1,
    };
    let master = calendar.event(before.get("recurringEventId")?.as_str()?)?;
    let wanted = body.get("visibility")?.clone();
    match privacy(Some(&wanted)).cmp(&privacy(master.resource.get("visibility"))) {
        std::cmp::Ordering::Greater => Some(wanted),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => {
            body.remove("visibility");
            None
        }
    }
}

fn spread_visibility(
    world: &mut World,
    calendar_id: &str,
    instance: &Map<String, Value>,
    visibility: &Value,
    now: DateTime<Utc>,
) {
    let id = |resource: &Map<String, Value>, name: &str| resource.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(own), Some(master)) = (id(instance, "id"), id(instance, "recurringEventId")) else { return };
    let Some(calendar) = world.provider.calendars.get(calendar_id) else { return };
    let siblings = calendar.exceptions_of(&master).filter(|sibling| !sibling.is_cancelled() && sibling.id != own);
    let all: Vec<Map<String, Value>> =
        calendar.event(&master).into_iter().chain(siblings).map(|event| event.resource.clone()).collect();
    for mut event in all {
        event.insert("visibility".to_owned(), visibility.clone());
        event.insert("updated".to_owned(), json!(timestamp(now)));
        world.store_event(calendar_id, event, now);
    }
}

/// `events.move`: the event gets another organizer's calendar; a tombstone stays behind.
pub(crate) fn move_event(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let source = calendars::open_for_writing(world, caller, request.calendar_id()?)?;
    let destination = request.query.get("destination").ok_or_else(|| ApiError::required("Missing destination."))?;
    let destination = calendars::open_for_writing(world, caller, destination)?;
    let id = request.event_id()?;
    let event = calendars::calendar(world, &source.id)?
        .event(id)
        .filter(|event| !event.is_cancelled())
        .ok_or_else(ApiError::not_found)?;
    event_types::check_movable(&event.resource)?;
    if event.master_id().is_some() {
        return Err(ApiError::invalid("An instance of a series cannot be moved alone."));
    }
    let target = calendars::calendar(world, &destination.id)?;
    if target.event(id).is_some_and(|there| !there.is_cancelled()) {
        return Err(ApiError::duplicate());
    }
    let mut moved = event.resource.clone();
    moved.insert("organizer".to_owned(), resource::person(&destination.id, &destination.id));
    let now = world.now_for(&source.id, request.simulated_now());
    cancel(world, &source.id, id, now)?;
    let now = world.now_for(&destination.id, request.simulated_now());
    moved.insert("updated".to_owned(), json!(timestamp(now)));
    let stored = world.store_event(&destination.id, moved, now);
    Ok(ApiResponse::resource(&stored))
}

/// The event as a whole: a cancelled exception has lost its fields, so they come from the series again.
fn complete(world: &World, calendar_id: &str, id: &str) -> Result<Map<String, Value>, ApiError> {
    let calendar = calendars::calendar(world, calendar_id)?;
    let found = events::find(calendar, id)?;
    if !found.contains_key("start")
        && let Some((master, occurrence)) = events::find_occurrence(calendar, id)
    {
        return Ok(occurrence.resource(&master.resource, calendar.zone));
    }
    Ok(found.into_owned())
}

fn check_condition(world: &World, calendar_id: &str, id: &str, request: &ApiRequest) -> Result<(), ApiError> {
    let event = events::find(calendars::calendar(world, calendar_id)?, id)?;
    let etag = event.get("etag").and_then(Value::as_str).unwrap_or_default();
    if request.if_match_holds(etag) { Ok(()) } else { Err(ApiError::condition_not_met()) }
}

/// After a series was changed, its exceptions for times that it no longer has are gone.
fn drop_misplaced_exceptions(
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
    /// Stores an event as the newest change of its calendar, with a new ETag, and tells the channels.
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
        let shown_before = free_busy_view::shown_instances(calendar, previous);
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
            span: super::store::Span::default(),
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
            .map(|event| resource::cancelled_exception(&event.resource));
        if let Some(stub) = stub {
            self.store_event(calendar_id, stub, now);
        }
    }
}
