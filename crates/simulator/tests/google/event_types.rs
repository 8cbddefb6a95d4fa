//! `eventType`: who may make what, and what of it may change.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Receiver, World, ids, meeting, object, wait_until_delivered};

const AT: &str = "2026-03-16T09:00:00";
const EVENTS: &str = "calendars/primary/events";

fn with(mut event: Value, fields: Value) -> Value {
    event.as_object_mut().unwrap().extend(object(&fields));
    event
}

fn day(from: &str, to: &str) -> Value {
    json!({"summary": "Day", "start": {"date": from}, "end": {"date": to}})
}

fn focus() -> Value {
    with(meeting("Focus", AT), json!({"eventType": "focusTime", "focusTimeProperties": {"chatStatus": "doNotDisturb"}}))
}

fn away() -> Value {
    let properties = json!({"autoDeclineMode": "declineNone"});
    with(meeting("Away", AT), json!({"eventType": "outOfOffice", "outOfOfficeProperties": properties}))
}

fn at_home(days: Value) -> Value {
    let fields = json!({"eventType": "workingLocation", "visibility": "public", "transparency": "transparent",
        "workingLocationProperties": {"type": "homeOffice", "homeOffice": {}}});
    with(days, fields)
}

fn birthday(from: &str, to: &str, rule: &str) -> Value {
    let fields = json!({"eventType": "birthday", "visibility": "private", "transparency": "transparent",
        "recurrence": [rule]});
    with(day(from, to), fields)
}

fn of_mail(id: &str) -> Value {
    let at = |time: &str| json!({"dateTime": time, "timeZone": "Europe/Berlin"});
    json!({"id": id, "status": "confirmed", "summary": "Flight", "eventType": "fromGmail",
        "start": at("2026-03-16T09:00:00+01:00"), "end": at("2026-03-16T11:00:00+01:00")})
}

const YEARLY: &str = "RRULE:FREQ=YEARLY";

#[tokio::test]
async fn each_type_can_be_made_as_documented_and_all_are_listed() {
    let world = World::start().await;
    for event in [
        meeting("Ordinary", AT),
        focus(),
        away(),
        at_home(day("2026-03-16", "2026-03-17")),
        at_home(meeting("At home", AT)),
        birthday("2026-03-16", "2026-03-17", YEARLY),
        birthday("2024-02-29", "2024-03-01", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1"),
    ] {
        let kind = event.get("eventType").cloned().unwrap_or(json!("default"));
        assert_eq!(world.insert(event).await["eventType"], kind);
    }
    world.control.put_raw_event(crate::support::ADA, object(&of_mail("flight1"))).unwrap();
    assert_eq!(world.list_all("").await.0.len(), 8, "without eventTypes, all are listed");
    assert_eq!(world.list_all("eventTypes=focusTime&eventTypes=birthday").await.0.len(), 3);
    assert_eq!(ids(&world.list_all("eventTypes=fromGmail").await.0), ["flight1"]);
    world.list("eventTypes=party").await.fails(400, "invalidParameter");
}

#[tokio::test]
async fn what_the_guides_do_not_allow_is_refused() {
    let world = World::start().await;
    let without = |mut event: Value, name: &str| {
        event.as_object_mut().unwrap().remove(name);
        event
    };
    for event in [
        of_mail("flight1"),
        without(focus(), "focusTimeProperties"),
        with(focus(), json!({"transparency": "transparent"})),
        with(focus(), day("2026-03-16", "2026-03-17")),
        without(away(), "outOfOfficeProperties"),
        with(away(), day("2026-03-16", "2026-03-17")),
        at_home(day("2026-03-16", "2026-03-18")),
        with(at_home(meeting("At home", AT)), json!({"visibility": "private"})),
        with(at_home(meeting("At home", AT)), json!({"transparency": "opaque"})),
        with(at_home(meeting("At home", AT)), json!({"workingLocationProperties": {}})),
        birthday("2026-03-16", "2026-03-18", YEARLY),
        birthday("2026-03-16", "2026-03-17", "RRULE:FREQ=YEARLY;INTERVAL=2"),
        birthday("2024-02-29", "2024-03-01", YEARLY),
        with(birthday("2026-03-16", "2026-03-17", YEARLY), json!({"visibility": "public"})),
        with(birthday("2026-03-16", "2026-03-17", YEARLY), json!({"location": "Berlin"})),
        with(birthday("2026-03-16", "2026-03-17", YEARLY), json!({"birthdayProperties": {"type": "self"}})),
    ] {
        let said = event.to_string();
        let answer = world.post(EVENTS, event).await;
        assert_eq!((answer.status, answer.reason()), (400, "eventTypeRestriction"), "{said}");
    }
    world.post(EVENTS, with(meeting("", AT), json!({"eventType": "party"}))).await.fails(400, "invalid");
    let second = world.post("calendars", json!({"summary": "Second"})).await.ok();
    let path = format!("calendars/{}/events", second["id"].as_str().unwrap());
    for event in [focus(), away(), at_home(meeting("At home", AT))] {
        world.post(&path, event).await.fails(400, "eventTypeRestriction");
    }
    world.post(&path, birthday("2026-03-16", "2026-03-17", YEARLY)).await.ok();
}

#[tokio::test]
async fn a_type_never_changes_and_some_fields_of_some_types_do_not_either() {
    let world = World::start().await;
    let path = |event: &Value| format!("{EVENTS}/{}", event["id"].as_str().unwrap());
    let ordinary = world.insert(meeting("Ordinary", AT)).await;
    world.patch(&path(&ordinary), json!({"eventType": "focusTime"})).await.fails(400, "eventTypeRestriction");
    let focus_time = world.insert(focus()).await;
    world.patch(&path(&focus_time), json!({"summary": "Deep"})).await.ok();
    world.call(Method::PUT, &path(&focus_time), Some(focus())).await.ok();
    world.call(Method::PUT, &path(&focus_time), Some(meeting("", AT))).await.fails(400, "eventTypeRestriction");
    let spoilt = json!({"focusTimeProperties": null});
    world.patch(&path(&focus_time), spoilt).await.fails(400, "eventTypeRestriction");

    world.control.put_raw_event(crate::support::ADA, object(&of_mail("flight1"))).unwrap();
    let flight = json!({"id": "flight1"});
    world.patch(&path(&flight), json!({"colorId": "3", "visibility": "private"})).await.ok();
    world.patch(&path(&flight), json!({"summary": "Train"})).await.fails(400, "eventTypeRestriction");

    let birth = world.insert(birthday("2026-03-16", "2026-03-17", YEARLY)).await;
    world
        .patch(&path(&birth), json!({"summary": "Ada", "start": {"date": "2026-03-17"}, "end": {"date": "2026-03-18"}}))
        .await
        .ok();
    world.patch(&path(&birth), json!({"end": {"date": "2026-03-19"}})).await.fails(400, "eventTypeRestriction");
    world.patch(&path(&birth), json!({"description": "Cake"})).await.fails(400, "eventTypeRestriction");
    let second = world.post("calendars", json!({"summary": "Second"})).await.ok();
    let to = second["id"].as_str().unwrap();
    for event in [&focus_time, &flight, &birth] {
        let moved = world.post(&format!("{}/move?destination={to}", path(event)), json!({})).await;
        moved.fails(400, "eventTypeRestriction");
        world.delete(&path(event)).await.ok();
    }
    world.post(&format!("{}/move?destination={to}", path(&ordinary)), json!({})).await.ok();
}

#[tokio::test]
async fn an_imported_event_is_an_ordinary_one() {
    let world = World::start().await;
    let event = with(focus(), json!({"iCalUID": "1@example.com"}));
    let imported = world.post(&format!("{EVENTS}/import"), event).await.ok();
    assert_eq!((&imported["eventType"], imported.get("focusTimeProperties")), (&json!("default"), None));
}

#[tokio::test]
async fn a_channel_gets_notices_of_the_types_that_it_asked_for() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let body = json!({"id": "c1", "type": "web_hook", "address": receiver.address});
    world.post(&format!("{EVENTS}/watch?eventTypes=outOfOffice"), body.clone()).await.ok();
    receiver.wait_for(1).await;
    world.insert(meeting("Ordinary", AT)).await;
    world.insert(away()).await;
    wait_until_delivered(&world.control).await;
    let states: Vec<String> = receiver.notices().iter().map(|notice| notice.state().to_owned()).collect();
    assert_eq!(states, ["sync", "exists"]);
    world.post(&format!("{EVENTS}/watch?eventTypes=party"), body).await.fails(400, "invalidParameter");
}
