//! How changes are found, as an operator chose it: by notices, by asking, or by both; and what happens when they choose anew.

use evercal_domain::{CalendarId, CalendarState, SyncReason, SyncStrategy, Via};
use evercal_http::Method;
use evercal_simulator::{DeliveryStatus, NoticePlan};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, USER, World, WorldOptions, calls, channels, eventually, histories, mirror,
    poller_has_ended, quick, reach, reconfigure,
};
use evercal_workflows::{Timing, names};
use temporalio_client::{Client, WorkflowDescribeOptions, WorkflowHandle, WorkflowTerminateOptions};
use temporalio_common::UntypedWorkflow;

/// Longer than any test.
const NEVER_S: u32 = 7 * 24 * 3600;

async fn world<P: ProviderUnderTest>(strategy: SyncStrategy, polling_interval_s: u32) -> World {
    let timing = Timing { polling_interval_s, ..quick() };
    World::with::<P>(WorldOptions { strategy, timing, ..WorldOptions::default() }).await
}

/// Waits until nothing is left, of connecting or of notices, that could find the next change before that is meant to be found.
async fn come_to_rest(world: &World, calendar: CalendarId) {
    mirror::equals_provider(world, calendar).await;
    eventually("all notices are delivered", || async {
        let waiting = world.control().deliveries().unwrap().count(DeliveryStatus::Pending);
        if waiting == 0 { Ok(()) } else { Err(waiting) }
    })
    .await;
    // A person's sync comes after them in the workflow's inbox.
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    eventually("nothing is read", || async {
        let status = world.status(calendar).await;
        if status.syncing { Err(status) } else { Ok(()) }
    })
    .await;
}

/// Waits until the last sync was of a kind, for changes that the mirror has by then.
async fn confirmed_via(world: &World, calendar: CalendarId, wanted: Via) {
    mirror::equals_provider(world, calendar).await;
    eventually("the mirror was confirmed that way", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        if row.confirmed_via == Some(wanted) { Ok(()) } else { Err((wanted, row.confirmed_via)) }
    })
    .await;
}

/// The reasons of all syncs that found something, newest first, without the first read.
async fn reasons_of_finds(world: &World, calendar: CalendarId) -> Vec<SyncReason> {
    let runs = world.store.sync_runs(calendar, 1_000).await.unwrap();
    let finds = runs.iter().filter(|run| run.changes > 0 && run.reason != SyncReason::Connect);
    finds.map(|run| run.reason).collect()
}

fn poller(world: &World, calendar: CalendarId) -> WorkflowHandle<Client, UntypedWorkflow> {
    world.temporal.client.get_workflow_handle(names::polling_id(calendar))
}

pub async fn where_polling_is_chosen_changes_arrive_and_no_channel_is_ever_asked_for<P: ProviderUnderTest>() {
    let world = world::<P>(SyncStrategy::Polling, 1).await;
    let account = world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::PollOnly).await;
    let row = world.store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!(row.detail.as_deref(), Some("polled by choice: no channel is opened"));
    come_to_rest(&world, calendar).await;
    for _ in 0..3 {
        world.change_events(USER, 4).await;
        confirmed_via(&world, calendar, Via::Poll).await;
    }
    eventually("all finds are the poller's", || async {
        let finds = reasons_of_finds(&world, calendar).await;
        let done = finds.len() >= 3 && finds.iter().all(|reason| *reason == SyncReason::Poll);
        if done { Ok(()) } else { Err(finds) }
    })
    .await;
    world.api(Method::DELETE, &format!("/v1/accounts/{account}"), None).await.unwrap();
    reach(&world, calendar, CalendarState::Closed).await;
    poller_has_ended(&world, calendar).await;
    assert_eq!(calls(&world, ProviderCall::OpenChannel), 0);
    assert_eq!(world.control().channels().unwrap(), []);
    world.end().await;
}

pub async fn where_both_are_chosen_notices_bring_changes_and_the_poller_finds_the_rest<P: ProviderUnderTest>() {
    let mut world = world::<P>(SyncStrategy::Hybrid, NEVER_S).await;
    let (account, calendar) = world.connect_and_mirror().await;
    channels::are_owned(&world, calendar, 1).await;
    come_to_rest(&world, calendar).await;
    world.change_events(USER, 4).await;
    confirmed_via(&world, calendar, Via::Push).await;
    eventually("all finds are those of notices", || async {
        let finds = reasons_of_finds(&world, calendar).await;
        let done = !finds.is_empty() && finds.iter().all(|reason| *reason == SyncReason::Notice);
        if done { Ok(()) } else { Err(finds) }
    })
    .await;

    world.control().set_notice_plan(NoticePlan { drop_percent: 100, ..NoticePlan::default() }).unwrap();
    reconfigure(&mut world, account, |settings| settings.timing.polling_interval_s = 1).await;
    come_to_rest(&world, calendar).await;
    world.change_events(USER, 4).await;
    confirmed_via(&world, calendar, Via::Poll).await;
    assert!(world.control().deliveries().unwrap().count(DeliveryStatus::Lost) >= 4);
    // A sync is in the log a moment after its last page is in the mirror.
    eventually("the newest find is the poller's", || async {
        let finds = reasons_of_finds(&world, calendar).await;
        if finds.first() == Some(&SyncReason::Poll) { Ok(()) } else { Err(finds) }
    })
    .await;

    world.control().set_notice_plan(NoticePlan::default()).unwrap();
    reconfigure(&mut world, account, |settings| settings.timing.polling_interval_s = NEVER_S).await;
    eventually("the poller got the longer interval", || async {
        let signals = histories::signals(&world, &names::polling_id(calendar), names::SIGNAL_INTERVAL).await;
        if signals == 2 { Ok(()) } else { Err(signals) }
    })
    .await;
    world.change_events(USER, 4).await;
    confirmed_via(&world, calendar, Via::Push).await;
    let row = world.store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!(row.state, CalendarState::Live);
    channels::are_owned(&world, calendar, 1).await;
    world.end().await;
}

pub async fn a_strategy_that_is_chosen_anew_reaches_subscriptions_that_run<P: ProviderUnderTest>() {
    let mut world = world::<P>(SyncStrategy::Webhook, 1).await;
    let (account, calendar) = world.connect_and_mirror().await;
    let watches = calls(&world, ProviderCall::OpenChannel);

    reconfigure(&mut world, account, |settings| settings.strategy = SyncStrategy::Polling).await;
    reach(&world, calendar, CalendarState::PollOnly).await;
    channels::are_owned(&world, calendar, 0).await;
    world.change_events(USER, 4).await;
    confirmed_via(&world, calendar, Via::Poll).await;
    assert_eq!(calls(&world, ProviderCall::OpenChannel), watches, "no channel was asked for");
    let row = world.store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!(row.channel_expires_at, None);

    reconfigure(&mut world, account, |settings| settings.strategy = SyncStrategy::Webhook).await;
    reach(&world, calendar, CalendarState::Live).await;
    channels::are_owned(&world, calendar, 1).await;
    poller_has_ended(&world, calendar).await;
    world.change_events(USER, 4).await;
    confirmed_via(&world, calendar, Via::Push).await;
    world.end().await;
}

pub async fn a_chosen_poller_that_somebody_ended_is_missed_by_the_next_run<P: ProviderUnderTest>() {
    let timing = Timing { polling_interval_s: NEVER_S, history_events_max: 60, ..quick() };
    let options = WorldOptions { strategy: SyncStrategy::Polling, timing, ..WorldOptions::default() };
    let world = World::with::<P>(options).await;
    world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::PollOnly).await;
    let first_run = eventually("there is a poller", || async {
        let first = poller(&world, calendar).describe(WorkflowDescribeOptions::default()).await;
        first.map(|first| first.raw().workflow_execution_info.clone().unwrap().first_run_id)
    })
    .await;
    poller(&world, calendar).terminate(WorkflowTerminateOptions::default()).await.unwrap();
    eventually("a run has continued as new, and another poller runs", || async {
        // Each sync makes the history longer.
        world.call(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None, Some(&world.api_key)).await.unwrap();
        let now = poller(&world, calendar).describe(WorkflowDescribeOptions::default()).await.unwrap();
        let info = now.raw().workflow_execution_info.clone().unwrap();
        if info.first_run_id != first_run && info.close_time.is_none() { Ok(()) } else { Err(info.status) }
    })
    .await;
    let mut runs = histories::of_workflow(&world, &names::subscription_id(calendar)).await;
    let last = runs.split_off(runs.len() - 1);
    assert!(!runs.is_empty(), "no run has continued as new");
    histories::replay_and_record("subscription-missed-poller", last).await;
    world.end().await;
}
