//! `eventType` and what follows from it: who may make which event, and what of it may change (sources: the discovery
//! document, Google's guides on event types and on status events). The guides publish no reasons for the refusals; these
//! are ours.

use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::event_resource::Change;
use super::request::Query;
use super::store::CalendarRecord;

/// What an event is that does not say otherwise.
pub(crate) const DEFAULT: &str = "default";
const TYPES: [&str; 6] = ["birthday", DEFAULT, "focusTime", "fromGmail", "outOfOffice", "workingLocation"];
const PROPERTIES: [&str; 4] =
    ["birthdayProperties", "focusTimeProperties", "outOfOfficeProperties", "workingLocationProperties"];
/// What a new birthday may say.
const OF_A_BIRTHDAY: [&str; 15] = [
    "id",
    "iCalUID",
    "kind",
    "status",
    "eventType",
    "start",
    "end",
    "visibility",
    "transparency",
    "recurrence",
    "colorId",
    "summary",
    "reminders",
    "birthdayProperties",
    "sequence",
];
const CHANGES_OF_A_BIRTHDAY: [&str; 5] = ["colorId", "summary", "reminders", "start", "end"];
const CHANGES_OF_A_MAIL: [&str; 7] =
    ["colorId", "reminders", "visibility", "transparency", "status", "attendees", "extendedProperties"];

/// On which kind of calendar an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Primary,
    Secondary,
}

impl Place {
    pub(crate) fn of(record: &CalendarRecord) -> Self {
        if record.id == record.owner { Self::Primary } else { Self::Secondary }
    }
}

/// The `eventTypes` of a list or of a channel, sorted; none means all.
pub(crate) fn read(query: &Query) -> Result<Vec<String>, ApiError> {
    let mut types: Vec<String> = query.all("eventTypes").map(str::to_owned).collect();
    if let Some(unknown) = types.iter().find(|name| !TYPES.contains(&name.as_str())) {
        return Err(ApiError::invalid_parameter("eventTypes", unknown));
    }
    types.sort_unstable();
    Ok(types)
}

/// Checks a new event; `given` is what the client sent.
pub(crate) fn check_new(event: &Map<String, Value>, given: &Map<String, Value>, place: Place) -> Result<(), ApiError> {
    match type_of(event) {
        "fromGmail" => Err(restricted("Events from Gmail cannot be created.")),
        "birthday" => check_new_birthday(event, given),
        other if !TYPES.contains(&other) => Err(ApiError::invalid(format!("Invalid event type: {other}."))),
        _ => check_status_event(event, place),
    }
}

/// The type of an event never changes; a PUT that names none means an ordinary one.
pub(crate) fn check_unchanged(
    before: &Map<String, Value>,
    body: &Map<String, Value>,
    how: Change,
) -> Result<(), ApiError> {
    let given = body.get("eventType").and_then(Value::as_str);
    let wanted = match (given, how) {
        (Some(given), _) => given,
        (None, Change::Patch) => return Ok(()),
        (None, Change::Replace) => DEFAULT,
    };
    if wanted == type_of(before) { Ok(()) } else { Err(restricted("The event type cannot be changed.")) }
}

/// Checks what an event would be after a change.
pub(crate) fn check_change(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    place: Place,
) -> Result<(), ApiError> {
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    let changed: Vec<&str> = before.keys().chain(after.keys()).filter(differs).map(String::as_str).collect();
    let only = |allowed: &[&str]| match changed.iter().find(|name| !allowed.contains(name)) {
        None => Ok(()),
        Some(name) => Err(restricted(format!("{name} of this type of event cannot be changed."))),
    };
    match type_of(before) {
        // Whoever restores one changes its status.
        _ if before.get("status") == Some(&json!("cancelled")) => Ok(()),
        "fromGmail" => only(&CHANGES_OF_A_MAIL),
        "birthday" => {
            only(&CHANGES_OF_A_BIRTHDAY)?;
            let properties = before.get("birthdayProperties");
            let field = |name: &str| properties.and_then(|properties| properties.get(name)).and_then(Value::as_str);
            let is_kept_elsewhere = field("contact").is_some() || field("type") == Some("self");
            if is_kept_elsewhere && (changed.contains(&"start") || changed.contains(&"end")) {
                return Err(restricted("The date of this birthday is changed in contacts or profile."));
            }
            one_whole_day(after).then_some(()).ok_or_else(|| restricted("A birthday is exactly one day."))
        }
        _ => check_status_event(after, place),
    }
}

/// Only ordinary events may get another organizer.
pub(crate) fn check_movable(event: &Map<String, Value>) -> Result<(), ApiError> {
    if type_of(event) == DEFAULT { Ok(()) } else { Err(restricted("Only events of the default type can be moved.")) }
}

/// Makes an ordinary event of what a client sent.
pub(crate) fn remove_properties(body: &mut Map<String, Value>) {
    for name in PROPERTIES {
        body.remove(name);
    }
}

fn type_of(event: &Map<String, Value>) -> &str {
    event.get("eventType").and_then(Value::as_str).unwrap_or(DEFAULT)
}

fn text<'e>(event: &'e Map<String, Value>, name: &str) -> Option<&'e str> {
    event.get(name).and_then(Value::as_str)
}

fn check_new_birthday(event: &Map<String, Value>, given: &Map<String, Value>) -> Result<(), ApiError> {
    if !one_whole_day(event) {
        return Err(restricted("A birthday is exactly one day."));
    }
    if text(event, "visibility") != Some("private") || text(event, "transparency") != Some("transparent") {
        return Err(restricted("A birthday is private and transparent."));
    }
    let starts_on = event.get("start").and_then(|start| start.get("date")).and_then(Value::as_str);
    let rule = match starts_on {
        Some(date) if date.ends_with("-02-29") => "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1",
        _ => "RRULE:FREQ=YEARLY",
    };
    if event.get("recurrence") != Some(&json!([rule])) {
        return Err(restricted(format!("A birthday recurs by {rule}.")));
    }
    if let Some(name) = given.keys().find(|name| !OF_A_BIRTHDAY.contains(&name.as_str())) {
        return Err(restricted(format!("A birthday has no {name}.")));
    }
    let properties = event.get("birthdayProperties").and_then(Value::as_object);
    let is_plain =
        |properties: &Map<String, Value>| properties.iter().all(|(name, value)| name == "type" && value == "birthday");
    if properties.is_none_or(is_plain) {
        Ok(())
    } else {
        Err(restricted("Birthdays with a contact or a label of their own cannot be created."))
    }
}

/// Focus time, out of office and working location; there is nothing to check of an ordinary event.
fn check_status_event(event: &Map<String, Value>, place: Place) -> Result<(), ApiError> {
    let kind = type_of(event);
    let properties = match kind {
        "focusTime" => "focusTimeProperties",
        "outOfOffice" => "outOfOfficeProperties",
        "workingLocation" => "workingLocationProperties",
        _ => return Ok(()),
    };
    if place == Place::Secondary {
        return Err(restricted(format!("{kind} is for primary calendars only.")));
    }
    let Some(properties) = event.get(properties).and_then(Value::as_object) else {
        return Err(restricted(format!("{kind} needs {properties}.")));
    };
    if kind == "workingLocation" {
        let is_known = matches!(text(properties, "type"), Some("homeOffice" | "officeLocation" | "customLocation"));
        if !is_known {
            return Err(restricted("workingLocationProperties need a type."));
        }
        if text(event, "visibility") != Some("public") || text(event, "transparency") != Some("transparent") {
            return Err(restricted("A working location is public and transparent."));
        }
        return if is_timed(event) || one_whole_day(event) {
            Ok(())
        } else {
            Err(restricted("A working location that is all-day is exactly one day."))
        };
    }
    if text(event, "transparency").is_some_and(|transparency| transparency != "opaque") {
        return Err(restricted(format!("{kind} is opaque.")));
    }
    if is_timed(event) { Ok(()) } else { Err(restricted(format!("{kind} has times, not dates."))) }
}

fn is_timed(event: &Map<String, Value>) -> bool {
    event.get("start").is_some_and(|start| start.get("dateTime").is_some())
}

fn one_whole_day(event: &Map<String, Value>) -> bool {
    let date = |name: &str| event.get(name)?.get("date")?.as_str()?.parse::<chrono::NaiveDate>().ok();
    date("start").zip(date("end")).is_some_and(|(start, end)| (end - start).num_days() == 1)
}

fn restricted(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "eventTypeRestriction", message)
}
