//! What the simulated Google really has, read past its API, in the one form that all providers have for it.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::World;
use super::events;
use super::store::Calendar;
use crate::core::access::AccessRole;
use crate::core::control::{ControlError, TrueEvent, TrueGuest, TruePosition};

/// The resources that a complete mirror holds which reads as this user, or as the owner.
pub(crate) fn listed(
    world: &World,
    calendar: &Calendar,
    user: Option<&str>,
) -> Result<Vec<Map<String, Value>>, ControlError> {
    Ok(events::listed(calendar, role_of(world, calendar, user)?, &[])?)
}

/// What `events.list` with `singleEvents` gives this user, or the owner, between two instants: all pages of it.
pub(crate) fn instances(
    world: &World,
    calendar: &Calendar,
    user: Option<&str>,
    from: &str,
    to: &str,
) -> Result<Vec<Map<String, Value>>, ControlError> {
    let parameters = [("singleEvents", "true"), ("timeMin", from), ("timeMax", to)];
    Ok(events::listed(calendar, role_of(world, calendar, user)?, &parameters)?)
}

fn role_of(world: &World, calendar: &Calendar, user: Option<&str>) -> Result<AccessRole, ControlError> {
    let Some(email) = user else { return Ok(AccessRole::Owner) };
    let user = world.provider.inner(email);
    if !world.provider.users.contains_key(user) {
        return Err(ControlError::not_found("user", email));
    }
    let role = calendar.record.access.get(user).copied();
    let closed = || ControlError::not_found("calendar", &calendar.record.id);
    role.filter(|role| *role != AccessRole::None).ok_or_else(closed)
}

/// An event resource in the form that all providers have. Fields that are not as documented, as raw events may have, are as
/// if they were missing.
pub(crate) fn event(resource: &Map<String, Value>) -> TrueEvent {
    let text = |name: &str| resource.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text("id").unwrap_or_default();
    let original_start = resource.get("originalStartTime").and_then(point);
    let position = text("recurringEventId").zip(original_start);
    let occurrence_of = position.map(|(series, original_start)| TruePosition { series, original_start });
    if text("status").as_deref() == Some("cancelled") {
        return TrueEvent::cancelled(id, occurrence_of);
    }
    let is_timed = resource.get("start").is_some_and(|start| start.get("dateTime").is_some());
    let recurrence = list(resource, "recurrence")
        .iter()
        .filter_map(Value::as_str)
        // A date excludes nothing from a series with times of day.
        .filter(|line| !(is_timed && line.starts_with("EXDATE;VALUE=DATE:")))
        .map(str::to_owned)
        .collect();
    TrueEvent {
        id,
        occurrence_of,
        is_cancelled: false,
        title: text("summary"),
        start: resource.get("start").and_then(point),
        end: resource.get("end").and_then(point),
        recurrence,
        status: Some(text("status").unwrap_or_else(|| "confirmed".to_owned())),
        version: text("etag"),
        location: text("location"),
        guests: list(resource, "attendees").iter().map(guest).collect(),
    }
}

fn guest(attendee: &Value) -> TrueGuest {
    let text = |name: &str| attendee.get(name).and_then(Value::as_str).map(str::to_owned);
    let response = match attendee.get("responseStatus").and_then(Value::as_str) {
        None | Some("needsAction") => "needs_action",
        Some(other) => other,
    };
    TrueGuest { name: text("displayName"), email: text("email"), response: response.to_owned() }
}

/// A date, or an instant of UTC.
fn point(time: &Value) -> Option<String> {
    let text = |name: &str| time.get(name).and_then(Value::as_str);
    let instant = |at: &str| {
        DateTime::parse_from_rfc3339(at).map_or_else(|error| format!("{at}: {error}"), |at| at.to_utc().to_rfc3339())
    };
    text("date").map(str::to_owned).or_else(|| text("dateTime").map(instant))
}

fn list<'a>(resource: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    resource.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(resource: &Value) -> TrueEvent {
        event(resource.as_object().unwrap())
    }

    #[test]
    fn times_are_dates_or_instants_of_utc() {
        let timed = of(&json!({"id": "a", "start": {"dateTime": "2027-01-31T09:30:00+01:00"}, "end": {}}));
        assert_eq!((timed.start.as_deref(), timed.end), (Some("2027-01-31T08:30:00+00:00"), None));
        let whole_day = of(&json!({"id": "b", "start": {"date": "2027-01-31"}, "end": {"date": "2027-02-01"}}));
        assert_eq!((whole_day.start.as_deref(), whole_day.end.as_deref()), (Some("2027-01-31"), Some("2027-02-01")));
    }

    #[test]
    fn a_cancelled_occurrence_is_its_place_in_the_series_alone() {
        let stub = of(&json!({"id": "a_20270131", "status": "cancelled", "recurringEventId": "a", "summary": "Gone",
            "originalStartTime": {"date": "2027-01-31"}}));
        let position = TruePosition { series: "a".to_owned(), original_start: "2027-01-31".to_owned() };
        assert_eq!(stub, TrueEvent::cancelled("a_20270131".to_owned(), Some(position)));
    }

    #[test]
    fn a_date_that_excludes_nothing_is_no_part_of_a_series_with_times() {
        let lines = json!(["RRULE:FREQ=DAILY", "EXDATE;VALUE=DATE:20270201"]);
        let timed = json!({"id": "a", "start": {"dateTime": "2027-01-31T09:30:00Z"}, "recurrence": lines});
        assert_eq!(of(&timed).recurrence, ["RRULE:FREQ=DAILY"]);
        let whole_day = json!({"id": "a", "start": {"date": "2027-01-31"}, "recurrence": lines});
        assert_eq!(of(&whole_day).recurrence.len(), 2);
    }

    #[test]
    fn guests_who_said_nothing_still_have_to() {
        let event = of(&json!({"id": "a", "attendees": [{"email": "ben@example.com"},
            {"displayName": "Cy", "responseStatus": "declined"}]}));
        let responses: Vec<&str> = event.guests.iter().map(|guest| guest.response.as_str()).collect();
        assert_eq!(responses, ["needs_action", "declined"]);
    }
}
