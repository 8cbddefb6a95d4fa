//! `events.list` and `calendarList.list`: paging, sync tokens, windows.

use evercal_simulator::{AccessRole, BulkChanges, CalendarAccess, ChangeKind, ChangeNotices, Quirks};
use serde_json::{Value, json};

use crate::support::{ADA, BEN, World, ids, meeting, object, weekly};

fn bulk(count: u32, seed: u64) -> BulkChanges {
    BulkChanges {
        calendar: ADA.to_owned(),
        count,
        seed,
        kinds: Vec::new(),
        spacing_ms: 0,
        notices: ChangeNotices::Each,
    }
}

async fn world_with_events(count: u32) -> World {
    let world = World::start().await;
    for number in 0..count {
        world.insert(meeting(&format!("Event {number}"), "2026-03-02T09:00:00")).await;
    }
    world
}

#[tokio::test]
async fn paging_gives_each_event_once_and_a_sync_token_on_the_last_page_only() {
    let world = world_with_events(25).await;
    let (items, _) = world.list_all("maxResults=10").await;
    let mut seen = ids(&items);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 25);
}

#[tokio::test]
async fn a_page_has_250_events_unless_asked_and_2500_at_most() {
    let world = World::start().await;
    let inserts = BulkChanges { kinds: vec![ChangeKind::Insert], ..bulk(2_600, 1) };
    world.control.make_changes(&inserts).await.unwrap();
    let size = |page: &Value| page["items"].as_array().unwrap().len();
    assert_eq!(size(&world.list("").await.ok()), 250);
    assert_eq!(size(&world.list("maxResults=9999").await.ok()), 2_500);
    world.list("maxResults=0").await.fails(400, "invalidParameter");
}

#[tokio::test]
async fn an_event_added_while_paging_comes_with_the_next_sync_token() {
    let world = world_with_events(4).await;
    let first = world.list("maxResults=3").await.ok();
    let added = world.insert(meeting("Late", "2026-03-02T09:00:00")).await;
    let page_token = first["nextPageToken"].as_str().unwrap();
    let last = world.list(&format!("maxResults=3&pageToken={page_token}")).await.ok();
    assert_eq!(last["items"].as_array().unwrap().len(), 1);
    let sync_token = last["nextSyncToken"].as_str().unwrap();
    let (changed, _) = world.list_all(&format!("syncToken={sync_token}")).await;
    assert_eq!(ids(&changed), [added["id"].as_str().unwrap()]);
}

#[tokio::test]
async fn an_event_changed_while_paging_is_neither_lost_nor_repeated() {
    let world = world_with_events(6).await;
    let first = world.list("maxResults=3").await.ok();
    let (all, _) = world.list_all("").await;
    // One that was on the first page already, and one that is still to come.
    for index in [0, 5] {
        let id = all[index]["id"].as_str().unwrap();
        world.patch(&format!("calendars/primary/events/{id}"), json!({"summary": "Changed"})).await.ok();
    }
    let page_token = first["nextPageToken"].as_str().unwrap();
    let last = world.list(&format!("maxResults=3&pageToken={page_token}")).await.ok();
    let mut seen = ids(first["items"].as_array().unwrap());
    seen.extend(ids(last["items"].as_array().unwrap()));
    assert_eq!(seen, ids(&all));
    let sync_token = last["nextSyncToken"].as_str().unwrap();
    let (changed, _) = world.list_all(&format!("syncToken={sync_token}")).await;
    assert_eq!(ids(&changed), [seen[0], seen[5]]);
}

#[tokio::test]
async fn a_page_token_belongs_to_its_query() {
    let world = world_with_events(4).await;
    let first = world.list("maxResults=3").await.ok();
    let page_token = first["nextPageToken"].as_str().unwrap();
    world.list(&format!("maxResults=3&showDeleted=true&pageToken={page_token}")).await.fails(400, "invalid");
    world.list("pageToken=nonsense").await.fails(400, "invalid");
}

#[tokio::test]
async fn a_page_token_that_has_ended_is_called_invalid_by_its_message_alone() {
    let world = world_with_events(4).await;
    let first = world.list("maxResults=3").await.ok();
    let page_token = first["nextPageToken"].as_str().unwrap();
    world.control.expire_page_tokens(ADA).unwrap();
    let refused = world.list(&format!("maxResults=3&pageToken={page_token}")).await;
    let entry = json!({"domain": "global", "reason": "invalid", "message": "Invalid page token value."});
    assert_eq!((refused.status, &refused.json["error"]["errors"]), (400, &json!([entry])));
    let first = world.list("maxResults=3").await.ok();
    world.list(&format!("maxResults=3&pageToken={}", first["nextPageToken"].as_str().unwrap())).await.ok();
}

#[tokio::test]
async fn parameters_that_are_forbidden_with_a_sync_token_are_refused() {
    let world = world_with_events(1).await;
    let (_, token) = world.list_all("").await;
    for parameter in [
        "iCalUID=x",
        "orderBy=updated",
        "privateExtendedProperty=a%3Db",
        "q=x",
        "sharedExtendedProperty=a%3Db",
        "timeMin=2026-01-01T00:00:00Z",
        "timeMax=2026-01-01T00:00:00Z",
        "updatedMin=2026-01-01T00:00:00Z",
        "showDeleted=false",
    ] {
        world.list(&format!("syncToken={token}&{parameter}")).await.fails(400, "badRequest");
    }
    world.list(&format!("syncToken={token}&showDeleted=true")).await.ok();
}

#[tokio::test]
async fn an_increment_with_other_parameters_than_the_full_list_is_refused() {
    let world = world_with_events(1).await;
    let (_, token) = world.list_all("").await;
    world.list(&format!("syncToken={token}&singleEvents=true")).await.fails(400, "invalid");
    world.list(&format!("syncToken={token}&singleEvents=false&maxResults=5")).await.ok();
}

#[tokio::test]
async fn a_sync_token_that_was_changed_or_is_of_another_calendar_is_refused() {
    let world = world_with_events(1).await;
    let (_, token) = world.list_all("").await;
    world.list(&format!("syncToken=x{token}")).await.fails(400, "invalid");
    let other = world.post("calendars", json!({"summary": "Other"})).await.ok();
    let id = other["id"].as_str().unwrap();
    world.get(&format!("calendars/{id}/events?syncToken={token}")).await.fails(400, "invalid");
}

#[tokio::test]
async fn expired_sync_tokens_need_a_full_sync() {
    let world = world_with_events(1).await;
    let (_, token) = world.list_all("").await;
    world.control.expire_sync_tokens(ADA).unwrap();
    world.list(&format!("syncToken={token}")).await.fails(410, "fullSyncRequired");
    let (_, token) = world.list_all("").await;
    world.list(&format!("syncToken={token}")).await.ok();
}

#[tokio::test]
async fn a_changed_acl_ends_sync_tokens_too() {
    let world = world_with_events(1).await;
    let (_, token) = world.list_all("").await;
    let access = CalendarAccess { calendar: ADA.to_owned(), user: BEN.to_owned(), role: Some(AccessRole::Reader) };
    world.control.set_access(&access).unwrap();
    world.list(&format!("syncToken={token}")).await.fails(410, "fullSyncRequired");
}

#[tokio::test]
async fn a_shortened_history_ends_older_tokens_and_forgets_tombstones() {
    let world = world_with_events(2).await;
    let (items, token) = world.list_all("").await;
    world.delete(&format!("calendars/primary/events/{}", ids(&items)[0])).await.ok();
    world.control.shorten_history(ADA).unwrap();
    world.list(&format!("syncToken={token}")).await.fails(410, "fullSyncRequired");
    let (all, fresh) = world.list_all("showDeleted=true").await;
    assert_eq!(ids(&all), [ids(&items)[1]]);
    world.list(&format!("syncToken={fresh}")).await.ok();
}

#[tokio::test]
async fn deleted_events_come_in_increments_and_with_show_deleted_only() {
    let world = world_with_events(2).await;
    let (items, token) = world.list_all("").await;
    let id = ids(&items)[0];
    world.delete(&format!("calendars/primary/events/{id}")).await.ok();
    let (changed, _) = world.list_all(&format!("syncToken={token}")).await;
    assert_eq!((ids(&changed), changed[0]["status"].as_str()), (vec![id], Some("cancelled")));
    assert_eq!(world.list_all("").await.0.len(), 1);
    assert_eq!(world.list_all("showDeleted=true").await.0.len(), 2);
}

#[tokio::test]
async fn tombstones_may_carry_nothing_but_their_id() {
    let world = world_with_events(1).await;
    let (items, token) = world.list_all("").await;
    world.control.set_quirks(Quirks { id_only_tombstones: true, ..Quirks::default() }).unwrap();
    world.delete(&format!("calendars/primary/events/{}", ids(&items)[0])).await.ok();
    let (changed, _) = world.list_all(&format!("syncToken={token}")).await;
    let fields: Vec<&String> = changed[0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["etag", "id", "kind", "status"]);
}

#[tokio::test]
async fn pages_may_be_empty_and_go_on() {
    let world = world_with_events(5).await;
    world.control.set_quirks(Quirks { empty_page_every: 2, ..Quirks::default() }).unwrap();
    world.list("maxResults=2").await.ok();
    let empty = world.list("maxResults=2").await.ok();
    assert_eq!(empty["items"], json!([]));
    assert!(empty["nextPageToken"].is_string());
    assert_eq!(world.list_all("maxResults=2").await.0.len(), 5);
}

#[tokio::test]
async fn pages_may_have_fewer_items_than_asked_for() {
    let world = world_with_events(5).await;
    world.control.set_quirks(Quirks { page_items_max: 2, ..Quirks::default() }).unwrap();
    let page = world.list("maxResults=2500").await.ok();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert_eq!(world.list_all("maxResults=2500").await.0.len(), 5);
}

#[tokio::test]
async fn time_min_bounds_the_end_and_time_max_the_start_both_exclusive() {
    let world = World::start().await;
    world.insert(meeting("Nine to ten", "2026-03-02T09:00:00")).await;
    // 09:00 to 10:00 in Berlin is 08:00 to 09:00 UTC.
    for (window, found) in [
        ("timeMin=2026-03-02T09:00:00Z", 0),
        ("timeMin=2026-03-02T08:59:59Z", 1),
        ("timeMin=2026-03-02T08:59:59.999Z", 1),
        ("timeMax=2026-03-02T08:00:00Z", 0),
        ("timeMax=2026-03-02T08:00:01Z", 1),
        ("timeMin=2026-03-02T09:30:00%2B01:00", 1),
    ] {
        assert_eq!(world.list_all(window).await.0.len(), found, "{window}");
    }
    world.list("timeMin=2026-03-02T08:00:00Z&timeMax=2026-03-02T08:00:00Z").await.fails(400, "timeRangeEmpty");
    world.list("timeMin=2026-03-02T08:00:00").await.fails(400, "invalidParameter");
}

#[tokio::test]
async fn a_window_keeps_a_series_that_still_has_occurrences_in_it() {
    let world = World::start().await;
    world.insert(weekly("Series", "2026-03-02T09:00:00", 3)).await;
    assert_eq!(world.list_all("timeMin=2026-03-10T00:00:00Z").await.0.len(), 1);
    assert_eq!(world.list_all("timeMin=2026-03-17T00:00:00Z").await.0.len(), 0);
}

#[tokio::test]
async fn a_minimum_update_time_too_far_back_is_gone() {
    let world = world_with_events(1).await;
    world.list("updatedMin=2011-01-01T00:00:00Z").await.fails(410, "updatedMinTooLongAgo");
}

#[tokio::test]
async fn order_by_start_time_needs_single_events() {
    let world = World::start().await;
    world.insert(meeting("Second", "2026-03-03T09:00:00")).await;
    world.insert(meeting("First", "2026-03-02T09:00:00")).await;
    world.list("orderBy=startTime").await.fails(400, "badRequest");
    let page = world.list("orderBy=startTime&singleEvents=true").await.ok();
    assert_eq!(page["items"][0]["summary"], "First");
    assert!(page.get("nextSyncToken").is_none());
}

#[tokio::test]
async fn sorted_pages_continue_after_the_last_entry() {
    let world = World::start().await;
    world.insert(weekly("Series", "2026-03-02T09:00:00", 5)).await;
    let first = world.list("orderBy=startTime&singleEvents=true&maxResults=3").await.ok();
    let page_token = first["nextPageToken"].as_str().unwrap();
    let query = format!("orderBy=startTime&singleEvents=true&maxResults=3&pageToken={page_token}");
    let last = world.list(&query).await.ok();
    assert_eq!(last["items"].as_array().unwrap().len(), 2);
    assert!(last["items"][1]["id"].as_str().unwrap().ends_with("_20260330T070000Z"));
}

#[tokio::test]
async fn filters_match_text_properties_and_types() {
    let world = World::start().await;
    let mut event = meeting("Blue whale", "2026-03-02T09:00:00");
    event["extendedProperties"] = json!({"private": {"job": "7"}});
    let uid = world.insert(event).await["iCalUID"].as_str().unwrap().to_owned();
    world.insert(meeting("Other", "2026-03-02T09:00:00")).await;
    for (query, found) in [
        ("q=WHALE", 1),
        ("privateExtendedProperty=job%3D7", 1),
        ("sharedExtendedProperty=job%3D7", 0),
        ("eventTypes=focusTime", 0),
        ("eventTypes=focusTime&eventTypes=default", 2),
    ] {
        assert_eq!(world.list_all(query).await.0.len(), found, "{query}");
    }
    assert_eq!(world.list_all(&format!("iCalUID={uid}")).await.0.len(), 1);
}

#[tokio::test]
async fn too_many_attendees_are_left_out() {
    let world = World::start().await;
    let mut event = meeting("Crowd", "2026-03-02T09:00:00");
    event["attendees"] = json!([{"email": ADA}, {"email": BEN}, {"email": "cy@example.com"}]);
    world.insert(event).await;
    let item = &world.list("maxAttendees=2").await.ok()["items"][0];
    assert_eq!(item["attendeesOmitted"], true);
    assert_eq!(item["attendees"][0]["email"], ADA);
    assert_eq!(item["attendees"].as_array().unwrap().len(), 1);
}

/// Applies lists as a mirror does.
#[derive(Default)]
struct Mirror(std::collections::BTreeMap<String, Value>);

impl Mirror {
    fn apply(&mut self, items: Vec<Value>) {
        for item in items {
            let id = item["id"].as_str().unwrap().to_owned();
            let is_exception = item.get("recurringEventId").is_some();
            if item["status"] == "cancelled" && !is_exception {
                self.0.remove(&id);
                self.0.retain(|_, kept| kept["recurringEventId"] != id.as_str());
            } else {
                self.0.insert(id, item);
            }
        }
        // A cancelled exception counts only while its series lives.
        let masters: Vec<String> = self.0.keys().cloned().collect();
        self.0.retain(|_, kept| {
            kept["status"] != "cancelled" || masters.iter().any(|master| kept["recurringEventId"] == master.as_str())
        });
    }
}

#[tokio::test]
async fn a_mirror_that_follows_sync_tokens_equals_the_truth() {
    for seed in 0..4 {
        let world = World::start().await;
        if seed % 2 == 1 {
            let quirks = Quirks {
                empty_page_every: 3,
                page_items_max: 4,
                id_only_tombstones: true,
                silent_exception_removal: true,
                ..Quirks::default()
            };
            world.control.set_quirks(quirks).unwrap();
        }
        world.control.make_changes(&bulk(150, seed)).await.unwrap();
        let mut mirror = Mirror::default();
        let (items, mut token) = world.list_all("maxResults=40").await;
        mirror.apply(items);
        for round in 1..6 {
            world.control.make_changes(&bulk(60, seed + 100 * round)).await.unwrap();
            let (changed, next) = world.list_all(&format!("maxResults=17&syncToken={token}")).await;
            mirror.apply(changed);
            token = next;
            let expected = world
                .control
                .resources(ADA, None)
                .unwrap()
                .into_iter()
                .map(|event| (event["id"].as_str().unwrap().to_owned(), Value::Object(event)))
                .collect();
            assert_eq!(mirror.0, expected, "seed {seed}, round {round}");
        }
    }
}

#[tokio::test]
async fn the_calendar_list_has_its_own_sync_tokens() {
    let world = World::start().await;
    let list = world.get("users/me/calendarList").await.ok();
    assert_eq!(list["items"][0]["primary"], true);
    let token = list["nextSyncToken"].as_str().unwrap();
    let made = world.post("calendars", json!({"summary": "New"})).await.ok();
    let id = made["id"].as_str().unwrap();
    let changed = world.get(&format!("users/me/calendarList?syncToken={token}")).await.ok();
    assert_eq!(ids(changed["items"].as_array().unwrap()), [id]);
    // Properties of the calendar itself, such as its title, are no change of the list.
    let token = changed["nextSyncToken"].as_str().unwrap();
    world.patch(&format!("calendars/{id}"), json!({"summary": "Newer"})).await.ok();
    let unchanged = world.get(&format!("users/me/calendarList?syncToken={token}")).await.ok();
    assert_eq!(unchanged["items"], json!([]));
    world.delete(&format!("users/me/calendarList/{id}")).await.ok();
    let gone = world.get(&format!("users/me/calendarList?syncToken={token}")).await.ok();
    assert_eq!(gone["items"][0]["deleted"], true);
    for parameter in ["minAccessRole=owner", "showDeleted=false", "showHidden=false", "showOwnOrganizationOnly=true"] {
        let path = format!("users/me/calendarList?syncToken={token}&{parameter}");
        world.get(&path).await.fails(400, "badRequest");
    }
    world.control.expire_calendar_list_tokens(ADA).unwrap();
    world.get(&format!("users/me/calendarList?syncToken={token}")).await.fails(410, "fullSyncRequired");
}

#[tokio::test]
async fn the_calendar_list_comes_in_pages() {
    let world = World::start().await;
    for number in 0..4 {
        world.post("calendars", json!({"summary": format!("Calendar {number}")})).await.ok();
    }
    let first = world.get("users/me/calendarList?maxResults=3").await.ok();
    let page_token = first["nextPageToken"].as_str().unwrap();
    let last = world.get(&format!("users/me/calendarList?maxResults=3&pageToken={page_token}")).await.ok();
    assert_eq!(last["items"].as_array().unwrap().len(), 2);
    assert!(last["nextSyncToken"].is_string());
}

#[tokio::test]
async fn a_raw_event_is_given_out_as_it_is() {
    let world = World::start().await;
    let raw = json!({"id": "poison_20260301T080000Z", "status": "confirmed", "recurringEventId": "poison",
        "start": {"date": "no date"}, "recurrence": ["RDATE:nonsense"]});
    world.control.put_raw_event(ADA, object(&raw)).unwrap();
    let (items, _) = world.list_all("").await;
    assert_eq!(items[0]["start"]["date"], "no date");
    world.list_all("singleEvents=true").await;
}
