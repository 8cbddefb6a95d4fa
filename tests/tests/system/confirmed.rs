//! `confirmed_at` is proof: whatever had changed at the provider by then is in the mirror.

use chrono::{DateTime, Utc};
use evercal_domain::{CalendarId, SyncReason, SyncStrategy, Via};
use evercal_http::Method;
use evercal_simulator::{FaultAction, FaultPlan, FaultRule};
use evercal_storage::SyncRunOutcome;
use evercal_tests::{ProviderCall, ProviderUnderTest, USER, World, WorldOptions, eventually, mirror, quick};
use evercal_workflows::Timing;

const EVENTS_PER_PAGE: u32 = 3;
const FAILURES: u32 = 2;
const CHANGES: u32 = 12;

/// The first page of the next pass is read; the calls for the second one fail. The pass after it is held up, since it would
/// confirm the same anew.
fn fail_after_the_first_page(world: &World, events: u32) {
    let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    let fail = FaultRule { after: 1, times: Some(FAILURES), ..world.once(ProviderCall::ReadEvents, down) };
    let calls = events.div_ceil(EVENTS_PER_PAGE) + FAILURES;
    let slow = FaultAction::Delay { delay_ms: 5_000 };
    let hold_up = FaultRule { after: calls, ..world.once(ProviderCall::ReadEvents, slow) };
    world.control().set_faults(FaultPlan { rules: vec![hold_up, fail], random: None }).unwrap();
}

/// When the first page was asked for of the pass that follows these calls; it was interrupted by failures.
fn first_page_asked_for_at(world: &World, calls_before: u64) -> DateTime<Utc> {
    let calls = world.control().calls().unwrap().calls.into_iter().filter(|call| call.index > calls_before);
    let pages: Vec<_> = calls.filter(|call| call.method == world.method(ProviderCall::ReadEvents)).collect();
    let failures = pages.iter().filter(|page| page.status == Some(503)).count();
    assert_eq!(failures, FAILURES as usize, "{pages:#?}");
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

pub async fn a_pass_that_a_later_attempt_ends_proves_what_was_there_when_it_began<P: ProviderUnderTest>() {
    // Nothing but the first read and what is asked for below: no channel opens, and no reconciling sync is due for hours.
    let (strategy, timing) = (SyncStrategy::Polling, Timing { polling_interval_s: 36_000, ..quick() });
    let world = World::with::<P>(WorldOptions { strategy, timing, ..WorldOptions::default() }).await;
    world.provider.set_page_items_max(EVENTS_PER_PAGE);
    // The first read.
    let events = world.control().truth(USER).unwrap().events.len();
    fail_after_the_first_page(&world, events.try_into().unwrap());
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
    idle(&world, calendar).await;
    world.change_events(USER, CHANGES).await;
    let calls_before = world.control().calls().unwrap().calls.last().unwrap().index;
    let first = confirmed_at(&world, calendar).await;
    // At least two pages; nothing follows that would have to be held up.
    fail_after_the_first_page(&world, CHANGES);
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

pub async fn a_change_whose_notice_came_is_confirmed_by_push_although_its_first_sync_failed<P: ProviderUnderTest>() {
    let timing = Timing { sync_retries_max: Some(0), failed_sync_pause_s: 1, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    idle(&world, calendar).await;
    let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    let rules = vec![world.once(ProviderCall::ReadEvents, down)];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
    world.change_events(USER, 1).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("the sync is in the log, and the failed one before it", || async {
        let mut runs = world.store.sync_runs(calendar, 20).await.unwrap();
        // A machine under load lets the gateway catch up in between.
        runs.retain(|run| run.reason == SyncReason::Notice);
        let found = runs.iter().position(|run| run.changes > 0).and_then(|at| runs.get(at + 1));
        if found.is_some_and(|before| before.outcome == SyncRunOutcome::Failed) { Ok(()) } else { Err(runs) }
    })
    .await;
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().confirmed_via, Some(Via::Push));
    world.end().await;
}
