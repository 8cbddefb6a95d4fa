//! What the simulated Microsoft really has, read past its API, in the one form that all providers have for it. Ids are the
//! immutable ones.

use chrono::Weekday;
use serde_json::{Map, Value};

use super::World;
use super::event_view::Viewer;
use super::recurrence::{PatternKind, RangeEnd, Recurrence, WeekIndex};
use super::request::Preferences;
use super::series::{Occurrence, occurrences};
use super::store::{Calendar, EventRecord};
use super::times::{EventTime, Window};
use crate::core::access::AccessRole;
use crate::core::control::{ControlError, TrueEvent, TrueGuest, TruePosition};

/// Who reads: a user, or the owner.
pub(crate) fn role_of(world: &World, calendar: &Calendar, user: Option<&str>) -> Result<AccessRole, ControlError> {
    let Some(email) = user else { return Ok(AccessRole::Owner) };
    let user = world.user(email).ok_or_else(|| ControlError::not_found("user", email))?;
    let role = calendar.record.access.get(&user.oid).copied();
    let closed = || ControlError::not_found("calendar", &calendar.record.id);
    role.filter(|role| *role != AccessRole::None).ok_or_else(closed)
}

/// Events, series, exceptions and cancelled occurrences, in the order of their creation.
pub(crate) fn listed(world: &World, calendar: &Calendar, role: AccessRole) -> Vec<TrueEvent> {
    let preferences = Preferences::of_control();
    let viewer = Viewer { world, calendar: &calendar.record, role, preferences: &preferences };
    let mut events = Vec::new();
    for event in calendar.all_live() {
        events.push(of_event(&viewer, event));
        for (slot, exception) in &event.exceptions {
            if !event.cancelled.contains(slot) {
                let occurrence = Occurrence { slot: *slot, time: exception.time.clone(), exception: Some(exception) };
                events.push(of_occurrence(&viewer, event, &occurrence));
            }
        }
        for (slot, id) in event.cancelled.iter().zip(viewer.cancelled_ids(event)) {
            events.push(TrueEvent::cancelled(id, Some(position(&viewer, event, *slot))));
        }
    }
    events
}

/// Everything single that lies in a window.
pub(crate) fn single(world: &World, calendar: &Calendar, role: AccessRole, window: Window) -> Vec<TrueEvent> {
    let preferences = Preferences::of_control();
    let viewer = Viewer { world, calendar: &calendar.record, role, preferences: &preferences };
    let mut events = Vec::new();
    for event in calendar.all_live() {
        if event.is_series() {
            let found = occurrences(event, window);
            events.extend(found.iter().map(|occurrence| of_occurrence(&viewer, event, occurrence)));
        } else if event.time.overlaps(window) {
            events.push(of_event(&viewer, event));
        }
    }
    events
}

fn of_event(viewer: &Viewer<'_>, event: &EventRecord) -> TrueEvent {
    let mut found = of_resource(&viewer.event(event), &event.time);
    if let Some(recurrence) = &event.recurrence {
        found.recurrence = vec![rule(recurrence, &event.time)];
    }
    found
}

fn of_occurrence(viewer: &Viewer<'_>, series: &EventRecord, occurrence: &Occurrence<'_>) -> TrueEvent {
    let mut found = of_resource(&viewer.occurrence(series, occurrence), &occurrence.time);
    found.occurrence_of = Some(position(viewer, series, occurrence.slot));
    found
}

fn position(viewer: &Viewer<'_>, series: &EventRecord, slot: chrono::NaiveDate) -> TruePosition {
    TruePosition { series: viewer.id(series), original_start: series.time.on(slot).true_start() }
}

fn of_resource(resource: &Map<String, Value>, time: &EventTime) -> TrueEvent {
    let text = |name: &str| resource.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_tentative = text("showAs").as_deref() == Some("tentative");
    let place = resource.get("location").and_then(|place| place.get("displayName")).and_then(Value::as_str);
    TrueEvent {
        id: text("id").unwrap_or_default(),
        occurrence_of: None,
        is_cancelled: resource.get("isCancelled") == Some(&Value::Bool(true)),
        title: text("subject"),
        start: Some(time.true_start()),
        end: Some(time.true_end()),
        recurrence: Vec::new(),
        status: Some(if is_tentative { "tentative" } else { "confirmed" }.to_owned()),
        version: text("@odata.etag"),
        location: place.filter(|place| !place.is_empty()).map(str::to_owned),
        guests: resource.get("attendees").and_then(Value::as_array).into_iter().flatten().map(guest).collect(),
    }
}

fn guest(attendee: &Value) -> TrueGuest {
    let text = |name: &str| attendee.get("emailAddress").and_then(|address| address.get(name)).and_then(Value::as_str);
    let response = attendee.get("status").and_then(|status| status.get("response")).and_then(Value::as_str);
    let response = match response {
        Some("accepted" | "organizer") => "accepted",
        Some("tentativelyAccepted") => "tentative",
        Some("declined") => "declined",
        _ => "needs_action",
    };
    TrueGuest {
        name: text("name").map(str::to_owned),
        email: text("address").map(str::to_owned),
        response: response.to_owned(),
    }
}

/// The same series in iCalendar's words, the parts in the order `FREQ`, `INTERVAL`, `BYMONTH`, `BYMONTHDAY`, `BYDAY`,
/// `BYSETPOS`, `WKST`, `COUNT` or `UNTIL`.
pub(crate) fn rule(recurrence: &Recurrence, time: &EventTime) -> String {
    let pattern = &recurrence.pattern;
    let frequency = match pattern.kind {
        PatternKind::Daily => "DAILY",
        PatternKind::Weekly => "WEEKLY",
        PatternKind::AbsoluteMonthly | PatternKind::RelativeMonthly => "MONTHLY",
        PatternKind::AbsoluteYearly | PatternKind::RelativeYearly => "YEARLY",
    };
    let mut parts = vec![format!("FREQ={frequency}")];
    if pattern.interval > 1 {
        parts.push(format!("INTERVAL={}", pattern.interval));
    }
    if pattern.month > 0 {
        parts.push(format!("BYMONTH={}", pattern.month));
    }
    let days: Vec<&str> = WEEK.iter().filter(|(day, _)| pattern.days.contains(day)).map(|(_, name)| *name).collect();
    match pattern.kind {
        PatternKind::Daily => {}
        PatternKind::Weekly => parts.push(format!("BYDAY={}", days.join(","))),
        PatternKind::AbsoluteMonthly | PatternKind::AbsoluteYearly => {
            // The last day of months that are too short.
            let day = pattern.day_of_month;
            if day > 28 {
                let fitting: Vec<String> = (28..=day).map(|day| day.to_string()).collect();
                parts.push(format!("BYMONTHDAY={}", fitting.join(",")));
                parts.push("BYSETPOS=-1".to_owned());
            } else {
                parts.push(format!("BYMONTHDAY={day}"));
            }
        }
        PatternKind::RelativeMonthly | PatternKind::RelativeYearly => {
            let index = match pattern.index {
                WeekIndex::First => 1,
                WeekIndex::Second => 2,
                WeekIndex::Third => 3,
                WeekIndex::Fourth => 4,
                WeekIndex::Last => -1,
            };
            if let [day] = days.as_slice() {
                parts.push(format!("BYDAY={index}{day}"));
            } else {
                parts.push(format!("BYDAY={}", days.join(",")));
                parts.push(format!("BYSETPOS={index}"));
            }
        }
    }
    if pattern.kind == PatternKind::Weekly {
        let first = WEEK.iter().find(|(day, _)| *day == pattern.first_day_of_week).map_or("SU", |(_, name)| *name);
        parts.push(format!("WKST={first}"));
    }
    match recurrence.range.end {
        RangeEnd::Never => {}
        RangeEnd::After(count) => parts.push(format!("COUNT={count}")),
        RangeEnd::On(day) if time.is_all_day => parts.push(format!("UNTIL={}", day.format("%Y%m%d"))),
        RangeEnd::On(day) => {
            let last = time.on(day).start_at();
            parts.push(format!("UNTIL={}", last.format("%Y%m%dT%H%M%SZ")));
        }
    }
    format!("RRULE:{}", parts.join(";"))
}

const WEEK: [(Weekday, &str); 7] = [
    (Weekday::Mon, "MO"),
    (Weekday::Tue, "TU"),
    (Weekday::Wed, "WE"),
    (Weekday::Thu, "TH"),
    (Weekday::Fri, "FR"),
    (Weekday::Sat, "SA"),
    (Weekday::Sun, "SU"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(pattern: &Value, range: &Value, is_all_day: bool) -> String {
        let body = json!({"isAllDay": is_all_day,
            "start": {"dateTime": "2026-12-01T00:00:00", "timeZone": "Europe/Berlin"},
            "end": {"dateTime": "2026-12-02T00:00:00", "timeZone": "Europe/Berlin"}});
        let time = EventTime::parse(body.as_object().unwrap(), None).unwrap();
        let value = json!({"pattern": pattern, "range": range});
        rule(&Recurrence::parse(&value, time.start.date()).unwrap(), &time)
    }

    #[test]
    fn every_pattern_is_a_rule() {
        let endless = json!({"type": "noEnd", "startDate": "2026-12-01"});
        for (pattern, expected) in [
            (json!({"type": "daily", "interval": 2}), "RRULE:FREQ=DAILY;INTERVAL=2"),
            (
                json!({"type": "weekly", "interval": 1, "daysOfWeek": ["wednesday", "monday"]}),
                "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;WKST=SU",
            ),
            (
                json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 30}),
                "RRULE:FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1",
            ),
            (
                json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["tuesday"], "index": "last"}),
                "RRULE:FREQ=MONTHLY;BYDAY=-1TU",
            ),
            (
                json!({"type": "absoluteYearly", "interval": 1, "month": 3, "dayOfMonth": 9}),
                "RRULE:FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=9",
            ),
            (
                json!({"type": "relativeYearly", "interval": 1, "month": 3, "daysOfWeek": ["monday", "friday"],
                    "index": "second"}),
                "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=MO,FR;BYSETPOS=2",
            ),
        ] {
            assert_eq!(written(&pattern, &endless, false), expected);
        }
    }

    #[test]
    fn an_end_date_is_the_last_start() {
        let daily = json!({"type": "daily", "interval": 1});
        let until = json!({"type": "endDate", "startDate": "2026-12-01", "endDate": "2026-12-24"});
        assert_eq!(written(&daily, &until, false), "RRULE:FREQ=DAILY;UNTIL=20261223T230000Z");
        assert_eq!(written(&daily, &until, true), "RRULE:FREQ=DAILY;UNTIL=20261224");
        let numbered = json!({"type": "numbered", "startDate": "2026-12-01", "numberOfOccurrences": 7});
        assert_eq!(written(&daily, &numbered, true), "RRULE:FREQ=DAILY;COUNT=7");
    }
}
