//! Single entries that can be parsed: what each becomes.

use evercal_domain::event::{
    Attachment, Attendee, Conference, ConferenceKind, EventWarning, Person, Reminder, ReminderMethod, Reminders,
    Response, ShowAs, Visibility,
};
use evercal_domain::{Event, EventStatus, EventTime, ProviderEventId, RemoteItem, SeriesPosition, Zone};
use serde_json::{Value, json};

use super::super::event::{EVENT_FIELDS, remote_item};
use super::super::parse::events_page;
use super::{PAGE_EVENTS_MAX, answer, done};
use crate::google::cursor::GoogleCursor;
use crate::provider::Next;

/// A page as Google sends it, indented and with more fields than we read; the people in it do not exist.
const PAGE: &str = include_str!("events_page.json");

pub(super) fn item(event: &Value) -> RemoteItem {
    remote_item(&event.to_string())
}

/// An event with the least that it needs, changed by `fields`.
pub(super) fn event_with(fields: Value) -> Value {
    let mut event = json!({
        "id": "e1",
        "start": {"dateTime": "2026-06-01T10:00:00+02:00"},
        "end": {"dateTime": "2026-06-01T11:00:00+02:00"},
    });
    let Value::Object(fields) = fields else { panic!("not an object") };
    event.as_object_mut().unwrap().extend(fields);
    event
}

fn parsed(event: &Value) -> Event {
    match item(event) {
        RemoteItem::Event(remote) => remote.event,
        other => panic!("{other:?}"),
    }
}

fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

fn at(instant: &str, zone: Option<Zone>) -> EventTime {
    EventTime::Instant { at: instant.parse().unwrap(), zone }
}

fn date(date: &str) -> EventTime {
    EventTime::Date { date: date.parse().unwrap() }
}

#[test]
fn exactly_the_fields_that_are_read_are_asked_for() {
    let whole = json!({
        "id": "e1", "status": "tentative", "etag": "\"1\"", "iCalUID": "e1@google.com", "htmlLink": "https://example.com",
        "created": "2026-01-01T00:00:00Z", "updated": "2026-01-02T00:00:00Z", "summary": "s", "description": "d",
        "location": "l", "start": {"date": "2026-06-01"}, "end": {"date": "2026-06-03"}, "recurrence": ["RRULE:FREQ=DAILY"],
        "recurringEventId": "m", "originalStartTime": {"date": "2026-06-02"}, "transparency": "transparent",
        "visibility": "private", "eventType": "outOfOffice",
        "organizer": {"email": "a@example.com", "displayName": "A", "self": true},
        "attendees": [{"email": "b@example.com", "displayName": "B", "self": true, "responseStatus": "accepted",
            "optional": true, "resource": true}],
        "hangoutLink": "https://meet.example.com/a",
        "conferenceData": {"conferenceId": "x", "conferenceSolution": {"key": {"type": "addOn"}, "name": "X"},
            "entryPoints": [{"entryPointType": "phone", "uri": "tel:+1-555-0100", "pin": "1"}]},
        "sequence": 3, "creator": {"email": "c@example.com", "displayName": "C", "self": true},
        "reminders": {"useDefault": false, "overrides": [{"method": "popup", "minutes": 10}]},
        "attachments": [{"fileUrl": "https://drive.example/1", "title": "Plan", "iconLink": "x", "mimeType": "text/plain"}],
        // Not read.
        "kind": "calendar#event",
        "extendedProperties": {"shared": {"x": "y"}}, "colorId": "1", "guestsCanModify": true, "attendeesOmitted": true,
    });
    // An event is never both, a series and an exception.
    for left_out in [&["recurrence"][..], &["recurringEventId", "originalStartTime"]] {
        let whole = without(&whole, left_out);
        let names: Vec<&str> = EVENT_FIELDS.split(['(', ')', ',']).filter(|name| !name.is_empty()).collect();
        let asked_for = only(&whole, &names);
        assert_eq!(read(&asked_for), read(&whole), "something is read that is not asked for");
        for name in EVENT_FIELDS.split('(').next().unwrap().split(',').filter(|name| whole.get(name).is_some()) {
            let read_without = match item(&without(&whole, &[name])) {
                RemoteItem::Event(remote) => Some((remote.event, remote.version)),
                _ => None,
            };
            assert_ne!(read_without, Some(read(&whole)), "{name} is asked for but not read");
        }
    }
}

/// What is read of an event, and its version: the provider's own text is kept, not read.
fn read(event: &Value) -> (Event, Option<String>) {
    match item(event) {
        RemoteItem::Event(remote) => (remote.event, remote.version),
        other => panic!("{other:?}"),
    }
}

fn without(event: &Value, names: &[&str]) -> Value {
    let mut event = event.clone();
    event.as_object_mut().unwrap().retain(|name, _| !names.contains(&name.as_str()));
    event
}

/// What is left of these names, on each level.
fn only(value: &Value, names: &[&str]) -> Value {
    match value {
        Value::Array(items) if items.iter().all(Value::is_object) => {
            items.iter().map(|item| only(item, names)).collect()
        }
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| names.contains(&name.as_str()) || is_of_time(name));
            Value::Object(kept.map(|(name, value)| (name.clone(), only(value, names))).collect())
        }
        other => other.clone(),
    }
}

/// A start is asked for with all that is in it.
fn is_of_time(name: &str) -> bool {
    ["date", "dateTime", "timeZone"].contains(&name)
}

#[test]
fn a_date_that_google_excludes_nothing_by_is_not_kept() {
    let lines = |lines: &[&str]| parsed(&event_with(json!({"recurrence": lines}))).recurrence;
    let rule = "RRULE:FREQ=DAILY";
    assert_eq!(lines(&[rule, "EXDATE;VALUE=DATE:20260602"]), [rule]);
    assert_eq!(lines(&[rule, "EXDATE:20260602,20260603"]), [rule]);
    assert_eq!(lines(&[rule, "EXDATE:20260602,20260603T080000Z"]), [rule, "EXDATE:20260603T080000Z"]);
    let timed = "EXDATE;TZID=Europe/Berlin:20260602T100000";
    assert_eq!(lines(&[rule, timed]), [rule, timed]);
    let all_day = json!({
        "start": {"date": "2026-06-01"}, "end": {"date": "2026-06-02"}, "recurrence": [rule, "EXDATE;VALUE=DATE:20260602"],
    });
    assert_eq!(parsed(&event_with(all_day)).recurrence, [rule, "EXDATE;VALUE=DATE:20260602"]);
}

#[test]
fn a_whole_page_is_parsed_without_loss() {
    let page = events_page(&answer(200, PAGE), &GoogleCursor::default(), PAGE_EVENTS_MAX).unwrap();
    assert_eq!(page.next, Next::Done(done("CPiAr4mZ8YQDEPiAr4mZ8YQDGAU=")));
    let [master, exception, cancelled, all_day, deleted, stub, private] = page.items.as_slice() else {
        panic!("{} items", page.items.len());
    };

    let zurich = Some(zone("Europe/Zurich"));
    let ada = Person { email: Some("ada@example.com".into()), name: Some("Ada".into()), is_self: true };
    let expected = Event {
        provider_id: ProviderEventId::new("7kl2m0stand"),
        ical_uid: Some("7kl2m0stand@google.com".into()),
        status: EventStatus::Confirmed,
        title: Some("Stand-up – “daily” 🎉".into()),
        description: Some("<b>Agenda</b>\nline two".into()),
        location: Some("Room 4".into()),
        start: at("2026-03-02T08:00:00Z", zurich),
        end: at("2026-03-02T08:15:00Z", zurich),
        recurrence: vec!["EXDATE;TZID=Europe/Zurich:20260304T090000".into(), "RRULE:FREQ=DAILY;COUNT=200".into()],
        series: None,
        show_as: ShowAs::Busy,
        visibility: Visibility::Public,
        event_type: None,
        categories: vec![],
        creator: Some(ada.clone()),
        organizer: Some(ada.clone()),
        self_response: Some(Response::Accepted),
        reminders: Reminders {
            use_default: false,
            own: vec![Reminder { method: ReminderMethod::Email, minutes_before: 30 }],
        },
        attachments: vec![Attachment {
            title: Some("Notes".into()),
            url: "https://drive.google.com/open?id=1x".into(),
        }],
        sequence: Some(2),
        attendees: vec![
            Attendee { person: ada, response: Response::Accepted, optional: false, resource: false },
            Attendee {
                person: Person { email: Some("bob@example.com".into()), name: None, is_self: false },
                response: Response::Declined,
                optional: true,
                resource: false,
            },
            Attendee {
                person: Person { email: Some("room4@example.com".into()), name: Some("Room 4".into()), is_self: false },
                response: Response::NeedsAction,
                optional: false,
                resource: true,
            },
        ],
        link: Some("https://www.google.com/calendar/event?eid=N2tsMm0wc3RhbmQ".into()),
        conference: Some(Conference {
            url: "https://meet.google.com/abc-defg-hij".into(),
            kind: ConferenceKind::new("google_meet"),
        }),
        created_at: Some("2026-02-20T12:00:00Z".parse().unwrap()),
        updated_at: Some("2026-02-21T12:00:47.123Z".parse().unwrap()),
        warnings: vec![],
    };
    let RemoteItem::Event(master) = master else { panic!("{master:?}") };
    assert_eq!((&master.event, master.version.as_deref()), (&expected, Some("\"3573712894000000\"")));
    let raw = master.raw.as_deref().expect("what was sent is kept");
    assert!(raw.starts_with('{') && raw.contains("\"extendedProperties\""), "as it was sent: {raw}");

    let event_of = |item: &RemoteItem| match item {
        RemoteItem::Event(remote) => remote.event.clone(),
        other => panic!("{other:?}"),
    };
    let exception = event_of(exception);
    let original_start = at("2026-03-05T08:00:00Z", zurich);
    let master_id = ProviderEventId::new("7kl2m0stand");
    assert_eq!(exception.series, Some(SeriesPosition { master_id: master_id.clone(), original_start }));
    assert_eq!((exception.start, exception.status), (at("2026-03-05T13:30:00Z", zurich), EventStatus::Tentative));

    let position = SeriesPosition { master_id, original_start: at("2026-03-06T08:00:00Z", zurich) };
    let provider_id = ProviderEventId::new("7kl2m0stand_20260306T080000Z");
    assert_eq!(cancelled, &RemoteItem::CancelledOccurrence { provider_id, position });

    let all_day = event_of(all_day);
    assert_eq!((all_day.start, all_day.end), (date("2026-04-01"), date("2026-04-04")));
    assert_eq!((all_day.event_type.as_deref(), all_day.show_as), (Some("outOfOffice"), ShowAs::Free));

    assert_eq!(deleted, &RemoteItem::Deleted { provider_id: ProviderEventId::new("gone1") });
    assert_eq!(stub, &RemoteItem::Deleted { provider_id: ProviderEventId::new("stub1") });

    let private = event_of(private);
    assert_eq!((private.title.as_deref(), private.visibility), (None, Visibility::Private));
}

#[test]
fn starts_and_ends_are_read_in_each_form() {
    let utc = |zone| at("2026-06-01T08:00:00Z", zone);
    let table = [
        (json!({"dateTime": "2026-06-01T10:00:00+02:00"}), utc(None)),
        (json!({"dateTime": "2026-06-01T08:00:00Z", "timeZone": "Europe/Berlin"}), utc(Some(zone("Europe/Berlin")))),
        (json!({"dateTime": "2026-06-01T08:00:00.000Z", "timeZone": "Mars/Olympus"}), utc(None)),
        (json!({"dateTime": "2026-06-01T10:00:00", "timeZone": "Europe/Berlin"}), utc(Some(zone("Europe/Berlin")))),
        (json!({"dateTime": "2026-06-01T10:00:00", "timeZone": "GMT+02:00"}), utc(Some(zone("+02:00")))),
        (json!({"dateTime": "2026-06-01T03:00:00", "timeZone": "UTC-5"}), utc(Some(zone("-05:00")))),
        (json!({"dateTime": "2026-06-01T05:00:00", "timeZone": "Etc/GMT+3"}), utc(Some(zone("Etc/GMT+3")))),
        (json!({"date": "2026-06-01"}), date("2026-06-01")),
        (json!({"date": "2026-06-01", "dateTime": null}), date("2026-06-01")),
    ];
    for (time, expected) in table {
        let event = event_with(json!({"start": time, "end": time}));
        let event = parsed(&event);
        assert_eq!(event.start, expected, "{time}");
    }
}

#[test]
fn an_all_day_event_that_ends_where_it_starts_lasts_its_day() {
    let day = |end: &str| parsed(&event_with(json!({"start": {"date": "2026-06-01"}, "end": {"date": end}}))).end;
    assert_eq!(day("2026-06-01"), date("2026-06-02"));
    assert_eq!(day("2026-06-03"), date("2026-06-03"));
}

#[test]
fn no_stamp_leaves_the_years_that_four_digits_hold_in_every_zone() {
    // Google's own, of events that were imported.
    let event = parsed(&event_with(json!({"created": "0000-12-29T00:00:00.000Z", "updated": "9999-12-31T23:59:59Z"})));
    assert_eq!((event.created_at, event.updated_at), (None, None));
    // "For ever", as some programs write it.
    let end = |start: Value, end: Value| parsed(&event_with(json!({"start": start, "end": end}))).end;
    assert_eq!(end(json!({"date": "2026-06-01"}), json!({"date": "9999-12-31"})), date("9998-12-31"));
    let instant = end(json!({"dateTime": "2026-06-01T10:00:00Z"}), json!({"dateTime": "9999-12-31T23:59:59-12:00"}));
    assert_eq!(instant, at("9998-12-31T00:00:00Z", None));
    for start in
        [json!({"date": "0000-12-31"}), json!({"date": "9999-01-01"}), json!({"dateTime": "0000-12-31T10:00:00Z"})]
    {
        let RemoteItem::Unreadable { reason, .. } = item(&event_with(json!({"start": start, "end": start}))) else {
            panic!("{start}")
        };
        assert!(reason.contains("years 1 to 9998"), "{reason}");
    }
}

#[test]
fn a_series_in_a_zone_that_nobody_knows_says_so() {
    let time = json!({"dateTime": "2026-06-01T08:00:00Z", "timeZone": "Mars/Olympus"});
    let with = |lines: Value| parsed(&event_with(json!({"start": time, "end": time, "recurrence": lines}))).warnings;
    assert_eq!(with(json!(["RRULE:FREQ=DAILY"])), [EventWarning::UnknownZone]);
    assert_eq!(with(json!([])), []);
}

#[test]
fn a_wall_clock_time_that_happens_twice_is_the_earlier_one() {
    let time = json!({"dateTime": "2026-10-25T02:30:00", "timeZone": "Europe/Berlin"});
    let event = parsed(&event_with(json!({"start": time, "end": time})));
    assert_eq!(event.start, at("2026-10-25T00:30:00Z", Some(zone("Europe/Berlin"))));
}

#[test]
fn a_missing_end_is_what_rfc_5545_says() {
    let instant = parsed(&json!({"id": "a", "start": {"dateTime": "2026-06-01T08:00:00Z"}}));
    assert_eq!(instant.end, instant.start);
    let day = parsed(&json!({"id": "a", "start": {"date": "2026-12-31"}}));
    assert_eq!(day.end, date("2027-01-01"));
}

#[test]
fn defaults_are_those_of_the_discovery_document() {
    let event = parsed(&event_with(json!({})));
    assert_eq!(
        (event.status, event.show_as, event.visibility),
        (EventStatus::Confirmed, ShowAs::Busy, Visibility::Public)
    );
    assert_eq!((event.reminders, event.self_response, event.sequence), (Reminders::default(), None, None));
    assert_eq!((event.title, event.event_type, event.organizer), (None, None, None));
}

#[test]
fn visibility_and_type_are_parsed() {
    for (visibility, expected) in [
        ("default", Visibility::Public),
        ("public", Visibility::Public),
        ("private", Visibility::Private),
        ("confidential", Visibility::Confidential),
    ] {
        let event = parsed(&event_with(json!({"visibility": visibility})));
        assert_eq!((event.visibility, event.is_private()), (expected, expected != Visibility::Public), "{visibility}");
    }
    for (kind, expected) in [("default", None), ("focusTime", Some("focusTime")), ("aNewKind", Some("aNewKind"))] {
        assert_eq!(parsed(&event_with(json!({"eventType": kind}))).event_type.as_deref(), expected);
    }
}

#[test]
fn how_an_event_shows_comes_from_its_type_then_its_transparency_then_its_status() {
    for (kind, transparency, status, expected, is_busy) in [
        ("default", "opaque", "confirmed", ShowAs::Busy, true),
        ("default", "opaque", "tentative", ShowAs::Tentative, true),
        ("default", "transparent", "tentative", ShowAs::Free, false),
        ("focusTime", "opaque", "confirmed", ShowAs::Busy, true),
        ("outOfOffice", "opaque", "tentative", ShowAs::OutOfOffice, true),
        ("outOfOffice", "transparent", "confirmed", ShowAs::Free, false),
        ("workingLocation", "transparent", "confirmed", ShowAs::WorkingElsewhere, false),
        ("birthday", "transparent", "confirmed", ShowAs::Free, false),
    ] {
        let event = parsed(&event_with(json!({"eventType": kind, "transparency": transparency, "status": status})));
        assert_eq!((event.show_as, event.is_busy()), (expected, is_busy), "{kind}, {transparency}, {status}");
    }
}

#[test]
fn an_event_is_not_lost_over_when_it_was_made() {
    let event = parsed(&event_with(json!({"created": "0000-99-31T00:00:00.000Z", "updated": "yesterday"})));
    assert_eq!((event.created_at, event.updated_at), (None, None));
}

#[test]
fn a_cancelled_entry_without_its_place_in_a_series_is_a_deletion() {
    for event in [
        json!({"id": "e1", "status": "cancelled"}),
        json!({"id": "e1", "status": "cancelled", "recurringEventId": "m"}),
        json!({"id": "e1", "status": "cancelled", "originalStartTime": {"date": "2026-01-01"}}),
        event_with(json!({"status": "cancelled"})),
    ] {
        assert_eq!(item(&event), RemoteItem::Deleted { provider_id: ProviderEventId::new("e1") }, "{event}");
    }
}

/// As free/busy readers are given them.
#[test]
fn an_instance_that_does_not_say_its_place_has_it_in_its_id_or_is_where_it_starts() {
    let berlin = Some(zone("Europe/Berlin"));
    let start = json!({"dateTime": "2030-06-01T10:00:00+02:00", "timeZone": "Europe/Berlin"});
    let end = json!({"dateTime": "2030-06-01T11:00:00+02:00", "timeZone": "Europe/Berlin"});
    for (id, place) in [
        ("m_20300601T060000Z", at("2030-06-01T06:00:00Z", berlin)),
        ("m_R20260101T080000_20300601T060000Z", at("2030-06-01T06:00:00Z", berlin)),
        ("m_20300531", date("2030-05-31")),
        ("m_20300231", at("2030-06-01T08:00:00Z", berlin)),
        ("m_20300601T060000", at("2030-06-01T08:00:00Z", berlin)),
        ("m", at("2030-06-01T08:00:00Z", berlin)),
    ] {
        let event = json!({"id": id, "recurringEventId": "m", "start": start, "end": end});
        let position = SeriesPosition { master_id: ProviderEventId::new("m"), original_start: place };
        assert_eq!(parsed(&event).series, Some(position.clone()), "{id}");
        let cancelled = json!({"id": id, "status": "cancelled", "recurringEventId": "m", "start": start});
        let provider_id = ProviderEventId::new(id);
        let expected = if place == at("2030-06-01T08:00:00Z", berlin) {
            RemoteItem::Deleted { provider_id }
        } else {
            RemoteItem::CancelledOccurrence { provider_id, position }
        };
        assert_eq!(item(&cancelled), expected, "{id}");
    }
    let said = json!({"id": "m_20300601T060000Z", "recurringEventId": "m", "start": start, "end": end,
        "originalStartTime": {"date": "2030-07-01"}});
    assert_eq!(parsed(&said).series.unwrap().original_start, date("2030-07-01"));
}

#[test]
fn what_the_accounts_user_declined_takes_no_time_of_theirs() {
    let event = |answer: &str, is_self: bool| {
        let guests = json!([
            {"email": "ada@example.com", "self": is_self, "responseStatus": answer},
            {"email": "bob@example.com", "responseStatus": "declined"},
        ]);
        let event =
            json!({"id": "e", "start": {"date": "2026-06-02"}, "end": {"date": "2026-06-03"}, "attendees": guests});
        parsed(&event).is_busy()
    };
    assert!(!event("declined", true));
    assert!(event("declined", false), "somebody else's no");
    for answer in ["accepted", "tentative", "needsAction"] {
        assert!(event(answer, true), "{answer}");
    }
}
