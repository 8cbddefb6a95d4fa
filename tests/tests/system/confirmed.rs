//! `confirmed_at` is proof: whatever had changed at the provider by then is in the mirror.

use chrono::{DateTime, Utc};
use evercal_domain::{CalendarId, SyncReason, Via};
use evercal_http::Method;
use evercal_simulator::{FaultAction, FaultPlan, FaultRule, NoticePlan, Quirks};
use evercal_storage::SyncRunOutcome;
use evercal_tests::{USER, World, WorldOptions, eventually, mirror, quick};
use evercal_workflows::Timing;

/// The first page of the next pass is read; the call for the second one fails twice.
fn fail_after_the_first_page(world: &World) {
    let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    let rule = FaultRule { after: 1, times: Some(2), ..FaultRule::once("calendar.events.list", down) };
    world.control().set_faults(FaultPlan { rules: vec![rule], random: None }).unwrap();
}

/// When the first page was asked for of the pass that follows these calls; it was interrupted by failures.
fn first_page_asked_for_at(world: &World, calls_before: u64) -> DateTime<Utc> {
    let calls = world.control().calls().unwrap().calls.into_iter().filter(|call| call.index > calls_before);
    let pages: Vec<_> = calls.filter(|call| call.method == "calendar.events.list").collect();
    assert_eq!(pages.iter().filter(|page| page.status == Some(503)).count(), 2, "{pages:#?}");
    pages.first().unwrap().at
}

async fn idle(world: &World, calendar: CalendarId) {
    eventually("no sync runs", || async {
        let status = world.status(calendar).await;
        if status.syncing { Err(status) } else { Ok(()) }
    })
    .await;
}

async fn confirmed_at(world: &World, calendar: CalendarId) -> DateTime<Utc> {
    world.store.calendar(calendar).await.unwrap().unwrap().confirmed_at.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_a_later_attempt_ends_proves_what_was_there_when_it_began() {
    let world = World::start().await;
    world.control().set_quirks(Quirks { page_items_max: 3, ..Quirks::default() }).unwrap();
    // The first read.
    fail_after_the_first_page(&world);
    world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    let first = eventually("the calendar is read", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        row.confirmed_at.ok_or(row.state)
    })
    .await;
    let asked_for_at = first_page_asked_for_at(&world, 0);
    assert!(first <= asked_for_at, "confirmed as of {first}, but its first page is of {asked_for_at}");

    // And what changed since then.
    world.settled(calendar).await;
    idle(&world, calendar).await;
    world.control().set_notice_plan(NoticePlan { drop_percent: 100, ..NoticePlan::default() }).unwrap();
    world.change_events(USER, 12).await;
    let calls_before = world.control().calls().unwrap().calls.last().unwrap().index;
    let first = confirmed_at(&world, calendar).await;
    fail_after_the_first_page(&world);
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    mirror::equals_provider(&world, calendar).await;
    let asked_for_at = first_page_asked_for_at(&world, calls_before);
    let second = confirmed_at(&world, calendar).await;
    assert!(
        second > first && second <= asked_for_at,
        "confirmed as of {second}, but its first page is of {asked_for_at}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_notice_came_is_confirmed_by_push_although_its_first_sync_failed() {
    let timing = Timing { sync_retries_max: Some(0), failed_sync_pause_s: 1, ..quick() };
    let world = World::with(WorldOptions { timing, ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_settle().await;
    idle(&world, calendar).await;
    let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    let rules = vec![FaultRule::once("calendar.events.list", down)];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
    world.change_events(USER, 1).await;
    mirror::equals_provider(&world, calendar).await;
    let runs = eventually("the sync is in the log", || async {
        let runs = world.store.sync_runs(calendar, 2).await.unwrap();
        if runs[0].changes > 0 { Ok(runs) } else { Err(runs) }
    })
    .await;
    assert_eq!(runs[1].outcome, SyncRunOutcome::Failed, "{runs:#?}");
    assert_eq!([runs[0].reason, runs[1].reason], [SyncReason::Notice; 2]);
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().confirmed_via, Some(Via::Push));
    world.end().await;
}
