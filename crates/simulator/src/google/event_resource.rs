//! The JSON of an event: which fields the provider owns, which the client may write, and what is legal.

use crate::core::zones::Zone;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::series::Series;
use super::times::{EventPoint, timestamp};
use super::{attachments, reminders};

const ID_CHARS_MIN: usize = 5;
const ID_CHARS_MAX: usize = 1_024;
/// Fields that only the provider sets; in a body they are ignored, as the real API does.
const PROVIDER_FIELDS: [&str; 14] = [
    "kind",
    "etag",
    "id",
    "htmlLink",
    "created",
    "updated",
    "creator",
    "organizer",
    "iCalUID",
    "recurringEventId",
    "originalStartTime",
    "hangoutLink",
    "eventType",
    "locked",
];
/// Fields that guests share with the organizer.
const SHARED_FIELDS: [&str; 6] = ["summary", "description", "location", "start", "end", "recurrence"];

/// A legal event id.
pub(crate) struct EventId(String);

impl EventId {
    /// Checks an id that a client has chosen: base32hex, 5 to 1024 characters.
    pub(crate) fn chosen(text: &str) -> Result<Self, ApiError> {
        let legal = text.bytes().all(|byte| matches!(byte, b'a'..=b'v' | b'0'..=b'9'));
        if legal && (ID_CHARS_MIN..=ID_CHARS_MAX).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ApiError::invalid("Invalid resource id value."))
        }
    }

    /// An id that the provider has made.
    pub(crate) fn made(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a body meets the stored event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// PATCH: fields that are absent stay.
    Patch,
    /// PUT: fields that are absent are cleared.
    Replace,
}

/// The provider's fields of a new event.
pub(crate) fn new(id: &EventId, calendar_id: &str, creator: &str, now: DateTime<Utc>) -> Map<String, Value> {
    let id = id.as_str();
    let link: String = url::form_urlencoded::byte_serialize(format!("{id} {calendar_id}").as_bytes()).collect();
    let fields = json!({
        "kind": "calendar#event",
        "id": id,
        "status": "confirmed",
        "htmlLink": format!("https://www.google.com/calendar/event?eid={link}"),
        "created": timestamp(now),
        "updated": timestamp(now),
        "creator": person(creator, calendar_id),
        "organizer": person(calendar_id, calendar_id),
        "iCalUID": format!("{id}@google.com"),
        "sequence": 0,
        "eventType": "default",
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// `creator` and `organizer`: `self` marks the calendar on which this copy of the event is.
pub(crate) fn person(email: &str, calendar_id: &str) -> Value {
    if email == calendar_id { json!({"email": email, "self": true}) } else { json!({"email": email}) }
}

/// Puts a body over an event: objects are merged, arrays and values replaced, null removes a field. So are start and
/// end: whoever makes a time of a date has to say `"date": null`, and one who says no zone keeps it.
pub(crate) fn merge(event: &mut Map<String, Value>, body: Map<String, Value>) {
    for (name, value) in body {
        if PROVIDER_FIELDS.contains(&name.as_str()) {
            continue;
        }
        match (value, event.get_mut(&name)) {
            (Value::Null, _) => {
                event.remove(&name);
            }
            (Value::Object(new), Some(Value::Object(old))) => merge_object(old, new),
            (value, _) => {
                event.insert(name, without_nulls(value));
            }
        }
    }
}

fn merge_object(old: &mut Map<String, Value>, new: Map<String, Value>) {
    for (name, value) in new {
        match (value, old.get_mut(&name)) {
            (Value::Null, _) => {
                old.remove(&name);
            }
            (Value::Object(new), Some(Value::Object(old))) => merge_object(old, new),
            (value, _) => {
                old.insert(name, without_nulls(value));
            }
        }
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        other => other,
    }
}

/// The event that a PUT starts from: what the provider owns, and the defaults.
pub(crate) fn without_writable(event: &Map<String, Value>) -> Map<String, Value> {
    let mut kept: Map<String, Value> = event
        .iter()
        .filter(|(name, _)| PROVIDER_FIELDS.contains(&name.as_str()) || *name == "sequence")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    kept.insert("status".to_owned(), json!("confirmed"));
    kept
}

/// Makes a body say of one field what the event has, for a client that does not support the field.
pub(crate) fn keep(body: &mut Map<String, Value>, name: &str, event: Option<&Map<String, Value>>) {
    body.remove(name);
    if let Some(value) = event.and_then(|event| event.get(name)) {
        body.insert(name.to_owned(), value.clone());
    }
}

/// Checks times, rules, guests, reminders and attachments, and brings them into the form in which they are given out.
pub(crate) fn check(event: &mut Map<String, Value>, calendar_zone: Zone, calendar_id: &str) -> Result<(), ApiError> {
    let point = |name: &str| match event.get(name) {
        None => Err(ApiError::required(format!("Missing {name} time."))),
        Some(value) => EventPoint::parse(value, calendar_zone),
    };
    let (start, end) = (point("start")?, point("end")?);
    if start.is_date() != end.is_date() {
        return Err(ApiError::invalid("Start and end times must either both be date or both be dateTime."));
    }
    let (from, to) = (start.unix_seconds(calendar_zone), end.unix_seconds(calendar_zone));
    if to < from || (to == from && start.is_date()) {
        return Err(ApiError::time_range_empty());
    }
    if !matches!(event.get("status").and_then(Value::as_str), Some("confirmed" | "tentative" | "cancelled")) {
        return Err(ApiError::invalid("Invalid status."));
    }
    if let Some(recurrence) = event.get("recurrence") {
        let lines = recurrence.as_array().ok_or_else(|| ApiError::invalid("Recurrence is a list of lines."))?;
        if lines.is_empty() {
            event.remove("recurrence");
        } else {
            let has_zone = event.get("start").is_some_and(|start| start.get("timeZone").is_some());
            if !start.is_date() && !has_zone {
                return Err(ApiError::required("Missing time zone definition for start time."));
            }
            Series::parse(event, calendar_zone)?;
        }
    }
    reminders::check(event)?;
    attachments::check(event)?;
    event.insert("start".to_owned(), start.to_value(calendar_zone));
    event.insert("end".to_owned(), end.to_value(calendar_zone));
    complete_attendees(event, calendar_id)
}

fn complete_attendees(event: &mut Map<String, Value>, calendar_id: &str) -> Result<(), ApiError> {
    let organizer = event.get("organizer").and_then(|organizer| organizer.get("email")).cloned();
    let Some(attendees) = event.get_mut("attendees").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    for attendee in attendees {
        let email = attendee.get("email").cloned();
        let (Some(fields), Some(email)) = (attendee.as_object_mut(), email) else {
            return Err(ApiError::invalid("Missing attendee email."));
        };
        fields.entry("responseStatus").or_insert_with(|| json!("needsAction"));
        if email == json!(calendar_id) {
            fields.insert("self".to_owned(), json!(true));
        }
        if organizer.as_ref() == Some(&email) {
            fields.insert("organizer".to_owned(), json!(true));
        }
    }
    Ok(())
}

/// A guest's copy: the shared fields belong to the organizer.
pub(crate) fn changes_what_only_the_organizer_may(
    before: &Map<String, Value>,
    body: &Map<String, Value>,
    how: Change,
) -> bool {
    let own = before.get("organizer").is_none_or(|organizer| organizer.get("self") == Some(&json!(true)));
    let guests_may = before.get("guestsCanModify") == Some(&json!(true));
    let private_copy = before.get("privateCopy") == Some(&json!(true));
    if own || guests_may || private_copy {
        return false;
    }
    SHARED_FIELDS.iter().any(|name| match body.get(*name) {
        None => how == Change::Replace && before.contains_key(*name),
        Some(value) => before.get(*name) != Some(value),
    })
}

/// The iCalendar sequence grows when guests would have to answer again.
pub(crate) fn bump_sequence(before: &Map<String, Value>, after: &mut Map<String, Value>) {
    let moved = ["start", "end", "recurrence"].iter().any(|name| before.get(*name) != after.get(*name));
    let sequence = before.get("sequence").and_then(Value::as_i64).unwrap_or_default();
    after.insert("sequence".to_owned(), json!(if moved { sequence + 1 } else { sequence }));
}

/// `updated` does not move when only reminders change.
pub(crate) fn changed_beyond_reminders(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    let differs = |a: &Map<String, Value>, b: &Map<String, Value>| {
        a.iter().any(|(name, value)| name != "reminders" && b.get(name) != Some(value))
    };
    differs(before, after) || differs(after, before)
}

/// What is sure of a cancelled exception: its id, its series and its original start.
pub(crate) fn cancelled_exception(event: &Map<String, Value>) -> Map<String, Value> {
    let mut stub: Map<String, Value> = ["kind", "id", "recurringEventId", "originalStartTime"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), event.get(*name)?.clone())))
        .collect();
    stub.insert("status".to_owned(), json!("cancelled"));
    stub
}
