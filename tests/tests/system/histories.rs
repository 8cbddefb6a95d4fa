//! Histories of all branches: made on the real server, replayed against today's code, and kept so that tomorrow's code is
//! held to them. `CONTRIBUTING.md` says how to record them anew.

mod continue_as_new;
mod kept;

pub use continue_as_new::*;

use evercal_domain::{AccountId, AccountState, CalendarId, CalendarState, Channel, LifecycleEvent, SyncStrategy};
use evercal_http::Method;
use evercal_simulator::{FaultAction, FaultPlan, FaultRule, NoticePlan};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, USER, World, WorldOptions, ask_for_sync, channels, disconnect, eventually,
    histories, mirror, quick, reach, reach_account, reconfigure,
};
use evercal_workflows::contract::{ChannelHint, Lifecycle, pack};
use evercal_workflows::{AccountWorkflow, SubscriptionWorkflow, Timing, names};
use serde_json::json;
use temporalio_client::{
    WorkflowCancelOptions, WorkflowExecuteUpdateOptions, WorkflowHandle, WorkflowSignalOptions,
    WorkflowTerminateOptions,
};
use temporalio_common::data_converters::RawValue;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

async fn sync(world: &World, calendar: CalendarId) {
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
}

fn fail_always(world: &World, call: ProviderCall, action: FaultAction) {
    let rules = vec![world.always(call, action)];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
}

fn no_faults(world: &World) {
    world.control().set_faults(FaultPlan::default()).unwrap();
}

fn account_workflow(world: &World, account: AccountId) -> WorkflowHandle<temporalio_client::Client, AccountWorkflow> {
    world.temporal.client.get_workflow_handle(names::account_id(account))
}

pub async fn a_life_without_trouble_replays<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    world.change_events(USER, 5).await;
    mirror::equals_provider(&world, calendar).await;
    sync(&world, calendar).await;
    let subscription = world.subscription(calendar);
    let options = WorkflowExecuteUpdateOptions::default;
    subscription.execute_update(SubscriptionWorkflow::pause, RawValue::empty(), options()).await.unwrap();
    reach(&world, calendar, CalendarState::Paused).await;
    subscription.execute_update(SubscriptionWorkflow::resume, RawValue::empty(), options()).await.unwrap();
    reach(&world, calendar, CalendarState::Live).await;
    disconnect(&world, account).await;
    histories::keep(&world, "life", calendar, Some(account)).await;
    world.end().await;
}

pub async fn the_ladder_the_poller_and_the_way_back_replay<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    fail_always(&world, ProviderCall::OpenChannel, down);
    let account = world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::Polling).await;
    no_faults(&world);
    reach(&world, calendar, CalendarState::Live).await;
    channels::are_owned(&world, calendar, 1).await;
    // The poller has ended: its parent says when.
    disconnect(&world, account).await;
    histories::keep(&world, "fallback", calendar, None).await;
    let runs = histories::of_workflow(&world, &names::polling_id(calendar)).await;
    histories::replay_and_record("polling-fallback", runs).await;
    world.end().await;
}

pub async fn a_calendar_that_cannot_be_watched_replays<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    world.control().set_watchable(USER, false).unwrap();
    let account = world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::PollOnly).await;
    disconnect(&world, account).await;
    histories::keep(&world, "poll-only", calendar, None).await;
    world.end().await;
}

pub async fn a_lost_grant_and_a_new_consent_replay<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    world.control().revoke_grants(USER).unwrap();
    world.change_events(USER, 3).await;
    // Not every provider announces changes to who has no grant any more.
    ask_for_sync(&world, calendar).await;
    reach_account(&world, account, AccountState::NeedsReauth).await;
    reach(&world, calendar, CalendarState::NeedsReauth).await;
    let again = json!({"label": "Ada", "login_hint": USER, "account_id": account.to_string()});
    world.try_connect(again).await.unwrap();
    reach(&world, calendar, CalendarState::Live).await;
    mirror::equals_provider(&world, calendar).await;
    disconnect(&world, account).await;
    histories::keep(&world, "lost-grant", calendar, Some(account)).await;
    world.end().await;
}

pub async fn a_calendar_that_is_taken_away_and_given_back_replays<P: ProviderUnderTest>() {
    let timing = Timing { failed_sync_pause_s: 2, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    let team = world.new_calendar("Team");
    world.connect_and_mirror().await;
    let calendar = world.calendar_of(&team).await.id;
    world.wait_until_mirrored(calendar).await;
    let refusal = FaultAction::Status { status: 404, reason: None, retry_after_s: None };
    let rule = FaultRule { calendar: Some(team), ..world.always(ProviderCall::ReadEvents, refusal) };
    world.control().set_faults(FaultPlan { rules: vec![rule], random: None }).unwrap();
    world.call(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None, Some(&world.api_key)).await.unwrap();
    reach(&world, calendar, CalendarState::ActionRequired).await;
    no_faults(&world);
    let options = WorkflowExecuteUpdateOptions::default();
    world
        .subscription(calendar)
        .execute_update(SubscriptionWorkflow::resume, RawValue::empty(), options)
        .await
        .unwrap();
    reach(&world, calendar, CalendarState::Live).await;
    mirror::equals_provider(&world, calendar).await;
    histories::keep(&world, "action-required", calendar, None).await;
    world.end().await;
}

pub async fn a_calendar_that_vanishes_from_the_list_replays<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let second = world.new_calendar("Soon gone");
    let (account, _calendar) = world.connect_and_mirror().await;
    let gone = world.calendar_of(&second).await.id;
    reach(&world, gone, CalendarState::Live).await;
    world.control().delete_calendar(&second).unwrap();
    let options = WorkflowSignalOptions::default;
    let workflow = account_workflow(&world, account);
    workflow.signal(AccountWorkflow::discover, RawValue::empty(), options()).await.unwrap();
    reach(&world, gone, CalendarState::Closed).await;
    // The account gets the signal that a subscription is missing: it starts those that it knows, and no others.
    let missing = evercal_workflows::contract::SubscriptionMissing { calendar_id: Some(gone) };
    workflow.signal(AccountWorkflow::subscription_missing, pack(&missing), options()).await.unwrap();
    disconnect(&world, account).await;
    histories::keep(&world, "vanished", gone, Some(account)).await;
    world.end().await;
}

pub async fn what_a_provider_says_of_a_channel_is_acted_on_and_replays<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    channels::are_owned(&world, calendar, 1).await;
    let before = world.store.channels_of_calendar(calendar).await.unwrap().pop().unwrap();
    assert!(
        before.live_at.is_some_and(|live_at| live_at >= before.created_at) && before.ended_at.is_none(),
        "{before:?}"
    );
    let says = async |event, channel: &Channel| {
        let remote_id = channel.remote_id.clone();
        let hint = ChannelHint { channel_id: channel.id, remote_id, announces_change: false };
        let lifecycle = Lifecycle { event, channel: Some(hint) };
        let options = WorkflowSignalOptions::default();
        let workflow = world.subscription(calendar);
        workflow.signal(SubscriptionWorkflow::lifecycle, pack(&lifecycle), options).await.unwrap();
    };

    says(LifecycleEvent::Removed, &before).await;
    eventually("another channel has taken its place", || async {
        let rows = world.store.channels_of_calendar(calendar).await.unwrap();
        let old = rows.iter().find(|row| row.id == before.id).unwrap();
        if rows.len() == 2 && old.ended_at.is_some() { Ok(()) } else { Err(rows) }
    })
    .await;
    channels::are_owned(&world, calendar, 1).await;
    says(LifecycleEvent::Removed, &before).await;

    world.control().set_notice_plan(NoticePlan { drop_percent: 100, ..NoticePlan::default() }).unwrap();
    world.change_events(USER, 5).await;
    says(LifecycleEvent::NoticesLost, &before).await;
    mirror::equals_provider(&world, calendar).await;
    assert_eq!(world.store.channels_of_calendar(calendar).await.unwrap().len(), 2, "what is late opens nothing");
    disconnect(&world, account).await;
    histories::keep(&world, "lifecycle", calendar, Some(account)).await;
    world.end().await;
}

pub async fn a_wait_for_the_quota_that_an_operator_overtakes_replays<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    let quota = FaultAction::Status { status: 429, reason: None, retry_after_s: Some(900) };
    let rule = world.once(ProviderCall::ReadEvents, quota);
    world.control().set_faults(FaultPlan { rules: vec![rule], random: None }).unwrap();
    world.change_events(USER, 2).await;
    eventually("the quota was met", || async {
        let calls = world.control().calls().unwrap().calls;
        if calls.iter().any(|call| call.status == Some(429)) { Ok(()) } else { Err(calls.len()) }
    })
    .await;
    sync(&world, calendar).await;
    mirror::equals_provider(&world, calendar).await;
    disconnect(&world, account).await;
    histories::keep(&world, "overtaken", calendar, None).await;
    world.end().await;
}

pub async fn a_read_in_many_slices_replays<P: ProviderUnderTest>() {
    let timing = Timing { sync_slice_ms: 1, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, events: 40, ..WorldOptions::default() }).await;
    world.provider.set_page_items_max(5);
    let (account, calendar) = world.connect_and_mirror().await;
    mirror::equals_provider(&world, calendar).await;
    disconnect(&world, account).await;
    let runs = histories::of_workflow(&world, &names::subscription_id(calendar)).await;
    let events = runs.iter().flat_map(|run| &run.events).filter_map(|event| event.attributes.as_ref());
    let slices = events.filter(|attributes| schedules(attributes, names::SYNC_CALENDAR)).count();
    assert!(slices >= 4, "{slices} slices");
    histories::keep(&world, "slices", calendar, None).await;
    world.end().await;
}

pub async fn workflows_that_an_operator_cancels_close_in_order_and_replay<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    account_workflow(&world, account).cancel(WorkflowCancelOptions::default()).await.unwrap();
    reach_account(&world, account, AccountState::Disconnected).await;
    assert!(channels::alive_at_provider(&world, USER).is_empty());
    histories::keep(&world, "cancelled", calendar, Some(account)).await;
    world.end().await;
}

pub async fn a_disconnect_whose_workflows_were_lost_ends_in_order_and_replays<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    let lost = || WorkflowTerminateOptions::default();
    account_workflow(&world, account).terminate(lost()).await.unwrap();
    world.subscription(calendar).terminate(lost()).await.unwrap();
    assert_eq!(channels::alive_at_provider(&world, USER).len(), 1, "nobody stopped it");
    disconnect(&world, account).await;
    reach(&world, calendar, CalendarState::Closed).await;
    assert!(channels::alive_at_provider(&world, USER).is_empty());
    let left = usize::from(!P::nature().takes_grants_back());
    assert_eq!(world.control().revoke_grants(USER).unwrap(), left, "the grant was given back where that can be");
    histories::keep(&world, "lost", calendar, Some(account)).await;
    world.end().await;
}

/// Waits until a workflow has received a signal.
async fn signalled(world: &World, workflow_id: &str, signal: &str) {
    eventually("the signal is in the history", || async {
        if histories::signals(world, workflow_id, signal).await > 0 { Ok(()) } else { Err(signal) }
    })
    .await;
}

pub async fn all_strategies_one_after_the_other_replay<P: ProviderUnderTest>() {
    let timing = Timing { polling_interval_s: 3, ..quick() };
    let options = WorldOptions { strategy: SyncStrategy::Hybrid, timing, ..WorldOptions::default() };
    let mut world = World::with::<P>(options).await;
    let (account, calendar) = world.connect_and_mirror().await;
    let poller = names::polling_id(calendar);
    reconfigure(&mut world, account, |settings| settings.timing.polling_interval_s = 2).await;
    signalled(&world, &poller, names::SIGNAL_INTERVAL).await;
    reconfigure(&mut world, account, |settings| settings.strategy = SyncStrategy::Polling).await;
    reach(&world, calendar, CalendarState::PollOnly).await;
    channels::are_owned(&world, calendar, 0).await;
    world.change_events(USER, 3).await;
    mirror::equals_provider(&world, calendar).await;
    reconfigure(&mut world, account, |settings| settings.strategy = SyncStrategy::Webhook).await;
    reach(&world, calendar, CalendarState::Live).await;
    let runs = eventually("the poller has ended", || async {
        let runs = histories::of_workflow(&world, &poller).await;
        let has_ended = runs.last().is_some_and(|run| is_end(run.events.last().and_then(|it| it.attributes.as_ref())));
        if has_ended { Ok(runs) } else { Err(runs.len()) }
    })
    .await;
    histories::replay_and_record("polling-strategies", runs).await;
    reconfigure(&mut world, account, |settings| settings.strategy = SyncStrategy::Hybrid).await;
    eventually("another poller runs", || async {
        let runs = histories::of_workflow(&world, &poller).await;
        let has_ended = runs.last().is_some_and(|run| is_end(run.events.last().and_then(|it| it.attributes.as_ref())));
        if has_ended { Err(runs.len()) } else { Ok(()) }
    })
    .await;
    disconnect(&world, account).await;
    histories::keep(&world, "strategies", calendar, Some(account)).await;
    world.end().await;
}

fn is_end(attributes: Option<&Attributes>) -> bool {
    matches!(attributes, Some(Attributes::WorkflowExecutionCompletedEventAttributes(_)))
}

fn schedules(attributes: &Attributes, activity: &str) -> bool {
    match attributes {
        Attributes::ActivityTaskScheduledEventAttributes(scheduled) => {
            scheduled.activity_type.as_ref().is_some_and(|kind| kind.name == activity)
        }
        _ => false,
    }
}
