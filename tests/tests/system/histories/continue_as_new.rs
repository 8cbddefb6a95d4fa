//! Runs that continue as new, and what may come in the same moment.

use std::time::Duration;

use evercal_domain::{AccountId, AccountState, CalendarState, SyncStrategy};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, USER, World, WorldOptions, calls, channels, discover, eventually, histories,
    mirror, quick, skipping,
};
use evercal_workflows::{PollingWorkflow, SubscriptionWorkflow, Timing, names};
use temporalio_client::{
    WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowExecuteUpdateOptions, WorkflowGetResultOptions,
    WorkflowTerminateOptions,
};
use temporalio_common::data_converters::RawValue;

use super::{account_workflow, disconnect, reach, reach_account, signalled, sync};

async fn world<P: ProviderUnderTest>(timing: Timing, strategy: SyncStrategy) -> World {
    World::with::<P>(WorldOptions { timing, strategy, ..WorldOptions::default() }).await
}

fn lists(world: &World) -> u64 {
    calls(world, ProviderCall::ListCalendars)
}

/// Has an account read its list of calendars, and waits for that.
async fn list_calendars(world: &World, account: AccountId) {
    let before = lists(world);
    discover(world, account).await;
    eventually("the list is read", || async {
        let read = lists(world);
        if read > before { Ok(()) } else { Err(read) }
    })
    .await;
}

pub async fn subscriptions_that_continue_as_new_replay<P: ProviderUnderTest>() {
    let world = world::<P>(Timing { history_events_max: 40, ..quick() }, SyncStrategy::Webhook).await;
    let (account, calendar) = world.connect_and_mirror().await;
    for _ in 0..4 {
        world.change_events(USER, 2).await;
        mirror::equals_provider(&world, calendar).await;
        sync(&world, calendar).await;
    }
    disconnect(&world, account).await;
    let runs = histories::of_workflow(&world, &names::subscription_id(calendar)).await;
    assert!(runs.len() > 1, "the subscription continued as new");
    histories::keep(&world, "continue-as-new", calendar, None).await;
    world.end().await;
}

pub async fn accounts_that_continue_as_new_replay<P: ProviderUnderTest>() {
    let world = world::<P>(Timing { history_events_max: 60, ..quick() }, SyncStrategy::Webhook).await;
    let (account, calendar) = world.connect_and_mirror().await;
    for _ in 0..5 {
        list_calendars(&world, account).await;
    }
    disconnect(&world, account).await;
    reach(&world, calendar, CalendarState::Closed).await;
    let runs = histories::of_workflow(&world, &names::account_id(account)).await;
    assert!(runs.len() > 1, "the account continued as new");
    histories::replay_and_record("account-continue-as-new", runs).await;
    world.end().await;
}

pub async fn an_account_that_is_cancelled_ends_subscriptions_that_an_earlier_run_started<P: ProviderUnderTest>() {
    let world = world::<P>(Timing { history_events_max: 60, ..quick() }, SyncStrategy::Webhook).await;
    let (account, calendar) = world.connect_and_mirror().await;
    for _ in 0..5 {
        list_calendars(&world, account).await;
    }
    assert!(
        histories::of_workflow(&world, &names::account_id(account)).await.len() > 1,
        "the account continued as new"
    );
    account_workflow(&world, account).cancel(WorkflowCancelOptions::default()).await.unwrap();
    reach_account(&world, account, AccountState::Disconnected).await;
    assert!(channels::alive_at_provider(&world, USER).is_empty());
    reach(&world, calendar, CalendarState::Closed).await;
    world.end().await;
}

pub async fn a_cancel_that_meets_continue_as_new_of_an_account_takes_everything_down<P: ProviderUnderTest>() {
    const EVENTS_MAX: u32 = 150;
    let mut world = world::<P>(Timing { history_events_max: EVENTS_MAX, ..quick() }, SyncStrategy::Webhook).await;
    let (account, calendar) = world.connect_and_mirror().await;
    // Without a worker, all of this waits for one moment: the history is full, and there is work, and a cancel.
    world.stop_worker().await.unwrap();
    for _ in 0..EVENTS_MAX {
        discover(&world, account).await;
    }
    account_workflow(&world, account).cancel(WorkflowCancelOptions::default()).await.unwrap();
    world.start_worker().unwrap();
    reach_account(&world, account, AccountState::Disconnected).await;
    assert!(channels::alive_at_provider(&world, USER).is_empty());
    assert!(world.store.credentials(account).await.unwrap().is_none());
    reach(&world, calendar, CalendarState::Closed).await;
    let runs = histories::of_workflow(&world, &names::account_id(account)).await;
    assert_eq!(runs.len(), 2, "the cancel came with continue as new, else this test saw nothing");
    histories::replay_and_record("account-cancelled-at-continue-as-new", runs).await;
    world.end().await;
}

pub async fn a_subscription_that_an_operator_cancels_closes_in_order_and_replays<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    world.subscription(calendar).cancel(WorkflowCancelOptions::default()).await.unwrap();
    reach(&world, calendar, CalendarState::Closed).await;
    channels::are_stopped(&world, USER).await;
    let ended = world.subscription(calendar).get_result(WorkflowGetResultOptions::default()).await;
    assert!(ended.is_err(), "it ends as cancelled: {ended:?}");
    histories::keep(&world, "cancelled-alone", calendar, None).await;
    world.end().await;
}

pub async fn a_cancelled_subscription_signals_its_account_and_waits_for_no_poller_that_was_lost<
    P: ProviderUnderTest,
>() {
    let world = world::<P>(quick(), SyncStrategy::Hybrid).await;
    let (account, calendar) = world.connect_and_mirror().await;
    let poller = world.temporal.client.get_workflow_handle::<PollingWorkflow>(names::polling_id(calendar));
    eventually("the poller runs", || async {
        poller.describe(WorkflowDescribeOptions::default()).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    poller.terminate(WorkflowTerminateOptions::default()).await.unwrap();
    world.subscription(calendar).cancel(WorkflowCancelOptions::default()).await.unwrap();
    reach(&world, calendar, CalendarState::Closed).await;
    channels::are_stopped(&world, USER).await;
    signalled(&world, &names::account_id(account), names::SIGNAL_SUBSCRIPTION_CLOSED).await;
    histories::keep(&world, "cancelled-without-poller", calendar, None).await;
    world.end().await;
}

pub async fn pollers_that_continue_as_new_replay<P: ProviderUnderTest>() {
    const PARTS_MAX: u32 = 10;
    let world = world::<P>(Timing { polling_interval_s: 3600, ..quick() }, SyncStrategy::Polling).await;
    let account = world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::PollOnly).await;
    mirror::equals_provider(&world, calendar).await;
    // What it asks for is not of interest here, and would take its time.
    let options = WorkflowExecuteUpdateOptions::default();
    let subscription = world.subscription(calendar);
    subscription.execute_update(SubscriptionWorkflow::pause, RawValue::empty(), options).await.unwrap();
    let (client, namespace) = (&world.temporal.client, &world.temporal.namespace);
    let poller = names::polling_id(calendar);
    // The poller decides how many polls a run has.
    for part in 1..=PARTS_MAX {
        let hours = Duration::from_hours(100);
        skipping::fast_forward(client, namespace, &poller, &format!("many polls {part}"), hours).await.unwrap();
        if histories::of_workflow(&world, &poller).await.len() > 1 {
            break;
        }
    }
    disconnect(&world, account).await;
    let runs = histories::of_workflow(&world, &poller).await;
    assert!(runs.len() > 1, "the poller continued as new");
    histories::replay_and_record("polling-continue-as-new", runs).await;
    world.end().await;
}

pub async fn a_poller_whose_subscription_is_gone_ends_by_itself<P: ProviderUnderTest>() {
    let world = world::<P>(Timing { polling_interval_s: 1, ..quick() }, SyncStrategy::Polling).await;
    world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::PollOnly).await;
    // It has polled.
    signalled(&world, &names::subscription_id(calendar), names::SIGNAL_NOTIFY).await;
    world.subscription(calendar).terminate(WorkflowTerminateOptions::default()).await.unwrap();
    let poller = world.temporal.client.get_workflow_handle::<PollingWorkflow>(names::polling_id(calendar));
    let ended = poller.get_result(WorkflowGetResultOptions::default()).await.unwrap();
    assert_eq!(ended.reason, "the subscription is gone");
    let runs = histories::of_workflow(&world, &names::polling_id(calendar)).await;
    histories::replay_and_record("polling-orphan", runs).await;
    world.end().await;
}
