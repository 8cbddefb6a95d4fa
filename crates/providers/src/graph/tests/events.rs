//! Events as Microsoft writes them, and as the domain sees them.

use evercal_domain::event::{EventWarning, Response, ShowAs, Visibility};
use evercal_domain::limits::{DESCRIPTION_BYTES_SHOWN_MAX, EVENT_BYTES_MAX};
use evercal_domain::{Event, EventStatus, EventTime, Zone};
use serde_json::json;

use super::super::event::{Entry, entry};
use super::*;

fn read(wire: &Value) -> Result<Event, String> {
    match entry(&wire.to_string()) {
        Entry::Event(wire, _) => wire.into_event(None).map_err(str::to_owned),
        Entry::Removed(_) => Err("removed".to_owned()),
        Entry::Unreadable(RemoteItem::Unreadable { reason, .. }) => Err(reason),
        Entry::Unreadable(_) => Err("unreadable".to_owned()),
    }
}

fn instant(text: &str, zone: Option<&str>) -> EventTime {
    EventTime::Instant { at: text.parse().unwrap(), zone: zone.map(|name| Zone::of_iana(name).unwrap()) }
}

fn date(text: &str) -> EventTime {
    EventTime::Date { date: text.parse().unwrap() }
}

#[test]
fn every_field_comes_from_its_place() {
    let event = read(&json!({
        "id": "AAMkAGI=", "changeKey": "k", "type": "singleInstance", "subject": "Quarterly review",
        "body": {"contentType": "text", "content": "Bring the numbers.\r\n"}, "bodyPreview": "no",
        "start": at("2026-12-01T10:00:00"), "end": at("2026-12-01T11:30:00"), "isAllDay": false, "isCancelled": false,
        "originalStartTimeZone": "Pacific Standard Time", "showAs": "oof", "sensitivity": "private",
        "responseStatus": {"response": "tentativelyAccepted", "time": "2026-11-01T10:00:00Z"},
        "organizer": {"emailAddress": {"name": "Robin Hale", "address": "robin.hale@example.com"}}, "isOrganizer": true,
        "attendees": [
            {"type": "required", "status": {"response": "accepted"}, "emailAddress": {"name": "Kim", "address": "kim@example.com"}},
            {"type": "optional", "status": {"response": "none"}, "emailAddress": {"address": "lee@example.com"}},
            {"type": "resource", "emailAddress": {"name": "Room 5"}},
        ],
        "location": {"displayName": "Room 5", "locationType": "default"},
        "onlineMeeting": {"joinUrl": "https://teams.microsoft.com/l/meetup-join/1"}, "onlineMeetingProvider": "teamsForBusiness",
        "categories": ["Blue"], "isReminderOn": true, "reminderMinutesBeforeStart": 15,
        "webLink": "https://outlook.office365.com/owa/?itemid=1", "iCalUId": "0400",
        "createdDateTime": "2026-10-01T08:00:00.1234567Z", "lastModifiedDateTime": "2026-10-02T08:00:00Z",
        "recurrence": null, "seriesMasterId": null, "originalStart": null,
    }))
    .unwrap();
    assert_eq!(event.title.as_deref(), Some("Quarterly review"));
    assert_eq!(event.description.as_deref(), Some("Bring the numbers."));
    assert_eq!(event.location.as_deref(), Some("Room 5"));
    assert_eq!(event.start, instant("2026-12-01T10:00:00Z", Some("America/Los_Angeles")));
    assert_eq!(event.end, instant("2026-12-01T11:30:00Z", Some("America/Los_Angeles")));
    assert_eq!((event.show_as, event.visibility), (ShowAs::OutOfOffice, Visibility::Private));
    assert_eq!(event.self_response, Some(Response::Tentative));
    let organizer = event.organizer.unwrap();
    assert!(organizer.is_self);
    assert_eq!(organizer.email.as_deref(), Some("robin.hale@example.com"));
    let guests: Vec<_> = event.attendees.iter().map(|guest| (guest.response, guest.optional, guest.resource)).collect();
    assert_eq!(
        guests,
        [
            (Response::Accepted, false, false),
            (Response::NeedsAction, true, false),
            (Response::NeedsAction, false, true)
        ]
    );
    assert_eq!(event.conference.unwrap().kind.as_str(), "microsoft_teams");
    assert_eq!(event.categories, ["Blue"]);
    assert_eq!(event.reminders.own[0].minutes_before, 15);
    assert_eq!(event.link.as_deref(), Some("https://outlook.office365.com/owa/?itemid=1"));
    assert_eq!(event.ical_uid.as_deref(), Some("0400"));
    assert_eq!(event.created_at, Some("2026-10-01T08:00:00.1234567Z".parse().unwrap()));
    assert!(event.recurrence.is_empty() && event.series.is_none() && event.warnings.is_empty());
}

#[test]
fn whole_days_are_dates_whatever_zone_stands_beside_them() {
    let mut event = single("s");
    event["isAllDay"] = true.into();
    event["originalStartTimeZone"] = "Tokyo Standard Time".into();
    event["start"] = json!({"dateTime": "2026-12-24T00:00:00.0000000", "timeZone": "Tokyo Standard Time"});
    event["end"] = json!({"dateTime": "2026-12-27T00:00:00.0000000", "timeZone": "Tokyo Standard Time"});
    let event = read(&event).unwrap();
    assert_eq!((event.start, event.end), (date("2026-12-24"), date("2026-12-27")));
}

#[test]
fn a_zone_that_somebody_made_up_leaves_the_instant() {
    let mut event = single("s");
    event["originalStartTimeZone"] = "tzone://Microsoft/Custom".into();
    assert_eq!(read(&event).unwrap().start, instant("2026-12-01T10:00:00Z", None));
    let mut event = master("m");
    event["recurrence"]["range"]["recurrenceTimeZone"] = "tzone://Microsoft/Custom".into();
    event["originalStartTimeZone"] = "tzone://Microsoft/Custom".into();
    let event = read(&event).unwrap();
    assert_eq!(event.start, instant("2026-11-30T08:00:00Z", None));
    assert_eq!(event.warnings, [EventWarning::UnknownZone]);
}

#[test]
fn a_master_has_its_rule_and_its_zone() {
    let event = read(&master("m")).unwrap();
    assert_eq!(event.recurrence, ["RRULE:FREQ=WEEKLY;BYDAY=MO;WKST=MO"]);
    assert_eq!(event.start, instant("2026-11-30T08:00:00Z", Some("Europe/Berlin")));
    let mut odd = master("m");
    // Its occurrences are Microsoft's, whatever the rule is.
    for recurrence in [json!({"pattern": {"type": "lunar"}, "range": {"type": "noEnd"}}), json!("every day")] {
        odd["recurrence"] = recurrence;
        let event = read(&odd).unwrap();
        assert!(event.is_master());
        assert!(event.warnings.contains(&EventWarning::UnknownRecurrence), "{:?}", event.warnings);
    }
}

#[test]
fn an_exception_stands_where_the_rule_put_it() {
    let event = read(&exception("x", "m", "2026-12-07")).unwrap();
    let series = event.series.unwrap();
    assert_eq!(series.master_id.as_str(), "m");
    assert_eq!(series.original_start.key(), "20261207T080000Z");
    let mut without = exception("x", "m", "2026-12-07");
    without["originalStart"] = Value::Null;
    assert_eq!(read(&without), Err("the exception does not say which occurrence it stands for".to_owned()));
}

#[test]
fn one_that_is_called_off_and_still_listed_is_cancelled() {
    let mut event = single("s");
    event["isCancelled"] = true.into();
    event["subject"] = "Canceled: About s".into();
    assert_eq!(read(&event).unwrap().status, EventStatus::Cancelled);
}

#[test]
fn a_long_description_is_cut_and_costs_no_event() {
    let mut event = single("s");
    event["body"] = json!({"contentType": "text", "content": "x".repeat(2 * EVENT_BYTES_MAX)});
    let read_event = read(&event).unwrap();
    assert_eq!(read_event.description.unwrap().len(), DESCRIPTION_BYTES_SHOWN_MAX);
    assert_eq!(read_event.warnings, [EventWarning::DescriptionCut]);
    event["body"] = Value::Null;
    event["subject"] = "x".repeat(EVENT_BYTES_MAX).into();
    assert!(read(&event).unwrap_err().contains("larger than"));
}

#[test]
fn what_cannot_be_meant_is_said_without_a_word_of_the_event() {
    let with = |field: &str, value: Value| {
        let mut event = single("s");
        event[field] = value;
        read(&event).unwrap_err()
    };
    for reason in [
        with("start", Value::Null),
        with("start", at("2026-12-02T10:00:00")),
        with("start", at("9999-12-30T10:00:00")),
        with("attendees", json!(vec![json!({}); 2_001])),
        with("isAllDay", json!("marker@example.com")),
        with("id", json!("x".repeat(1_025))),
    ] {
        assert!(!reason.contains("marker") && !reason.contains("About"), "{reason}");
    }
}
