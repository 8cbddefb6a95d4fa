//! Series, instances and exceptions.

use evercal_simulator::Quirks;
use serde_json::{Value, json};

use crate::support::{World, ids, meeting, weekly};

const START: &str = "2026-03-16T09:00:00";

async fn instances(world: &World, master: &Value, query: &str) -> Vec<Value> {
    let id = master["id"].as_str().unwrap();
    let page = world.get(&format!("calendars/primary/events/{id}/instances?{query}")).await.ok();
    page["items"].as_array().unwrap().clone()
}

fn event(id: &str) -> String {
    format!("calendars/primary/events/{id}")
}

#[tokio::test]
async fn instance_ids_are_made_of_the_master_and_the_original_start_in_utc() {
    let world = World::start().await;
    let master = world.insert(weekly("Series", START, 3)).await;
    let id = master["id"].as_str().unwrap();
    let found = instances(&world, &master, "").await;
    let expected = ["20260316T080000Z", "20260323T080000Z", "20260330T070000Z"].map(|at| format!("{id}_{at}"));
    assert_eq!(ids(&found), expected);
    assert_eq!(found[2]["start"]["dateTime"], "2026-03-30T09:00:00+02:00");
    assert_eq!(found[2]["iCalUID"], master["iCalUID"]);
    let alone = world.get(&event(&expected[2])).await.ok();
    assert_eq!(alone, found[2]);
    world.get(&event(&format!("{id}_20260331T070000Z"))).await.fails(404, "notFound");
}

#[tokio::test]
async fn a_patched_instance_becomes_an_exception_with_its_original_start() {
    let world = World::start().await;
    let master = world.insert(weekly("Series", START, 3)).await;
    let second = instances(&world, &master, "").await[1].clone();
    let (_, token) = world.list_all("").await;
    let change = meeting("Moved", "2026-03-24T11:00:00");
    let moved = world.patch(&event(second["id"].as_str().unwrap()), change).await.ok();
    assert_eq!(moved["originalStartTime"], second["start"]);
    assert!(moved.get("recurrence").is_none());
    let (changed, _) = world.list_all(&format!("syncToken={token}")).await;
    assert_eq!(ids(&changed), [second["id"].as_str().unwrap()]);
    let (full, _) = world.list_all("").await;
    assert_eq!(full.len(), 2, "the master and its exception");
}

#[tokio::test]
async fn a_cancelled_instance_carries_only_what_is_sure_and_stays_in_full_lists() {
    let world = World::start().await;
    let master = world.insert(weekly("Series", START, 3)).await;
    let second = instances(&world, &master, "").await[1].clone();
    let id = second["id"].as_str().unwrap();
    assert_eq!(world.delete(&event(id)).await.status, 204);
    world.delete(&event(id)).await.fails(410, "deleted");
    let (full, _) = world.list_all("").await;
    let fields: Vec<&String> = full[1].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["etag", "id", "kind", "originalStartTime", "recurringEventId", "status"]);
    assert_eq!(world.list_all("singleEvents=true").await.0.len(), 2);
    assert_eq!(instances(&world, &master, "showDeleted=true").await.len(), 3);
}

#[tokio::test]
async fn a_cancelled_instance_comes_back_by_patch() {
    let world = World::start().await;
    let master = world.insert(weekly("Series", START, 3)).await;
    let id = format!("{}_20260323T080000Z", master["id"].as_str().unwrap());
    world.delete(&event(&id)).await.ok();
    let back = world.patch(&event(&id), json!({"status": "confirmed"})).await.ok();
    assert_eq!((back["summary"].as_str(), back["status"].as_str()), (Some("Series"), Some("confirmed")));
}

#[tokio::test]
async fn a_deleted_series_takes_its_exceptions_along() {
    for silent in [false, true] {
        let world = World::start().await;
        world.control.set_quirks(Quirks { silent_exception_removal: silent, ..Quirks::default() }).unwrap();
        let master = world.insert(weekly("Series", START, 3)).await;
        let id = master["id"].as_str().unwrap();
        let exception = format!("{id}_20260323T080000Z");
        world.patch(&event(&exception), json!({"summary": "Other"})).await.ok();
        let (_, token) = world.list_all("").await;
        world.delete(&event(id)).await.ok();
        assert_eq!(world.list_all("").await.0.len(), 0);
        let (changed, _) = world.list_all(&format!("syncToken={token}")).await;
        let expected = if silent { vec![id] } else { vec![exception.as_str(), id] };
        assert_eq!(ids(&changed), expected, "silent: {silent}");
        assert!(changed.iter().all(|item| item["status"] == "cancelled"));
    }
}

#[tokio::test]
async fn a_series_that_is_moved_loses_the_exceptions_that_no_longer_fit() {
    let world = World::start().await;
    let master = world.insert(weekly("Series", START, 3)).await;
    let id = master["id"].as_str().unwrap();
    let exception = format!("{id}_20260323T080000Z");
    world.patch(&event(&exception), json!({"summary": "Other"})).await.ok();
    world.patch(&event(id), json!({"summary": "Renamed"})).await.ok();
    assert_eq!(world.get(&event(&exception)).await.ok()["summary"], "Other");
    world.patch(&event(id), meeting("Renamed", "2026-03-16T10:00:00")).await.ok();
    assert_eq!(world.get(&event(&exception)).await.ok()["status"], "cancelled");
    let found = instances(&world, &master, "").await;
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|item| item["summary"] == "Renamed"));
}

#[tokio::test]
async fn an_all_day_series_has_dates_and_an_exclusive_end() {
    let world = World::start().await;
    let body = json!({"summary": "Days", "start": {"date": "2026-03-28"}, "end": {"date": "2026-03-30"},
        "recurrence": ["RRULE:FREQ=MONTHLY;COUNT=2"]});
    let master = world.insert(body).await;
    let found = instances(&world, &master, "").await;
    assert_eq!(
        (&found[1]["start"], &found[1]["end"]),
        (&json!({"date": "2026-04-28"}), &json!({"date": "2026-04-30"}))
    );
    assert!(found[1]["id"].as_str().unwrap().ends_with("_20260428"));
}

#[tokio::test]
async fn an_endless_series_is_bounded_in_expanded_lists() {
    let world = World::start().await;
    let mut endless = meeting("Daily", START);
    endless["recurrence"] = json!(["RRULE:FREQ=DAILY"]);
    world.insert(endless).await;
    assert_eq!(world.list_all("singleEvents=true&maxResults=2500").await.0.len(), 730);
    let window = "singleEvents=true&timeMin=2030-01-01T00:00:00Z&timeMax=2030-01-08T00:00:00Z";
    assert_eq!(world.list_all(window).await.0.len(), 7);
}

#[tokio::test]
async fn instances_come_in_pages_and_by_original_start() {
    let world = World::start().await;
    let master = world.insert(weekly("Series", START, 5)).await;
    let path = format!("calendars/primary/events/{}/instances?maxResults=2", master["id"].as_str().unwrap());
    let mut seen = Vec::new();
    let mut page = world.get(&path).await.ok();
    loop {
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(token) = page["nextPageToken"].as_str() else { break };
        page = world.get(&format!("{path}&pageToken={token}")).await.ok();
    }
    assert_eq!(seen.len(), 5);
    let found = instances(&world, &master, "originalStart=2026-03-30T07:00:00Z").await;
    assert_eq!(ids(&found), [ids(&seen)[2]]);
}
