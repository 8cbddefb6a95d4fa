//! What makes life hard for clients: readers who see only when somebody is busy, addresses that change, series that come
//! back, and one instance that changes all.

use evercal_simulator::{AccessRole, AddressChange, CalendarAccess, Quirks};
use serde_json::{Value, json};

use crate::support::{ADA, BEN, World, answer, ids, meeting, object, weekly};

const START: &str = "2026-03-16T09:00:00";

/// Ben's view of Ada's calendar, all pages of it.
async fn as_ben(world: &World, query: &str) -> (Vec<Value>, String) {
    let token = world.token_of(BEN);
    let (mut items, mut page_token) = (Vec::new(), String::new());
    loop {
        let url = format!("{}calendars/{ADA}/events?{query}{page_token}", world.simulator.base_url());
        let page = answer(world.http.get(url).bearer_auth(&token)).await.ok();
        items.extend(page["items"].as_array().unwrap().clone());
        if let Some(token) = page["nextSyncToken"].as_str() {
            return (items, token.to_owned());
        }
        page_token = format!("&pageToken={}", page["nextPageToken"].as_str().unwrap());
    }
}

async fn with_free_busy_reader(quirks: Quirks) -> World {
    let world = World::start().await;
    world.control.set_quirks(quirks).unwrap();
    let role = Some(AccessRole::FreeBusyReader);
    world.control.set_access(&CalendarAccess { calendar: ADA.to_owned(), user: BEN.to_owned(), role }).unwrap();
    world
}

fn by_id(items: &[Value]) -> std::collections::BTreeMap<String, Value> {
    items.iter().map(|item| (item["id"].as_str().unwrap().to_owned(), item.clone())).collect()
}

#[tokio::test]
async fn a_free_busy_reader_gets_single_instances_years_ahead_and_no_series() {
    for free_busy_without_original_start in [false, true] {
        let world = with_free_busy_reader(Quirks { free_busy_without_original_start, ..Quirks::default() }).await;
        let mut endless = meeting("Secret", START);
        endless["recurrence"] = json!(["RRULE:FREQ=MONTHLY"]);
        let master = world.insert(endless).await;
        world.insert(meeting("Alone", START)).await;
        let (items, _) = as_ben(&world, "maxResults=7").await;
        let id = master["id"].as_str().unwrap();
        let instances: Vec<&Value> = items.iter().filter(|item| item["recurringEventId"] == id).collect();
        assert!(instances.len() > 48, "{} instances", instances.len());
        assert_eq!(items.len(), instances.len() + 1, "the other event is there once, the series is not");
        assert_eq!(instances[0]["id"], format!("{id}_20260316T080000Z"));
        for instance in &items {
            assert_eq!((instance.get("summary"), instance.get("recurrence")), (None, None));
            let says_its_place = instance.get("recurringEventId").is_some() && !free_busy_without_original_start;
            assert_eq!(instance.get("originalStartTime").is_some(), says_its_place, "{instance}");
        }
        assert_eq!(by_id(&items).len(), items.len(), "no page repeats another one");
    }
}

/// Whatever happens to the series: the sum of the increments is what a full list shows.
#[tokio::test]
async fn the_increments_of_a_free_busy_reader_say_which_instances_are_no_more() {
    for silent in [false, true] {
        let world = with_free_busy_reader(Quirks { silent_exception_removal: silent, ..Quirks::default() }).await;
        let master = world.insert(weekly("Series", START, 20)).await;
        let id = master["id"].as_str().unwrap();
        let event = |id: &str| format!("calendars/primary/events/{id}");
        let (first, mut token) = as_ben(&world, "").await;
        let mut known = by_id(&first);
        assert_eq!(known.len(), 20);
        for step in 0..7 {
            match step {
                0 => world.patch(&event(&format!("{id}_20260323T080000Z")), meeting("", "2026-03-24T11:00:00")).await,
                1 => world.delete(&event(&format!("{id}_20260330T070000Z"))).await,
                2 => world.patch(&event(id), meeting("Series", "2026-03-16T10:00:00")).await,
                3 => world.patch(&event(id), json!({"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=5"]})).await,
                4 => world.delete(&event(id)).await,
                5 => world.patch(&event(id), json!({"status": "confirmed"})).await,
                _ => world.patch(&event(id), json!({"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=9"]})).await,
            };
            let (changed, next) = as_ben(&world, &format!("maxResults=2&syncToken={token}")).await;
            token = next;
            for (id, item) in by_id(&changed) {
                if item["status"] == "cancelled" {
                    known.remove(&id);
                } else {
                    known.insert(id, item);
                }
            }
            let (full, _) = as_ben(&world, "").await;
            assert_eq!(known, by_id(&full), "step {step}, silent: {silent}");
            let resources = world.control.resources(ADA, Some(BEN)).unwrap();
            let resources: Vec<Value> = resources.into_iter().map(Value::Object).collect();
            assert_eq!(by_id(&resources), by_id(&full));
        }
        assert_eq!(known.len(), 9);
    }
}

#[tokio::test]
async fn the_exceptions_of_a_series_come_back_with_it() {
    for silent in [false, true] {
        let world = World::start().await;
        world.control.set_quirks(Quirks { silent_exception_removal: silent, ..Quirks::default() }).unwrap();
        let master = world.insert(weekly("Series", START, 4)).await;
        let id = master["id"].as_str().unwrap();
        let event = |id: &str| format!("calendars/primary/events/{id}");
        let (moved, cancelled) = (format!("{id}_20260323T080000Z"), format!("{id}_20260330T070000Z"));
        world.patch(&event(&moved), meeting("Moved", "2026-03-24T11:00:00")).await.ok();
        world.delete(&event(&cancelled)).await.ok();
        let stable = |items: Vec<Value>| {
            let without_marks = |mut item: Value| {
                for name in ["etag", "updated"] {
                    item.as_object_mut().unwrap().remove(name);
                }
                item
            };
            by_id(&items.into_iter().map(without_marks).collect::<Vec<_>>())
        };
        let before = stable(world.list_all("").await.0);
        world.delete(&event(id)).await.ok();
        let (gone, token) = world.list_all("").await;
        assert_eq!(gone.len(), 0);
        let back = world.patch(&event(id), json!({"status": "confirmed"})).await.ok();
        assert_eq!((&back["summary"], &back["recurrence"]), (&master["summary"], &master["recurrence"]));
        assert_eq!(stable(world.list_all("").await.0), before, "silent: {silent}");
        let (listed, _) = world.list_all(&format!("syncToken={token}")).await;
        assert_eq!(ids(&listed), [moved.as_str(), cancelled.as_str(), id], "the exceptions are listed, and first");
    }
}

#[tokio::test]
async fn one_instance_that_becomes_private_makes_the_series_private_and_none_makes_it_public() {
    let world = World::start().await;
    let master = world.insert(weekly("Series", START, 3)).await;
    let id = master["id"].as_str().unwrap();
    let instance = |at: &str| format!("calendars/primary/events/{id}_{at}");
    let visibility = async |path: &str| world.get(path).await.ok()["visibility"].clone();
    world.patch(&instance("20260323T080000Z"), json!({"summary": "Other"})).await.ok();
    world.patch(&instance("20260316T080000Z"), json!({"visibility": "private"})).await.ok();
    for path in [format!("calendars/primary/events/{id}"), instance("20260323T080000Z"), instance("20260330T070000Z")] {
        assert_eq!(visibility(&path).await, "private", "{path}");
    }
    world.patch(&instance("20260323T080000Z"), json!({"visibility": "public"})).await.ok();
    assert_eq!(visibility(&instance("20260323T080000Z")).await, "private");
    assert_eq!(world.get(&instance("20260323T080000Z")).await.ok()["summary"], "Other");
}

#[tokio::test]
async fn a_changed_address_is_the_primary_calendars_new_id_and_the_grant_stays() {
    for keeps_alias in [false, true] {
        let world = World::start().await;
        let event = world.insert(meeting("Before", START)).await;
        let (_, token) = world.list_all("").await;
        let email = "lovelace@example.com".to_owned();
        world.control.change_address(ADA, &AddressChange { email: email.clone(), keeps_alias }).unwrap();
        let list = world.get("users/me/calendarList").await.ok();
        let entry = &list["items"][0];
        assert_eq!((&entry["id"], &entry["primary"], &entry["summary"]), (&json!(email), &json!(true), &json!(email)));
        let by_new = world.get(&format!("calendars/{email}/events?syncToken={token}")).await.ok();
        assert_eq!(by_new["items"], json!([]), "the same calendar, and nothing of it changed");
        assert_eq!(world.get("calendars/primary").await.ok()["id"], email);
        let by_old = world.get(&format!("calendars/{ADA}/events")).await;
        if keeps_alias {
            assert_eq!(by_old.ok()["items"][0]["id"], event["id"]);
        } else {
            by_old.fails(404, "notFound");
        }
        world.control.insert_event(&email, object(&meeting("After", START))).unwrap();
        assert_eq!(world.control.truth(ADA).unwrap().events.len(), 2, "the control API knows both");
        let taken = AddressChange { email: BEN.to_owned(), keeps_alias };
        assert!(world.control.change_address(&email, &taken).is_err());
        // And back again.
        world.control.change_address(&email, &AddressChange { email: ADA.to_owned(), keeps_alias }).unwrap();
        world.get(&format!("calendars/{ADA}/events")).await.ok();
    }
}
