//! Notices: headers, repetition, and everything that may happen to them.

use chrono::TimeDelta;
use evercal_simulator::{
    BulkChanges, ChangeKind, ChangeNotices, DeliveryStatus, MAX_PENDING_PER_CHANNEL, NoticeAction, NoticePlan,
    NoticeRule, SIMULATED_NOW_HEADER, SimulatorOptions, SyncMessageTiming,
};
use reqwest::Method;
use serde_json::json;

use crate::support::{ADA, Notice, Receiver, World, answer, meeting, options, wait_for, wait_until_delivered};

const AT: &str = "2026-03-02T09:00:00";

fn inserts(count: u32, notices: ChangeNotices) -> BulkChanges {
    BulkChanges { calendar: ADA.to_owned(), count, seed: 1, kinds: vec![ChangeKind::Insert], spacing_ms: 0, notices }
}

#[tokio::test]
async fn a_notice_has_the_documented_headers_and_no_body() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let channel = world.watch("c1", &receiver.address).await;
    receiver.wait_for(1).await;
    world.insert(meeting("New", AT)).await;
    let notices = receiver.wait_for(2).await;
    assert_eq!((notices[0].state(), notices[0].number()), ("sync", 1));
    assert_eq!((notices[1].state(), notices[1].number()), ("exists", 2));
    for notice in &notices {
        assert_eq!(notice.header("x-goog-channel-id"), "c1");
        assert_eq!(notice.header("x-goog-channel-token"), "token of c1");
        assert_eq!(notice.header("x-goog-resource-id"), channel["resourceId"].as_str().unwrap());
        assert_eq!(notice.header("x-goog-resource-uri"), channel["resourceUri"].as_str().unwrap());
        let expires_at = notice.header("x-goog-channel-expiration");
        chrono::NaiveDateTime::parse_from_str(expires_at, "%a, %d %b %Y %H:%M:%S GMT").unwrap();
        assert_eq!((notice.header("content-length"), notice.body_bytes), ("0", 0));
        assert!(notice.header("user-agent").starts_with("APIs-Google"));
    }
}

#[tokio::test]
async fn the_sync_message_may_come_before_the_answer_to_watch() {
    let world = World::with(SimulatorOptions { sync_message: SyncMessageTiming::BeforeAnswer, ..options() }).await;
    let receiver = Receiver::start().await;
    world.watch("c1", &receiver.address).await;
    assert_eq!(receiver.notices().len(), 1, "it is there when the answer is");
}

#[tokio::test]
async fn by_seed_some_sync_messages_come_before_and_some_after_the_answer() {
    let world = World::with(SimulatorOptions { sync_message: SyncMessageTiming::Seeded, ..options() }).await;
    let receiver = Receiver::start().await;
    let mut early = 0;
    for number in 1..=20 {
        world.watch(&format!("c{number}"), &receiver.address).await;
        early += usize::from(receiver.notices().len() == number);
        receiver.wait_for(number).await;
    }
    assert!(early >= 4, "{early} of 20");
}

#[tokio::test]
async fn one_change_is_announced_on_every_live_channel() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let first = world.watch("c1", &receiver.address).await;
    world.watch("c2", &receiver.address).await;
    world.watch("c3", &receiver.address).await;
    receiver.wait_for(3).await;
    world.post("channels/stop", first).await.ok();
    world.insert(meeting("New", AT)).await;
    wait_until_delivered(&world.control).await;
    let mut notified: Vec<String> =
        receiver.notices()[3..].iter().map(|notice| notice.header("x-goog-channel-id").to_owned()).collect();
    notified.sort_unstable();
    assert_eq!(notified, ["c2", "c3"]);
}

#[tokio::test]
async fn an_expired_channel_is_silent() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    world.watch("c1", &receiver.address).await;
    receiver.wait_for(1).await;
    let later = world.control.clock().unwrap().now + TimeDelta::days(8);
    let request = world.request(Method::POST, "calendars/primary/events").json(&meeting("Late", AT));
    answer(request.header(SIMULATED_NOW_HEADER, later.timestamp_millis())).await.ok();
    wait_until_delivered(&world.control).await;
    assert_eq!(receiver.notices().len(), 1);
}

#[tokio::test]
async fn four_server_errors_are_repeated_with_growing_pauses() {
    for status in [500, 502, 503, 504] {
        let world = World::start().await;
        let receiver = Receiver::start().await;
        receiver.answer_next([status, status]);
        world.watch("c1", &receiver.address).await;
        let summary = wait_until_delivered(&world.control).await;
        assert_eq!(summary.count(DeliveryStatus::Delivered), 1, "{status}");
        let history = &world.control.channels().unwrap()[0].deliveries[0];
        let statuses: Vec<_> = history.attempts.iter().map(|attempt| attempt.status).collect();
        assert_eq!(statuses, [Some(status), Some(status), Some(200)]);
        let pause = |index: usize| history.attempts[index + 1].at - history.attempts[index].at;
        assert!(pause(0) >= TimeDelta::milliseconds(20), "{:?}", pause(0));
        assert!(pause(1) >= TimeDelta::milliseconds(40), "{:?}", pause(1));
        let numbers: Vec<u64> = receiver.notices().iter().map(Notice::number).collect();
        assert_eq!(numbers, [1, 1, 1], "a repetition keeps its number");
    }
}

#[tokio::test]
async fn a_notice_that_never_gets_through_is_given_up() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_next([503; 10]);
    world.watch("c1", &receiver.address).await;
    let summary = wait_until_delivered(&world.control).await;
    assert_eq!(summary.count(DeliveryStatus::Exhausted), 1);
    assert_eq!(receiver.notices().len(), 3);
}

#[tokio::test]
async fn any_other_answer_drops_the_notice_and_five_codes_accept_it() {
    for (status, expected) in [
        (200, DeliveryStatus::Delivered),
        (201, DeliveryStatus::Delivered),
        (202, DeliveryStatus::Delivered),
        (204, DeliveryStatus::Delivered),
        (301, DeliveryStatus::Refused),
        (400, DeliveryStatus::Refused),
        (404, DeliveryStatus::Refused),
        (429, DeliveryStatus::Refused),
        (501, DeliveryStatus::Refused),
    ] {
        let world = World::start().await;
        let receiver = Receiver::start().await;
        receiver.answer_next([status]);
        world.watch("c1", &receiver.address).await;
        let summary = wait_until_delivered(&world.control).await;
        assert_eq!(summary.count(expected), 1, "{status}");
        assert_eq!(receiver.notices().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_down_loses_the_notice() {
    let world = World::start().await;
    world.watch("c1", "http://127.0.0.1:9/hook").await;
    let summary = wait_until_delivered(&world.control).await;
    assert_eq!(summary.count(DeliveryStatus::Refused), 1);
    let history = &world.control.channels().unwrap()[0].deliveries[0];
    assert!(history.attempts[0].error.is_some());
}

#[tokio::test]
async fn a_script_drops_repeats_and_delays_single_notices() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    world.watch("c1", &receiver.address).await;
    receiver.wait_for(1).await;
    let rule = |notice_index, action| NoticeRule { notice_index, action };
    let rules = vec![
        rule(1, NoticeAction::Drop),
        rule(2, NoticeAction::Duplicate),
        rule(3, NoticeAction::Delay { delay_ms: 1_000 }),
    ];
    world.control.set_notice_plan(NoticePlan { rules, ..NoticePlan::default() }).unwrap();
    for number in 0..4 {
        world.insert(meeting(&format!("Event {number}"), AT)).await;
    }
    let summary = wait_until_delivered(&world.control).await;
    assert_eq!(summary.count(DeliveryStatus::Lost), 1);
    let mut numbers: Vec<u64> = receiver.notices()[1..].iter().map(Notice::number).collect();
    assert_eq!(numbers.last(), Some(&4), "the delayed one comes last: {numbers:?}");
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 3, 4, 5]);
}

#[tokio::test]
async fn by_seed_notices_are_lost_repeated_overtaken_and_numbered_with_gaps() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    world.watch("c1", &receiver.address).await;
    receiver.wait_for(1).await;
    let plan = NoticePlan {
        seed: 7,
        drop_percent: 20,
        duplicate_percent: 20,
        delay_percent: 30,
        delay_ms_max: 200,
        skip_number_percent: 20,
        ..NoticePlan::default()
    };
    world.control.set_notice_plan(plan).unwrap();
    world.control.make_changes(&inserts(100, ChangeNotices::Each)).await.unwrap();
    let summary = wait_until_delivered(&world.control).await;
    assert!(summary.count(DeliveryStatus::Lost) > 5, "{summary:?}");
    let numbers: Vec<u64> = receiver.notices()[1..].iter().map(Notice::number).collect();
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert_ne!(numbers, sorted, "some overtake others");
    sorted.dedup();
    assert!(sorted.len() < numbers.len(), "some come twice");
    assert!(*sorted.last().unwrap() > 102, "numbers have gaps");
}

#[tokio::test]
async fn a_stopped_channel_may_go_on_until_its_expiry() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let channel = world.watch("c1", &receiver.address).await;
    receiver.wait_for(1).await;
    world.control.set_notice_plan(NoticePlan { send_after_stop: true, ..NoticePlan::default() }).unwrap();
    world.post("channels/stop", channel).await.ok();
    world.insert(meeting("New", AT)).await;
    assert_eq!(receiver.wait_for(2).await[1].state(), "exists");
}

#[tokio::test]
async fn a_burst_fills_the_queue_of_a_channel_and_no_more() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    world.watch("c1", &receiver.address).await;
    receiver.wait_for(1).await;
    let delayed = NoticePlan { delay_percent: 100, delay_ms_max: 600_000, ..NoticePlan::default() };
    world.control.set_notice_plan(delayed).unwrap();
    let most = u32::try_from(MAX_PENDING_PER_CHANNEL).unwrap();
    world.control.make_changes(&inserts(most + 50, ChangeNotices::Each)).await.unwrap();
    let summary = world.control.deliveries().unwrap();
    assert!(summary.count(DeliveryStatus::NotQueued) >= 20, "{summary:?}");
}

#[tokio::test]
async fn a_bulk_change_may_be_announced_once_or_not_at_all() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    world.watch("c1", &receiver.address).await;
    receiver.wait_for(1).await;
    world.control.make_changes(&inserts(10, ChangeNotices::None)).await.unwrap();
    world.control.make_changes(&inserts(10, ChangeNotices::Once)).await.unwrap();
    wait_until_delivered(&world.control).await;
    assert_eq!(receiver.notices().len(), 2);
}

#[tokio::test]
async fn a_watched_calendar_list_announces_renamed_and_rezoned_calendars() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let body = json!({"id": "list", "type": "web_hook", "address": receiver.address});
    world.post("users/me/calendarList/watch", body).await.ok();
    let token = world.get("users/me/calendarList").await.ok()["nextSyncToken"].as_str().unwrap().to_owned();
    for (number, change) in [json!({"summary": "Renamed"}), json!({"timeZone": "Asia/Tokyo"})].into_iter().enumerate() {
        world.patch("calendars/primary", change).await.ok();
        receiver.wait_for(number + 2).await;
    }
    let whole = world.get("users/me/calendarList").await.ok();
    let entry = &whole["items"][0];
    assert_eq!((&entry["summary"], &entry["timeZone"]), (&json!("Renamed"), &json!("Asia/Tokyo")));
    let changed = world.get(&format!("users/me/calendarList?syncToken={token}")).await.ok();
    assert_eq!(changed["items"], json!([]), "what only the calendar says is no change of its entry");
}

#[tokio::test]
async fn a_watched_calendar_list_announces_new_calendars() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let body = json!({"id": "list", "type": "web_hook", "address": receiver.address});
    world.post("users/me/calendarList/watch", body).await.ok();
    receiver.wait_for(1).await;
    world.insert(meeting("No change of the list", AT)).await;
    world.post("calendars", json!({"summary": "New"})).await.ok();
    let notices = receiver.wait_for(2).await;
    assert_eq!(notices[1].state(), "exists");
    wait_for(|| match receiver.notices().len() {
        2 => Ok(()),
        count => Err(count),
    })
    .await;
}
