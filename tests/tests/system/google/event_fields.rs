//! Each field of an event on its way from the provider to whoever reads the API: what fills it, and what changes of it are
//! reported. The table is `docs/events.md`.

use evercal_domain::account::Secret;
use evercal_domain::change::ChangeKind;
use evercal_domain::tenant::ApiKey;
use evercal_domain::{CalendarId, Clock as _, SystemClock, random};
use evercal_http::Method;
use evercal_simulator::{AccessRole, CalendarAccess};
use evercal_tests::{Google, USER, World, WorldOptions, eventually, mirror};
use serde_json::{Map, Value, json};

use super::control;

fn fields(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("no object: {value}") };
    fields
}

fn whole() -> Value {
    json!({
        "id": "fullevent1",
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
async fn each_field_reaches_the_reader_and_a_change_of_it_the_feed() {
    let world = World::with::<Google>(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let control = control(&world);
    control.insert_event(USER, fields(whole())).unwrap();
    let (_account, calendar) = world.connect_and_mirror().await;
    mirror::equals_provider(&world, calendar).await;

    let path = format!("/v1/calendars/{calendar}/events/fullevent1");
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
        control.patch_event(USER, "fullevent1", fields(change.clone())).unwrap();
        eventually("the change is in the feed", || async {
            let changes = world.store.changes(calendar, before, 10).await.unwrap();
            match changes.as_slice() {
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

/// The answer to somebody who asks for an event in the provider's own text.
async fn with_raw(world: &World, calendar: CalendarId, event: &str, key: &Secret) -> (u16, Value) {
    let path = format!("/v1/calendars/{calendar}/events/{event}?include=raw");
    let answer = world.call(Method::GET, &path, None, Some(key)).await.unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_own_text_is_shown_to_keys_that_may_see_it_as_long_as_it_is_kept() {
    let mut world = World::with::<Google>(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let team = world.new_calendar("Team");
    for calendar in [USER, &team] {
        control(&world).insert_event(calendar, fields(whole())).unwrap();
    }
    world.connect_and_mirror().await;
    let all = world.api_key.clone();
    let narrow = Secret::new(random::token().unwrap());
    let tenant = world.store.tenants().await.unwrap()[0].id;
    let scopes = "read,write,operator".parse().unwrap();
    let row = ApiKey { scopes, ..ApiKey::new(tenant, "without raw", narrow.expose(), SystemClock.now()) };
    world.store.insert_api_key(&row).await.unwrap();

    let (own, shared) = (world.calendar_of(USER).await.id, world.calendar_of(&team).await.id);
    let (status, event) = with_raw(&world, own, "fullevent1", &all).await;
    assert_eq!(status, 200);
    let raw: Value = serde_json::from_str(event["raw"].as_str().unwrap()).unwrap();
    assert_eq!((&raw["id"], &raw["summary"]), (&json!("fullevent1"), &json!("Review")));
    let (status, refusal) = with_raw(&world, own, "fullevent1", &narrow).await;
    assert_eq!((status, refusal["type"].as_str()), (403, Some("urn:evercal:problem:missing-scope")));
    let path = format!("/v1/calendars/{own}/events/fullevent1");
    assert_eq!(world.api(Method::GET, &path, None).await.unwrap()["raw"], Value::Null, "nobody asked for it");

    // What the account may not see (any more) is in no text either.
    let seen = |role| CalendarAccess { calendar: team.clone(), user: USER.to_owned(), role: Some(role) };
    world.control().set_access(&seen(AccessRole::FreeBusyReader)).unwrap();
    control(&world).patch_event(&team, "fullevent1", fields(json!({"summary": "Secret"}))).unwrap();
    eventually("the text is gone with the role", || async {
        let (_, event) = with_raw(&world, shared, "fullevent1", &all).await;
        if event["raw"].is_null() { Ok(()) } else { Err(event.to_string()) }
    })
    .await;

    world.stop_worker().await.unwrap();
    world.settings.keep_raw = false;
    world.start_worker().unwrap();
    control(&world).patch_event(USER, "fullevent1", fields(json!({"summary": "Later"}))).unwrap();
    eventually("a change takes the text away", || async {
        let (_, event) = with_raw(&world, own, "fullevent1", &all).await;
        if event["title"] == "Later" && event["raw"].is_null() { Ok(()) } else { Err(event.to_string()) }
    })
    .await;
    let unreadable = json!({"id": "unreadable1", "status": "confirmed", "summary": "Nobody's text"});
    control(&world).put_raw_event(USER, unreadable.as_object().unwrap().clone()).unwrap();
    world.api(Method::POST, &format!("/v1/calendars/{own}/sync"), None).await.unwrap();
    let quarantined = world.store.quarantined(own, 10).await.unwrap();
    let [unreadable] = quarantined.as_slice() else { panic!("one is in quarantine: {quarantined:?}") };
    assert_eq!(unreadable.raw, "", "nor is the text kept of what cannot be read");
    world.end().await;
}

async fn last_change(world: &World, calendar: CalendarId) -> i64 {
    let changes = world.store.changes(calendar, 0, 1_000).await.unwrap();
    changes.last().map_or(0, |change| change.sequence)
}
