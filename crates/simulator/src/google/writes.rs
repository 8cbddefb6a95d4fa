//! Changing events: insert, import, patch, update, delete, move, clear (source: the discovery document). What a change leaves
//! behind is in [`super::history`].

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::World;
use super::attachments;
use super::calendars;
use super::conference;
use super::errors::ApiError;
use super::event_resource::{self as resource, Change, EventId};
use super::event_types::{self, Place};
use super::events;
use super::history::{self, cancel};
use super::oauth::Caller;
use super::request::ApiRequest;
use super::response::ApiResponse;
use super::times::timestamp;

pub(crate) fn insert(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open_for_writing(world, caller, request.calendar_id()?)?;
    let now = world.now_for(&opened.id, request.simulated_now());
    let mut body = request.json_object()?;
    keep_what_is_not_supported(request, &mut body, None)?;
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
    conference::complete(&mut fresh);
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
    keep_what_is_not_supported(request, &mut body, None)?;
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
    conference::complete(&mut imported);
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

fn change(world: &mut World, caller: &Caller, request: &ApiRequest, how: Change) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open_for_writing(world, caller, request.calendar_id()?)?;
    let id = request.event_id()?;
    check_condition(world, &opened.id, id, request)?;
    let now = world.now_for(&opened.id, request.simulated_now());
    let mut body = request.json_object()?;
    keep_what_is_not_supported(request, &mut body, Some(&complete(world, &opened.id, id)?))?;
    let stored = change_event(world, &opened.id, id, body, how, now)?;
    Ok(ApiResponse::resource(&stored))
}

/// A client says by the query that it supports some fields; what other clients send of these is ignored.
fn keep_what_is_not_supported(
    request: &ApiRequest,
    body: &mut Map<String, Value>,
    event: Option<&Map<String, Value>>,
) -> Result<(), ApiError> {
    if !conference::is_supported(&request.query)? {
        resource::keep(body, conference::DATA, event);
    }
    if !attachments::are_supported(&request.query)? {
        resource::keep(body, attachments::ATTACHMENTS, event);
    }
    Ok(())
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
    conference::complete(&mut after);
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
        history::restore_exceptions(world, calendar_id, id, now);
    }
    if let Some(visibility) = spreads {
        spread_visibility(world, calendar_id, &before, &visibility, now);
    }
    let stored = world.store_event(calendar_id, after, now);
    if was_master {
        history::drop_misplaced_exceptions(world, calendar_id, id, now)?;
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

/// `calendars.clear`: deletes all events of a primary calendar.
pub(crate) fn clear(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open_as_owner(world, caller, request.calendar_id()?)?;
    let calendar = calendars::calendar(world, &opened.id)?;
    if calendar.record.id != calendar.record.owner {
        return Err(ApiError::forbidden());
    }
    let ids: Vec<String> = calendar
        .all()
        .filter(|event| !event.is_cancelled() && event.master_id().is_none())
        .map(|event| event.id.clone())
        .collect();
    let now = world.now_for(&opened.id, request.simulated_now());
    for id in ids {
        cancel(world, &opened.id, &id, now)?;
    }
    Ok(ApiResponse::empty(204))
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
