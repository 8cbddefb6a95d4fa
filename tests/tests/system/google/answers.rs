//! An event's fields, from the provider to the API.

use evercal_http::Method;
use evercal_tests::{Google, USER, World, eventually};
use serde_json::{Map, Value, json};

use super::control;

const DAY: &str = "2027-03-02";

fn meeting(title: &str, more: &Value) -> Map<String, Value> {
    let time = |hour: &str| json!({"dateTime": format!("{DAY}T{hour}:00:00Z"), "timeZone": "Europe/Berlin"});
    let mut event = json!({"summary": title, "start": time("09"), "end": time("10")});
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event.as_object().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conference_and_an_invitation_that_was_declined_reach_the_reader() {
    let world = World::start::<Google>().await;
    let (_, calendar) = world.connect_and_mirror().await;
    let own_answer = |answer: &str| json!({"attendees": [{"email": USER, "responseStatus": answer}]});
    let zoom = json!({"conferenceData": {
        "conferenceSolution": {"key": {"type": "addOn"}, "name": "Zoom Meeting"},
        "entryPoints": [{"entryPointType": "video", "uri": "https://zoom.example/j/1"}],
    }});
    for event in [
        meeting("meet", &json!({"conferenceData": {"createRequest": {"requestId": "r"}}})),
        meeting("zoom", &zoom),
        meeting("declined", &own_answer("declined")),
        meeting("accepted", &own_answer("accepted")),
    ] {
        control(&world).insert_event(USER, event).unwrap();
    }
    let path = format!("/v1/calendars/{calendar}/events?from={DAY}T00:00:00Z&to={DAY}T23:00:00Z&limit=500");
    let read = async || {
        let answer = world.api(Method::GET, &path, None).await.unwrap();
        let items = answer["items"].as_array().unwrap().clone();
        move |title: &str| items.iter().find(|item| item["title"] == title).cloned()
    };
    eventually("all are mirrored", || async {
        let found = read().await;
        let missing: Vec<_> =
            ["meet", "zoom", "declined", "accepted"].into_iter().filter(|title| found(title).is_none()).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    })
    .await;
    let found = read().await;
    let meet = found("meet").unwrap();
    assert_eq!(meet["conference"]["kind"], "google_meet");
    assert!(meet["conference"]["url"].as_str().unwrap().starts_with("https://meet.google.com/"), "{meet}");
    assert_eq!(found("zoom").unwrap()["conference"], json!({"url": "https://zoom.example/j/1", "kind": "third_party"}));
    assert_eq!(found("accepted").unwrap()["conference"], Value::Null);
    assert_eq!(
        (&found("declined").unwrap()["busy"], &found("accepted").unwrap()["busy"]),
        (&json!(false), &json!(true))
    );
    world.end().await;
}

/// Google has such stamps, of events that were imported.
#[tokio::test(flavor = "multi_thread")]
async fn stamps_of_the_years_0_and_9999_are_no_stamps_to_the_reader() {
    let world = World::start::<Google>().await;
    let (_, calendar) = world.connect_and_mirror().await;
    let (first, last, made) = ("0000-12-29T00:00:00.000Z", "9999-12-31T23:59:59.000Z", "2026-11-02T08:00:00.000Z");
    for (id, created, updated) in [("odd1", first, last), ("odd2", last, first), ("usual1", made, made)] {
        let event = meeting(id, &json!({"id": id, "status": "confirmed", "created": created, "updated": updated}));
        control(&world).put_raw_event(USER, event).unwrap();
    }
    let path = format!("/v1/calendars/{calendar}/events?from={DAY}T00:00:00Z&to={DAY}T23:00:00Z&limit=500");
    let page = eventually("all are mirrored", || async {
        let page = world.api(Method::GET, &path, None).await.unwrap();
        let titles: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| item["title"].clone()).collect();
        if ["odd1", "odd2", "usual1"].iter().all(|title| titles.contains(&json!(title))) {
            Ok(page)
        } else {
            Err(titles)
        }
    })
    .await;
    for (id, expected) in [("odd1", Value::Null), ("odd2", Value::Null), ("usual1", json!("2026-11-02T08:00:00Z"))] {
        let of_list = page["items"].as_array().unwrap().iter().find(|item| item["event_id"] == id).unwrap().clone();
        let alone = world.api(Method::GET, &format!("/v1/calendars/{calendar}/events/{id}"), None).await.unwrap();
        for shown in [of_list, alone] {
            assert_eq!((&shown["created_at"], &shown["updated_at"]), (&expected, &expected), "{shown:#}");
            assert!(!["\"0000-", "\"9999-"].iter().any(|year| shown.to_string().contains(year)), "{shown:#}");
        }
    }
    world.end().await;
}
