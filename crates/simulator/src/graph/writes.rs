//! Changing events: the calls of clients, and what the control API does as the calendar's owner would.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use super::World;
use super::calendars::{self, Opened, calendar};
use super::errors::ApiError;
use super::event_fields::{self, Author};
use super::events::{self, Found};
use super::grants::Caller;
use super::operations;
use super::recurrence::Recurrence;
use super::request::{ApiRequest, Preferences};
use super::response::ApiResponse;
use super::series::occurrence_at;
use super::store::Change;
use super::store::{EventRecord, ExceptionRecord};
use super::times::{EventTime, plain_timestamp};
use crate::core::access::AccessRole;

/// `POST …/events`.
pub(crate) fn create(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open_for_writing(world, caller, request)?;
    let preferences = request.preferences()?;
    let body = request.json_object()?;
    let transaction = body.get("transactionId").and_then(Value::as_str).map(|id| format!("{}/{id}", caller.client));
    let repeated = transaction.as_ref().and_then(|id| calendar(world, &opened.id).ok()?.of_transaction(id));
    if let Some(first) = repeated.map(|first| first.key.clone()) {
        return Ok(ApiResponse::item(201, &events::shown(world, &opened, &first, None, &preferences)?));
    }
    let now = world.now_for(&opened.id, request.simulated_now());
    let key = insert(world, &opened.id, &body, Author::Client, transaction, now)?;
    Ok(ApiResponse::item(201, &events::shown(world, &opened, &key, None, &preferences)?))
}

/// `PATCH …/events/{id}`.
pub(crate) fn update(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let (found, preferences) = find_for_writing(world, caller, request)?;
    let body = request.json_object()?;
    let now = world.now_for(&found.opened.id, request.simulated_now());
    patch(world, &found.opened.id, &found.key, found.slot, &body, Author::Client, now)?;
    Ok(ApiResponse::item(200, &events::shown(world, &found.opened, &found.key, found.slot, &preferences)?))
}

/// `DELETE …/events/{id}`.
pub(crate) fn delete(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let (found, _) = find_for_writing(world, caller, request)?;
    let now = world.now_for(&found.opened.id, request.simulated_now());
    remove(world, &found.opened.id, &found.key, found.slot, now)?;
    Ok(ApiResponse::empty(204))
}

/// `POST …/events/{id}/cancel`: guests are told, and the organizer's own copy goes.
pub(crate) fn cancel(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let (found, preferences) = find_for_writing(world, caller, request)?;
    let item = events::shown(world, &found.opened, &found.key, found.slot, &preferences)?;
    if item.get("isOrganizer") != Some(&Value::Bool(true)) {
        let message = "Your request can't be completed. You need to be an organizer to cancel a meeting.";
        return Err(ApiError::invalid_request(message));
    }
    let now = world.now_for(&found.opened.id, request.simulated_now());
    remove(world, &found.opened.id, &found.key, found.slot, now)?;
    Ok(ApiResponse::empty(202))
}

/// `POST …/events/{id}/accept` and its like.
pub(crate) fn respond(
    world: &mut World,
    caller: &Caller,
    request: &ApiRequest,
    response: operations::Response,
) -> Result<ApiResponse, ApiError> {
    let (found, preferences) = find_for_writing(world, caller, request)?;
    let item = events::shown(world, &found.opened, &found.key, found.slot, &preferences)?;
    if item.get("isOrganizer") == Some(&Value::Bool(true)) {
        let message =
            "Your request can't be completed. You can't respond to this meeting because you're the meeting organizer.";
        return Err(ApiError::invalid_request(message));
    }
    let now = world.now_for(&found.opened.id, request.simulated_now());
    let status = json!({"response": response.status(), "time": plain_timestamp(now)});
    let body = Map::from_iter([("responseStatus".to_owned(), status)]);
    patch(world, &found.opened.id, &found.key, found.slot, &body, Author::Control, now)?;
    Ok(ApiResponse::empty(202))
}

fn find_for_writing(world: &World, caller: &Caller, request: &ApiRequest) -> Result<(Found, Preferences), ApiError> {
    let found = events::find(world, caller, request)?;
    if !found.opened.role.can_write() {
        return Err(ApiError::access_denied());
    }
    let preferences = request.preferences()?;
    let item = events::shown(world, &found.opened, &found.key, found.slot, &preferences)?;
    if !request.if_match_holds(item.get("@odata.etag").and_then(Value::as_str).unwrap_or_default()) {
        return Err(ApiError::condition_not_met());
    }
    Ok((found, preferences))
}

/// Inserts an event; answers with its key.
pub(crate) fn insert(
    world: &mut World,
    calendar_id: &str,
    body: &Map<String, Value>,
    author: Author,
    transaction_id: Option<String>,
    now: DateTime<Utc>,
) -> Result<String, ApiError> {
    let key = world.new_id("event");
    insert_as(world, key, calendar_id, body, author, transaction_id, now)
}

/// The same with a key that is given.
pub(crate) fn insert_as(
    world: &mut World,
    key: String,
    calendar_id: &str,
    body: &Map<String, Value>,
    author: Author,
    transaction_id: Option<String>,
    now: DateTime<Utc>,
) -> Result<String, ApiError> {
    let fields = event_fields::read(body, author)?;
    let mut time = EventTime::parse(body, None)?;
    let recurrence = match read_recurrence(body, &mut time)? {
        WantedRecurrence::AsBefore | WantedRecurrence::None => None,
        WantedRecurrence::Some(recurrence) => Some(recurrence),
    };
    let record = EventRecord {
        calendar: calendar_id.to_owned(),
        key: key.clone(),
        ordinal: 0,
        version: 0,
        own_version: 0,
        deleted: false,
        generation: 0,
        epoch: 0,
        created: now,
        modified: now,
        time,
        recurrence,
        fields,
        exceptions: BTreeMap::new(),
        cancelled: BTreeSet::new(),
        transaction_id,
        has_custom_zone: false,
        raw: Map::new(),
    };
    world.store_event(record, Change::Created, now);
    Ok(key)
}

/// Changes an event, a series or an occurrence.
pub(crate) fn patch(
    world: &mut World,
    calendar_id: &str,
    key: &str,
    slot: Option<NaiveDate>,
    body: &Map<String, Value>,
    author: Author,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let mut event = calendar(world, calendar_id)?.live(key).ok_or_else(ApiError::not_found)?.clone();
    let fields = event_fields::read(body, author)?;
    let changes_time = ["start", "end", "isAllDay"].iter().any(|name| body.contains_key(*name));
    if let Some(slot) = slot {
        if body.get("recurrence").is_some_and(|recurrence| !recurrence.is_null()) {
            let message = "Your request can't be completed. The recurrence of an occurrence cannot be changed.";
            return Err(ApiError::invalid_request(message));
        }
        let before = occurrence_at(&event, slot)?;
        let time = if changes_time { EventTime::parse(body, Some(&before.time))? } else { before.time.clone() };
        if author == Author::Client {
            check_boundaries(&event, slot, &time)?;
        }
        let mut differing = before.exception.map(|exception| exception.fields.clone()).unwrap_or_default();
        differing.extend(fields);
        let exception = ExceptionRecord { version: 0, modified: now, time, fields: differing };
        event.exceptions.insert(slot, exception);
        world.store_event(event, Change::Exception(slot), now);
    } else {
        reschedule(&mut event, body)?;
        event.fields.extend(fields);
        event.modified = now;
        world.store_event(event, Change::Updated, now);
    }
    Ok(())
}

/// An occurrence stays after the one before it and ahead of the next one, and not on a day of theirs.
fn check_boundaries(series: &EventRecord, slot: NaiveDate, time: &EventTime) -> Result<(), ApiError> {
    let Some(recurrence) = &series.recurrence else { return Ok(()) };
    let day_of = |slot: NaiveDate| series.exceptions.get(&slot).map_or(slot, |exception| exception.time.start.date());
    let mut before = None;
    let mut after = None;
    for other in recurrence.dates().filter(|other| *other != slot && !series.cancelled.contains(other)) {
        if other > slot {
            after = Some(day_of(other));
            break;
        }
        before = Some(day_of(other));
    }
    let day = time.start_at().with_timezone(&series.time.zone()).date_naive();
    if before.is_some_and(|before| day <= before) || after.is_some_and(|after| day >= after) {
        let message = "Modified occurrence is crossing or overlapping adjacent occurrence.";
        return Err(ApiError::new(400, "ErrorOccurrenceCrossingBoundary", message));
    }
    Ok(())
}

/// Takes over another time or recurrence. The occurrences of a series that is rescheduled are new ones, and what became of
/// the old ones is forgotten; where only its end changes, it stays.
fn reschedule(event: &mut EventRecord, body: &Map<String, Value>) -> Result<(), ApiError> {
    let mut time = EventTime::parse(body, Some(&event.time))?;
    let recurrence = match read_recurrence(body, &mut time)? {
        WantedRecurrence::AsBefore => {
            let mut kept = event.recurrence.clone();
            if let Some(recurrence) = &mut kept {
                // A series that begins on another day has its range from there.
                if time.start.date() != event.time.start.date() {
                    recurrence.range.start = time.start.date();
                    move_to_first(recurrence, &mut time);
                }
            }
            kept
        }
        WantedRecurrence::None => None,
        WantedRecurrence::Some(given) => Some(given),
    };
    if time == event.time && recurrence == event.recurrence {
        return Ok(());
    }
    if event.is_series() || recurrence.is_some() {
        event.epoch += 1;
        let only_the_end_changes = time == event.time
            && event.recurrence.as_ref().zip(recurrence.as_ref()).is_some_and(|(before, after)| {
                before.pattern == after.pattern && before.range.start == after.range.start
            });
        if only_the_end_changes {
            event.exceptions.retain(|slot, _| recurrence.as_ref().is_some_and(|recurrence| recurrence.has(*slot)));
            event.cancelled.retain(|slot| recurrence.as_ref().is_some_and(|recurrence| recurrence.has(*slot)));
        } else {
            event.exceptions.clear();
            event.cancelled.clear();
        }
    }
    event.time = time;
    event.recurrence = recurrence;
    Ok(())
}

/// What a body says of the recurrence of its event.
enum WantedRecurrence {
    /// Nothing.
    AsBefore,
    None,
    Some(Recurrence),
}

/// Reads `recurrence` of a body; the event is then that of the first occurrence.
fn read_recurrence(body: &Map<String, Value>, time: &mut EventTime) -> Result<WantedRecurrence, ApiError> {
    match body.get("recurrence") {
        None => Ok(WantedRecurrence::AsBefore),
        Some(Value::Null) => Ok(WantedRecurrence::None),
        Some(value) => {
            let recurrence = Recurrence::parse(value, time.start.date())?;
            move_to_first(&recurrence, time);
            Ok(WantedRecurrence::Some(recurrence))
        }
    }
}

fn move_to_first(recurrence: &Recurrence, time: &mut EventTime) {
    if let Some(first) = recurrence.dates().next().filter(|first| *first != time.start.date()) {
        *time = time.on(first);
    }
}

/// Deletes an event or a series, or cancels an occurrence.
pub(crate) fn remove(
    world: &mut World,
    calendar_id: &str,
    key: &str,
    slot: Option<NaiveDate>,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let mut event = calendar(world, calendar_id)?.live(key).ok_or_else(ApiError::not_found)?.clone();
    event.modified = now;
    if let Some(slot) = slot {
        occurrence_at(&event, slot)?;
        event.exceptions.remove(&slot);
        event.cancelled.insert(slot);
        world.store_event(event, Change::Updated, now);
    } else {
        event.deleted = true;
        world.store_event(event, Change::Deleted, now);
    }
    Ok(())
}

/// Moves an event or a series to another calendar: it goes in the one and comes in the other, with another id.
pub(crate) fn move_to(
    world: &mut World,
    calendar_id: &str,
    key: &str,
    target: &str,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let event = calendar(world, calendar_id)?.live(key).ok_or_else(ApiError::not_found)?.clone();
    calendar(world, target)?;
    let gone = EventRecord { deleted: true, ..event.clone() };
    let moved = EventRecord {
        calendar: target.to_owned(),
        generation: event.generation + 1,
        ordinal: 0,
        transaction_id: None,
        modified: now,
        ..event
    };
    world.store_event(gone, Change::Deleted, now);
    world.store_event(moved, Change::Created, now);
    Ok(())
}

/// How the control API sees a calendar: as its owner.
pub(crate) fn as_owner(calendar_id: &str) -> Opened {
    Opened { id: calendar_id.to_owned(), role: AccessRole::Owner, is_own: true }
}
