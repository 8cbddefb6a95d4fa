//! What survives `kill -9`, and the demo tenant.

use std::path::Path;

use chrono::NaiveDate;
use evercal_simulator::{
    BulkChanges, ChangeKind, ChangeNotices, DeliveryStatus, DemoTenant, FaultAction, FaultPlan, FaultRule, NoticePlan,
    Simulator, SimulatorError, SimulatorOptions,
};
use serde_json::json;

use crate::support::{ADA, Receiver, World, ids, meeting, options, wait_until_delivered, weekly};

const AT: &str = "2026-03-02T09:00:00";

fn in_folder(folder: &Path) -> SimulatorOptions {
    SimulatorOptions { data_dir: Some(folder.to_owned()), ..options() }
}

/// The journal as it is at this moment: what a killed simulator would find.
fn killed_copy(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("simulator.jsonl"), copy.path().join("simulator.jsonl")).unwrap();
    copy
}

#[tokio::test]
async fn everything_that_was_answered_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(in_folder(folder.path())).await;
    let series = world.insert(weekly("Series", AT, 4)).await;
    let exception = format!("{}_20260309T080000Z", series["id"].as_str().unwrap());
    world.delete(&format!("calendars/primary/events/{exception}")).await.ok();
    let deleted = world.insert(meeting("Deleted", AT)).await;
    let (_, token) = world.list_all("").await;
    world.delete(&format!("calendars/primary/events/{}", deleted["id"].as_str().unwrap())).await.ok();
    let channel = world.watch("c1", "http://127.0.0.1:9/hook").await;
    let rule = FaultRule { after: 1, ..FaultRule::once("calendar.events.list", FaultAction::Quota { status: 429 }) };
    world.control.set_faults(FaultPlan { rules: vec![rule], random: None }).unwrap();
    world.list("").await.ok();
    wait_until_delivered(&world.control).await;
    let truth = world.control.truth(ADA).unwrap();
    let calls = world.control.calls().unwrap();

    let copy = killed_copy(folder.path());
    let mut again = World::with(in_folder(copy.path())).await;
    assert_eq!(again.control.truth(ADA).unwrap(), truth);
    assert_eq!(again.control.calls().unwrap().calls, calls.calls);
    assert_eq!(again.control.channels().unwrap(), world.control.channels().unwrap());
    again.token.clone_from(&world.token);
    again.list("").await.fails(429, "rateLimitExceeded");
    let (changed, _) = again.list_all(&format!("syncToken={token}")).await;
    assert_eq!(ids(&changed), [deleted["id"].as_str().unwrap()]);
    again.post("channels/stop", channel).await.ok();
    let fresh = again.insert(meeting("Fresh", AT)).await;
    assert!(truth.events.iter().all(|event| event.id != fresh["id"]), "ids are not made twice");
}

#[tokio::test]
async fn pending_notices_go_on_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(in_folder(folder.path())).await;
    let receiver = Receiver::start().await;
    world.watch("c1", &receiver.address).await;
    receiver.wait_for(1).await;
    wait_until_delivered(&world.control).await;
    let delayed = NoticePlan { delay_percent: 100, delay_ms_max: 500, ..NoticePlan::default() };
    world.control.set_notice_plan(delayed).unwrap();
    world.insert(meeting("New", AT)).await;
    let copy = killed_copy(folder.path());
    drop(world);
    let again = World::with(in_folder(copy.path())).await;
    let summary = wait_until_delivered(&again.control).await;
    assert_eq!(summary.count(DeliveryStatus::Delivered), 2);
    assert_eq!(receiver.wait_for(2).await.last().unwrap().number(), 2);
}

#[tokio::test]
async fn a_second_start_reads_a_torn_journal() {
    let folder = tempfile::tempdir().unwrap();
    {
        let world = World::with(in_folder(folder.path())).await;
        world.insert(meeting("Kept", AT)).await;
        world.simulator.shutdown().await;
    }
    let path = folder.path().join("simulator.jsonl");
    let mut journal = std::fs::read(&path).unwrap();
    journal.extend_from_slice(b"{\"k\":\"event/ada@example.com/torn\",\"v\":{\"cal");
    std::fs::write(&path, journal).unwrap();
    let world = World::with(in_folder(folder.path())).await;
    assert_eq!(world.list_all("").await.0.len(), 1);
}

#[tokio::test]
async fn the_journal_of_another_provider_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let line = "{\"k\":\"elsewhere/user/ada@example.com\",\"v\":{}}\n";
    std::fs::write(folder.path().join("simulator.jsonl"), line).unwrap();
    let refused = Simulator::start(in_folder(folder.path())).await.err().unwrap();
    assert!(matches!(&refused, SimulatorError::State { key, .. } if key.starts_with("elsewhere/")), "{refused}");
}

fn demo(seed: u64) -> SimulatorOptions {
    let anchor = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    SimulatorOptions { demo: Some(DemoTenant { seed, anchor }), ..options() }
}

#[tokio::test]
async fn the_demo_tenant_is_the_same_each_time_and_not_made_twice() {
    let mut truths = Vec::new();
    for _ in 0..2 {
        let world = World::with(demo(1)).await;
        truths.push(world.control.truth(DemoTenant::USER).unwrap());
    }
    assert_eq!(truths[0], truths[1]);
    let folder = tempfile::tempdir().unwrap();
    let options = SimulatorOptions { data_dir: Some(folder.path().to_owned()), ..demo(1) };
    let world = World::with(options.clone()).await;
    world.control.delete_event(DemoTenant::USER, &truths[0].events[0].id).unwrap();
    let after = world.control.truth(DemoTenant::USER).unwrap();
    world.simulator.shutdown().await;
    let world = World::with(options).await;
    assert_eq!(world.control.truth(DemoTenant::USER).unwrap(), after);
}

#[tokio::test]
async fn the_demo_tenant_has_two_calendars_with_series_exceptions_and_days() {
    let mut world = World::with(demo(1)).await;
    world.token = world.token_of(DemoTenant::USER);
    let list = world.get("users/me/calendarList").await.ok();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let events = world.control.resources(DemoTenant::USER, None).unwrap();
    let count = |wanted: &dyn Fn(&serde_json::Map<String, serde_json::Value>) -> bool| {
        events.iter().filter(|event| wanted(event)).count()
    };
    assert!(count(&|event| event.contains_key("recurrence")) >= 6);
    assert!(count(&|event| event.contains_key("recurringEventId") && event["status"] == "cancelled") >= 4);
    assert!(count(&|event| event.contains_key("recurringEventId") && event["status"] != "cancelled") >= 4);
    assert!(count(&|event| event.get("start").is_some_and(|start| start.get("date").is_some())) >= 5);
    assert!(count(&|event| event.get("start").is_some_and(|start| start["timeZone"] == "Asia/Tokyo")) >= 3);
}

#[tokio::test]
async fn ten_thousand_events_are_made_and_read_in_four_pages() {
    let world = World::start().await;
    let bulk = BulkChanges {
        calendar: ADA.to_owned(),
        count: 10_000,
        seed: 1,
        kinds: vec![ChangeKind::Insert],
        spacing_ms: 0,
        notices: ChangeNotices::None,
    };
    let summary = world.control.make_changes(&bulk).await.unwrap();
    assert_eq!(summary.inserted.len(), 10_000);
    let (items, _) = world.list_all("maxResults=2500").await;
    assert_eq!(items.len(), 10_000);
    let calls = world.control.calls().unwrap().counts;
    assert_eq!(json!(calls), json!({"calendar.events.list": 4}));
}
