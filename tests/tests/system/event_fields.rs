//! Each field of an event on its way from the provider to whoever reads the API: what fills it, and what changes of it are
//! told. The table is `docs/events.md`.

use evercal_domain::change::ChangeKind;
use evercal_http::Method;
use evercal_tests::{USER, World, WorldOptions, eventually, mirror};
use serde_json::{Map, Value, json};

fn fields(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("no object: {value}") };
    fields
}

fn whole() -> Value {
    json!({
        "id": "wholeevent1",
        "summary": "Review",
        "description": "What was done",
        "location": "Room 4",
        "start": {"dateTime": "2026-12-01T09:00:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-12-01T10:00:00", "timeZone": "Europe/Berlin"},
        "status": "tentative",
        "visibility": "confidential",
        "attendees": [
            {"email": USER, "responseStatus": "accepted"},
            {"email": "ben@example.com", "displayName": "Ben", "responseStatus": "declined", "optional": true},
        ],
        "reminders": {"useDefault": false, "overrides": [
            {"method": "popup", "minutes": 10}, {"method": "email", "minutes": 60},
        ]},
        "attachments": [{"fileUrl": "https://drive.example/1", "title": "Plan", "mimeType": "text/plain"}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_reaches_the_reader_and_a_change_of_it_is_told() {
    let world = World::with(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let control = world.control();
    control.insert_event(USER, fields(whole())).unwrap();
    let (_account, calendar) = world.connect_and_settle().await;
    mirror::equals_provider(&world, calendar).await;

    let path = format!("/v1/calendars/{calendar}/events/wholeevent1");
    let event = world.api(Method::GET, &path, None).await.unwrap();
    let expected = json!({
        "status": "tentative", "busy": true, "show_as": "tentative", "visibility": "confidential", "private": true,
        "self_response": "accepted", "categories": [], "sequence": 0,
        "reminders": {"use_default": false, "own": [
            {"method": "popup", "minutes_before": 10}, {"method": "email", "minutes_before": 60},
        ]},
        "attachments": [{"title": "Plan", "url": "https://drive.example/1"}],
    });
    for (field, value) in fields(expected) {
        assert_eq!(event[&field], value, "{field}");
    }
    assert_eq!(event["creator"]["email"], USER);
    let list = format!("/v1/calendars/{calendar}/events?from=2026-12-01T00:00:00Z&to=2026-12-02T00:00:00Z");
    let shown = &world.api(Method::GET, &list, None).await.unwrap()["items"][0];
    for field in ["status", "busy", "show_as", "visibility", "private", "self_response", "categories"] {
        assert_eq!(shown[field], event[field], "{field}");
    }

    // Each by itself is a change; `updated` does not move where only reminders do.
    for change in [
        json!({"reminders": {"useDefault": true, "overrides": null}}),
        json!({"attachments": []}),
        json!({"visibility": "public"}),
        json!({"transparency": "transparent"}),
        json!({"status": "confirmed"}),
        json!({"attendees": [{"email": USER, "responseStatus": "declined"}]}),
    ] {
        let before = last_change(&world, calendar).await;
        control.patch_event(USER, "wholeevent1", fields(change.clone())).unwrap();
        eventually("the change is told", || async {
            let told = world.store.changes(calendar, before, 10).await.unwrap();
            match told.as_slice() {
                [only] if only.kind == ChangeKind::Updated => Ok(()),
                others => Err(format!("{change}: {} changes", others.len())),
            }
        })
        .await;
    }
    let event = world.api(Method::GET, &path, None).await.unwrap();
    let expected = json!({
        "status": "confirmed", "busy": false, "show_as": "free", "visibility": "public", "private": false,
        "self_response": "declined", "reminders": {"use_default": true, "own": []}, "attachments": [],
    });
    for (field, value) in fields(expected) {
        assert_eq!(event[&field], value, "{field}");
    }
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    world.end().await;
}

async fn last_change(world: &World, calendar: evercal_domain::CalendarId) -> i64 {
    let changes = world.store.changes(calendar, 0, 1_000).await.unwrap();
    changes.last().map_or(0, |change| change.sequence)
}
