//! Changing events: ids, conditions, merging, refusals.

use evercal_simulator::{AccessRole, CalendarAccess};
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{ADA, BEN, World, answer, ids, meeting, weekly};

const AT: &str = "2026-03-02T09:00:00";

fn path(event: &Value) -> String {
    format!("calendars/primary/events/{}", event["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_client_may_choose_ids_of_base32hex_only_once() {
    let world = World::start().await;
    let with_id = |id: &str| {
        let mut event = meeting("Mine", AT);
        event["id"] = json!(id);
        event
    };
    for bad in ["abcd", "ABCDE", "abcdw", "abc-e", &"a".repeat(1_025)] {
        world.post("calendars/primary/events", with_id(bad)).await.fails(400, "invalid");
    }
    let longest = "a".repeat(1_024);
    for good in ["ab0v9", longest.as_str()] {
        assert_eq!(world.insert(with_id(good)).await["id"], good);
    }
    world.post("calendars/primary/events", with_id("ab0v9")).await.fails(409, "duplicate");
    world.delete("calendars/primary/events/ab0v9").await.ok();
    world.post("calendars/primary/events", with_id("ab0v9")).await.fails(409, "duplicate");
}

#[tokio::test]
async fn bodies_that_are_no_event_are_refused() {
    let world = World::start().await;
    let date = |text: &str| json!({"date": text});
    for (body, reason) in [
        (json!({"summary": "No times"}), "required"),
        (json!({"start": date("2026-03-02")}), "required"),
        (json!({"start": date("2026-03-02"), "end": {"dateTime": "2026-03-02T09:00:00Z"}}), "invalid"),
        (json!({"start": date("2026-03-02"), "end": date("2026-03-02")}), "timeRangeEmpty"),
        (json!({"start": date("2026-03-02"), "end": date("2026-03-01")}), "timeRangeEmpty"),
        (json!({"start": date("soon"), "end": date("2026-03-01")}), "invalid"),
        (json!({"start": {"dateTime": AT}, "end": {"dateTime": AT}}), "required"),
        (json!({"start": date("2026-03-02"), "end": date("2026-03-03"), "recurrence": ["DTSTART:1"]}), "invalid"),
        (
            json!({"start": {"dateTime": "2026-03-02T09:00:00Z"}, "end": {"dateTime": "2026-03-02T10:00:00Z"},
                "recurrence": ["RRULE:FREQ=DAILY"]}),
            "required",
        ),
    ] {
        let refused = world.post("calendars/primary/events", body.clone()).await;
        assert_eq!((refused.status, refused.reason()), (400, reason), "{body}");
    }
    let request = world.request(Method::POST, "calendars/primary/events").body("[1]");
    answer(request).await.fails(400, "parseError");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let world = World::start().await;
    let mut event = meeting("Large", AT);
    event["description"] = json!("x".repeat(17 * 1024 * 1024));
    assert_eq!(world.post("calendars/primary/events", event).await.status, 413);
}

#[tokio::test]
async fn the_provider_owns_its_fields() {
    let world = World::start().await;
    let mut event = meeting("Mine", AT);
    event["etag"] = json!("mine");
    event["creator"] = json!({"email": "mallory@example.com"});
    let stored = world.insert(event).await;
    assert_ne!(stored["etag"], "mine");
    assert_eq!(stored["creator"]["email"], ADA);
    assert_eq!(stored["organizer"], json!({"email": ADA, "self": true}));
    assert_eq!(stored["sequence"], 0);
    assert_eq!(stored["status"], "confirmed");
    assert_eq!(stored["iCalUID"], format!("{}@google.com", stored["id"].as_str().unwrap()));
}

#[tokio::test]
async fn a_patch_merges_objects_replaces_lists_and_removes_by_null() {
    let world = World::start().await;
    let mut event = meeting("Mine", AT);
    event["location"] = json!("Pier");
    event["attendees"] = json!([{"email": "a@example.com"}, {"email": "b@example.com"}]);
    event["extendedProperties"] = json!({"private": {"a": "1", "b": "2"}});
    let stored = world.insert(event).await;
    let change = json!({"location": null, "attendees": [{"email": "c@example.com"}],
        "extendedProperties": {"private": {"b": null, "c": "3"}}});
    let patched = world.patch(&path(&stored), change).await.ok();
    assert!(patched.get("location").is_none());
    assert_eq!(patched["attendees"], json!([{"email": "c@example.com", "responseStatus": "needsAction"}]));
    assert_eq!(patched["extendedProperties"]["private"], json!({"a": "1", "c": "3"}));
    assert_eq!(patched["summary"], "Mine");
}

#[tokio::test]
async fn a_patch_makes_a_date_of_a_time_only_where_it_takes_the_time_away() {
    let world = World::start().await;
    let stored = world.insert(meeting("Mine", AT)).await;
    let both = json!({"start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"}});
    world.patch(&path(&stored), both).await.fails(400, "invalid");
    let to_dates = json!({
        "start": {"date": "2026-03-02", "dateTime": null, "timeZone": null},
        "end": {"date": "2026-03-03", "dateTime": null, "timeZone": null},
    });
    let days = world.patch(&path(&stored), to_dates).await.ok();
    assert_eq!((&days["start"], &days["end"]), (&json!({"date": "2026-03-02"}), &json!({"date": "2026-03-03"})));
    let both = json!({"start": {"dateTime": "2026-03-02T09:00:00Z"}, "end": {"dateTime": "2026-03-02T10:00:00Z"}});
    world.patch(&path(&stored), both).await.fails(400, "invalid");
    let to_times = json!({
        "start": {"date": null, "dateTime": "2026-03-02T09:00:00Z"},
        "end": {"date": null, "dateTime": "2026-03-02T10:00:00Z"},
    });
    let timed = world.patch(&path(&stored), to_times).await.ok();
    assert_eq!(timed["start"]["dateTime"], "2026-03-02T10:00:00+01:00");
}

#[tokio::test]
async fn a_patched_start_keeps_the_zone_that_it_does_not_name() {
    let world = World::start().await;
    let mut series = weekly("Series", AT, 3);
    for name in ["start", "end"] {
        series[name]["timeZone"] = json!("America/New_York");
    }
    let stored = world.insert(series).await;
    let change = json!({"start": {"dateTime": "2026-03-02T08:30:00"}});
    let patched = world.patch(&path(&stored), change).await.ok();
    assert_eq!(patched["start"], json!({"dateTime": "2026-03-02T14:30:00+01:00", "timeZone": "America/New_York"}));
}

#[tokio::test]
async fn a_rule_that_google_does_not_know_is_refused() {
    let world = World::start().await;
    for rule in ["FREQ=DAILY;COUNT=0", "FREQ=MONTHLY;BYMONTHDAY=257", "FREQ=YEARLY;BYEASTER=0"] {
        let mut series = weekly("Series", AT, 3);
        series["recurrence"] = json!([format!("RRULE:{rule}")]);
        world.post("calendars/primary/events", series).await.fails(400, "invalid");
    }
}

#[tokio::test]
async fn the_etag_grows_with_every_change_and_updated_not_with_reminders() {
    let world = World::start().await;
    let stored = world.insert(meeting("Mine", AT)).await;
    let reminders = json!({"reminders": {"useDefault": false, "overrides": []}});
    let reminded = world.patch(&path(&stored), reminders).await.ok();
    assert_ne!(reminded["etag"], stored["etag"]);
    assert_eq!(reminded["updated"], stored["updated"]);
    world.control.set_clock_offset(60_000).unwrap();
    let renamed = world.patch(&path(&stored), json!({"summary": "Other"})).await.ok();
    assert_ne!(renamed["updated"], stored["updated"]);
    assert_eq!(renamed["sequence"], 0);
    let moved = world.patch(&path(&stored), meeting("Other", "2026-03-02T11:00:00")).await.ok();
    assert_eq!(moved["sequence"], 1);
}

#[tokio::test]
async fn if_match_guards_every_change_and_if_none_match_saves_a_read() {
    let world = World::start().await;
    let stored = world.insert(meeting("Mine", AT)).await;
    let changed = world.patch(&path(&stored), json!({"summary": "Other"})).await.ok();
    let (stale, fresh) = (stored["etag"].as_str().unwrap(), changed["etag"].as_str().unwrap());
    for method in [Method::PATCH, Method::PUT, Method::DELETE] {
        let request = world.request(method, &path(&stored)).header(header::IF_MATCH, stale);
        answer(request.json(&meeting("No", AT))).await.fails(412, "conditionNotMet");
    }
    let request = world.request(Method::GET, &path(&stored)).header(header::IF_NONE_MATCH, fresh);
    assert_eq!(answer(request).await.status, 304);
    let request = world.request(Method::GET, &path(&stored)).header(header::IF_NONE_MATCH, stale);
    assert_eq!(answer(request).await.status, 200);
    let request = world.request(Method::DELETE, &path(&stored)).header(header::IF_MATCH, fresh);
    assert_eq!(answer(request).await.status, 204);
}

#[tokio::test]
async fn deleting_twice_says_that_it_is_deleted() {
    let world = World::start().await;
    let stored = world.insert(meeting("Mine", AT)).await;
    assert_eq!(world.delete(&path(&stored)).await.status, 204);
    world.delete(&path(&stored)).await.fails(410, "deleted");
    assert_eq!(world.get(&path(&stored)).await.ok()["status"], "cancelled");
    world.delete("calendars/primary/events/never").await.fails(404, "notFound");
}

#[tokio::test]
async fn a_guests_copy_cannot_be_changed_in_what_it_shares() {
    let world = World::start().await;
    let mut copy = meeting("Theirs", AT);
    copy["iCalUID"] = json!("theirs@elsewhere.example");
    copy["organizer"] = json!({"email": "boss@elsewhere.example"});
    let stored = world.post("calendars/primary/events/import", copy).await.ok();
    world.patch(&path(&stored), json!({"summary": "Mine"})).await.fails(403, "forbiddenForNonOrganizer");
    let put = world.call(Method::PUT, &path(&stored), Some(json!({"colorId": "1"}))).await;
    put.fails(403, "forbiddenForNonOrganizer");
    world.patch(&path(&stored), json!({"colorId": "1"})).await.ok();
}

#[tokio::test]
async fn a_moved_event_leaves_a_tombstone() {
    let world = World::start().await;
    let other = world.post("calendars", json!({"summary": "Other"})).await.ok();
    let other = other["id"].as_str().unwrap();
    let stored = world.insert(meeting("Wanders", AT)).await;
    let (_, token) = world.list_all("").await;
    let moved = world.call(Method::POST, &format!("{}/move?destination={other}", path(&stored)), None).await.ok();
    assert_eq!((&moved["id"], moved["organizer"]["email"].as_str()), (&stored["id"], Some(other)));
    let (changed, _) = world.list_all(&format!("syncToken={token}")).await;
    assert_eq!(changed[0]["status"], "cancelled");
    let there = world.get(&format!("calendars/{other}/events")).await.ok();
    assert_eq!(ids(there["items"].as_array().unwrap()), [stored["id"].as_str().unwrap()]);
}

#[tokio::test]
async fn a_reader_may_not_write_and_does_not_see_private_details() {
    let mut world = World::start().await;
    let mut event = meeting("Secret", AT);
    event["visibility"] = json!("private");
    let stored = world.insert(event).await;
    let access = CalendarAccess { calendar: ADA.to_owned(), user: BEN.to_owned(), role: Some(AccessRole::Reader) };
    world.control.set_access(&access).unwrap();
    world.token = world.token_of(BEN);
    let path = format!("calendars/{ADA}/events");
    world.post(&path, meeting("Mine", AT)).await.fails(403, "requiredAccessLevel");
    let seen = world.get(&path).await.ok();
    assert_eq!(seen["accessRole"], "reader");
    assert!(seen["items"][0].get("summary").is_none());
    assert_eq!(seen["items"][0]["start"], stored["start"]);
}

#[tokio::test]
async fn a_conference_is_made_for_clients_that_say_they_know_of_it() {
    let world = World::start().await;
    let mut wanted = meeting("Review", AT);
    wanted["conferenceData"] = json!({"createRequest": {"requestId": "r1"}});
    let ignored = world.insert(wanted.clone()).await;
    assert_eq!((&ignored["conferenceData"], &ignored["hangoutLink"]), (&Value::Null, &Value::Null));
    world.post("calendars/primary/events?conferenceDataVersion=2", wanted.clone()).await.fails(400, "invalidParameter");

    let made = world.post("calendars/primary/events?conferenceDataVersion=1", wanted).await.ok();
    let link = made["hangoutLink"].as_str().unwrap();
    assert!(link.starts_with("https://meet.google.com/"), "{made}");
    assert_eq!(made["conferenceData"]["entryPoints"][0]["uri"], link);
    assert_eq!(made["conferenceData"]["conferenceSolution"]["key"]["type"], "hangoutsMeet");
    assert_eq!(made["conferenceData"]["createRequest"]["status"]["statusCode"], "success");

    // Who does not know of it takes nothing away, and who does, can.
    let replaced = world.call(Method::PUT, &path(&made), Some(meeting("Renamed", AT))).await.ok();
    assert_eq!(replaced["hangoutLink"], link);
    let without =
        world.patch(&format!("{}?conferenceDataVersion=1", path(&made)), json!({"conferenceData": null})).await.ok();
    assert_eq!((&without["conferenceData"], &without["hangoutLink"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn an_events_own_reminders_have_limits_and_do_not_stand_beside_the_calendars() {
    let world = World::start().await;
    let reminded = |reminders: Value| {
        let mut event = meeting("Mine", AT);
        event["reminders"] = reminders;
        event
    };
    let own = |reminder: Value, count: usize| reminded(json!({"overrides": vec![reminder; count]}));
    let popup = |minutes: i64| json!({"method": "popup", "minutes": minutes});

    let stored = world.insert(meeting("Mine", AT)).await;
    assert_eq!(stored["reminders"], json!({"useDefault": true}));
    for good in [own(popup(0), 5), own(popup(40_320), 1), own(json!({"method": "email", "minutes": 10}), 1)] {
        let stored = world.insert(good.clone()).await;
        assert_eq!(stored["reminders"]["overrides"], good["reminders"]["overrides"]);
        assert_eq!(stored["reminders"]["useDefault"], false);
    }
    let refused = [
        (own(popup(10), 6), "eventRemindersCountExceedsLimit"),
        (own(popup(-1), 1), "invalid"),
        (own(popup(40_321), 1), "invalid"),
        (own(json!({"method": "sms", "minutes": 10}), 1), "invalid"),
        (own(json!({"method": "popup"}), 1), "required"),
        (own(json!({"minutes": 10}), 1), "required"),
        (
            reminded(json!({"useDefault": true, "overrides": [popup(10)]})),
            "cannotUseDefaultRemindersAndSpecifyOverride",
        ),
    ];
    for (bad, reason) in refused {
        world.post("calendars/primary/events", bad.clone()).await.fails(400, reason);
        world.call(Method::PUT, &path(&stored), Some(bad)).await.fails(400, reason);
    }
    // A patch is put over what is there, the calendar's reminders included.
    let beside = json!({"reminders": {"overrides": [popup(10)]}});
    world.patch(&path(&stored), beside).await.fails(400, "cannotUseDefaultRemindersAndSpecifyOverride");
    let instead = json!({"reminders": {"useDefault": false, "overrides": [popup(10)]}});
    world.patch(&path(&stored), instead).await.ok();
    let default = world.patch(&path(&stored), json!({"reminders": null})).await.ok();
    assert_eq!(default["reminders"], json!({"useDefault": true}));
}

#[tokio::test]
async fn attachments_are_changed_by_clients_that_say_they_know_of_them() {
    let world = World::start().await;
    let attached = |count: usize| {
        let mut event = meeting("Review", AT);
        event["attachments"] = json!(vec![json!({"fileUrl": "https://drive.example/1", "title": "Plan"}); count]);
        event
    };
    let knowing = "calendars/primary/events?supportsAttachments=true";
    assert_eq!(world.insert(attached(1)).await["attachments"], Value::Null, "ignored");
    world.post(knowing, attached(26)).await.fails(400, "invalid");
    let mut nowhere = attached(1);
    nowhere["attachments"][0]["fileUrl"] = Value::Null;
    world.post(knowing, nowhere).await.fails(400, "required");

    let made = world.post(knowing, attached(25)).await.ok();
    assert_eq!(made["attachments"].as_array().unwrap().len(), 25);
    // Who does not know of them takes nothing away, and who does, can.
    let replaced = world.call(Method::PUT, &path(&made), Some(meeting("Renamed", AT))).await.ok();
    assert_eq!(replaced["attachments"], made["attachments"]);
    let patched = world.patch(&path(&made), attached(1)).await.ok();
    assert_eq!(patched["attachments"], made["attachments"]);
    let knowing = format!("{}?supportsAttachments=true", path(&made));
    let replaced = world.call(Method::PUT, &knowing, Some(meeting("Renamed", AT))).await.ok();
    assert_eq!(replaced["attachments"], Value::Null);
}
