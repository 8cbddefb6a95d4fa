//! What commands show and ask when all goes well.

use std::fs;

use serde_json::json;

use crate::stub::{ACCOUNT, FAMILY, KEY, Stub, WORK, WORKOUTS, evercal};

#[tokio::test]
async fn accounts_and_calendars_are_tables_of_all_pages() {
    let stub = Stub::start().await;
    let accounts = stub.run(&["accounts"]).await.text();
    for expected in [ACCOUNT, "google", "Robin Hale (demo)", "connected"] {
        assert!(accounts.contains(expected), "{accounts}");
    }
    let calendars = stub.run(&["calendars"]).await.text();
    for expected in [WORK, WORKOUTS, FAMILY, "live", "polling", "action required", "312", "家族の予定"] {
        assert!(calendars.contains(expected), "{calendars}");
    }
    // Two columns for each wide character would still be below this.
    assert!(calendars.lines().all(|line| line.chars().count() <= 100), "{calendars}");
    assert!(!calendars.contains('\u{1b}'), "no terminal, no colours: {calendars:?}");
}

#[tokio::test]
async fn events_are_shown_in_their_own_zone_with_how_fresh_they_are() {
    let stub = Stub::start().await;
    let events = stub.run(&["events", "work", "--from", "2026-11-23", "--to", "2026-11-30"]).await;
    // `work` is the whole title of one calendar, though a part of another.
    let events = events.text();
    for expected in [
        "Mon 2026-11-23 09:00  09:15",
        "Europe/Berlin",
        "Stand-up",
        "Room 1",
        "Tue 2026-11-24        Thu 2026-11-26",
        "(no title)",
        "2026-11-23 to 2026-11-30 (Europe/Berlin): 3 shown, complete as of",
    ] {
        assert!(events.contains(expected), "{expected:?} is missing in:\n{events}");
    }
    let asked = stub.requests().into_iter().find(|request| request.contains("/events")).unwrap();
    assert!(asked.contains("from=2026-11-22T23%3A00%3A00Z&to=2026-11-29T23%3A00%3A00Z"), "{asked}");
}

#[tokio::test]
async fn json_is_one_document_with_the_items_of_all_pages() {
    let stub = Stub::start().await;
    let calendars = stub.run(&["calendars", "--json"]).await.json();
    let ids: Vec<_> = calendars["items"].as_array().unwrap().iter().map(|calendar| &calendar["id"]).collect();
    assert_eq!(ids, [WORK, WORKOUTS, FAMILY]);
    assert_eq!(calendars["next_cursor"], json!(null));

    let events = stub.run(&["events", WORK, "--json"]).await.json();
    assert_eq!(events["items"].as_array().unwrap().len(), 3);
    assert_eq!((&events["via"], &events["calendar_id"]), (&json!("push"), &json!(WORK)));
    assert_eq!(stub.run(&["status", WORK, "--json"]).await.json()["event_count"], json!(312));
    assert_eq!(stub.run(&["sync", WORK, "--json"]).await.json()["changes"], json!(3));
    let disconnected = stub.run(&["disconnect", ACCOUNT, "--yes", "--json"]).await.json();
    assert_eq!(disconnected, json!({"id": ACCOUNT, "state": "disconnecting"}));
}

#[tokio::test]
async fn a_limit_ends_the_list_and_says_that_there_is_more() {
    let stub = Stub::start().await;
    let two = stub.run(&["calendars", "--limit", "2"]).await.text();
    assert!(two.contains(WORKOUTS) && !two.contains(FAMILY), "{two}");
    assert!(two.contains("There are more: raise --limit."), "{two}");
    let one = stub.run(&["events", WORK, "--limit", "1", "--json"]).await.json();
    assert_eq!((one["items"].as_array().unwrap().len(), &one["next_cursor"]), (1, &json!("1")));
}

#[tokio::test]
async fn status_shows_what_is_known_and_where_to_read_on() {
    let stub = Stub::start().await;
    let status = stub.run(&["status", &WORK[..WORK.len() - 4]]).await;
    assert_eq!(status.code, Some(2), "that is the beginning of all three ids: {status:?}");
    let status = stub.run(&["status", WORK]).await.text();
    for expected in [
        &format!("Work ({WORK})"),
        "live",
        "The channel was renewed.",
        "2099-11-27 08:00:02 UTC",
        "by push",
        "1 change, 143 ms from notice to stored",
        &format!("subscription/{WORK} (missing: it is started again"),
        "the rule has no FREQ",
        "down: No worker shows a sign of life. (since",
    ] {
        assert!(status.contains(expected), "{expected:?} is missing in:\n{status}");
    }
}

#[tokio::test]
async fn sync_says_what_it_found_or_where_to_read_on() {
    let stub = Stub::start().await;
    assert_eq!(stub.run(&["sync", "work"]).await.text(), "Work is in sync: 3 changes found.\n");
    let underway = stub.run(&["sync", "workouts"]).await.text();
    assert!(underway.contains(&format!("`evercal status {WORKOUTS}`")), "{underway}");
}

#[tokio::test]
async fn refresh_reads_the_list_of_calendars_of_an_account() {
    let stub = Stub::start().await;
    let text = stub.run(&["refresh", "robin"]).await.text();
    assert!(text.starts_with("The list of calendars of Robin Hale (demo) was read."), "{text}");
    assert_eq!(stub.requests().last().unwrap(), &format!("POST /v1/accounts/{ACCOUNT}/refresh"));
}

#[tokio::test]
async fn disconnect_finds_the_account_by_its_label() {
    let stub = Stub::start().await;
    let text = stub.run(&["disconnect", "robin", "--yes"]).await.text();
    assert!(text.starts_with("Robin Hale (demo) is being disconnected"), "{text}");
    assert_eq!(stub.requests().last().unwrap(), &format!("DELETE /v1/accounts/{ACCOUNT}"));
}

#[tokio::test]
async fn a_running_dev_is_found_through_its_folder() {
    let stub = Stub::start().await;
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join(".evercal");
    fs::create_dir(&data_dir).unwrap();
    let ui = "http://127.0.0.1:8233";
    let ready = json!({"ready": true, "api": stub.address, "api_key": KEY, "temporal_ui": ui});
    fs::write(data_dir.join("dev.json"), ready.to_string()).unwrap();

    let status = evercal(&["status", "work"], &[], folder.path()).await.text();
    let page = format!("{ui}/namespaces/default/workflows/subscription%2F{WORK}");
    assert!(status.contains(&page), "{page} is missing in:\n{status}");
}
