//! A run continues as new in whatever a subscription waits for, and the wait goes on. One that never did would be
//! ended by the server for its long history.

use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{CalendarId, CalendarState, ChannelId, RemoteChannelId, SyncReason};
use evercal_http::Method;
use evercal_simulator::{FaultAction, FaultPlan};
use evercal_storage::{AuditOf, PageRequest};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, USER, World, WorldOptions, calls, channels, discover, eventually, histories,
    mirror, quick, reach,
};
use evercal_workflows::contract::{AccountChanged, ChannelHint, Notify, pack};
use evercal_workflows::{AccountWorkflow, SubscriptionWorkflow, Timing, names};
use serde_json::json;
use temporalio_client::{WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowSignalOptions};
use temporalio_common::UntypedWorkflow;

/// Runs are short here.
fn timing() -> Timing {
    Timing { history_events_max: 40, ..quick() }
}

async fn world<P: ProviderUnderTest>(timing: Timing) -> World {
    World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await
}

/// The run that a calendar's subscription is in.
async fn run_of(world: &World, calendar: CalendarId) -> String {
    let description = world.subscription(calendar).describe(WorkflowDescribeOptions::default()).await.unwrap();
    description.raw().workflow_execution_info.clone().unwrap().execution.unwrap().run_id
}

/// Waits until the next run has begun.
async fn continues_as_new(world: &World, calendar: CalendarId) {
    let before = run_of(world, calendar).await;
    eventually("the run has continued as new", || async {
        let now = run_of(world, calendar).await;
        if now == before { Err(now) } else { Ok(()) }
    })
    .await;
}

/// Has notices of channels that nobody knows make the history longer until the next run has begun.
async fn continues_as_new_for_strays(world: &World, calendar: CalendarId) {
    let before = run_of(world, calendar).await;
    eventually("the run has continued as new", || async {
        let hint = ChannelHint {
            channel_id: ChannelId::generate(),
            remote_id: Some(RemoteChannelId::new("r")),
            announces_change: true,
        };
        let notify =
            Notify { reason: SyncReason::Notice, notices: 1, received_at: None, channels: vec![hint], priority: None };
        let options = WorkflowSignalOptions::default();
        world.subscription(calendar).signal(SubscriptionWorkflow::notify, pack(&notify), options).await.unwrap();
        let now = run_of(world, calendar).await;
        if now == before { Err(now) } else { Ok(()) }
    })
    .await;
}

fn pulls(world: &World) -> u64 {
    calls(world, ProviderCall::ReadEvents)
}

/// Has every read fail like this, and waits for the first that does, after a change.
async fn reads_fail(world: &World, status: u16, retry_after_s: Option<u64>) {
    let rule = world.always(ProviderCall::ReadEvents, FaultAction::Status { status, reason: None, retry_after_s });
    world.control().set_faults(FaultPlan { rules: vec![rule], random: None }).unwrap();
    world.change_events(USER, 2).await;
    eventually("a read has failed", || async {
        let calls = world.control().calls().unwrap().calls;
        if calls.iter().any(|call| call.status == Some(status)) { Ok(()) } else { Err(calls.len()) }
    })
    .await;
}

/// Replays the runs that have continued as new, and records some of them.
async fn keep_closed_runs(world: &World, name: &str, calendar: CalendarId) {
    let mut runs = histories::of_workflow(world, &names::subscription_id(calendar)).await;
    // The last one is still open.
    runs.pop();
    runs.truncate(3);
    histories::replay_and_record(&format!("subscription-{name}"), runs).await;
}

/// Reads succeed again, and a person asks for one.
async fn is_read_again(world: &World, calendar: CalendarId) {
    world.control().set_faults(FaultPlan::default()).unwrap();
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    mirror::equals_provider(world, calendar).await;
}

pub async fn a_polled_calendar_whose_grant_is_dead_continues_as_new_and_is_read_again_after_a_consent<
    P: ProviderUnderTest,
>() {
    let world = world::<P>(Timing { polling_interval_s: 1, reconcile_interval_s: 2, ..timing() }).await;
    world.control().set_watchable(USER, false).unwrap();
    let account = world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::PollOnly).await;
    mirror::equals_provider(&world, calendar).await;
    world.control().revoke_grants(USER).unwrap();
    reach(&world, calendar, CalendarState::NeedsReauth).await;
    continues_as_new(&world, calendar).await;
    let poller = world.temporal.client.get_workflow_handle::<UntypedWorkflow>(names::polling_id(calendar));
    eventually("nobody asks for listings", || async {
        let poller = poller.describe(WorkflowDescribeOptions::default()).await.unwrap();
        let info = poller.raw().workflow_execution_info.clone().unwrap();
        if info.close_time.is_some() { Ok(()) } else { Err(info.status) }
    })
    .await;
    continues_as_new(&world, calendar).await;
    let again = json!({"label": "Ada", "login_hint": USER, "account_id": account.to_string()});
    world.try_connect(again).await.unwrap();
    reach(&world, calendar, CalendarState::PollOnly).await;
    world.change_events(USER, 3).await;
    mirror::equals_provider(&world, calendar).await;
    keep_closed_runs(&world, "lost-grant-polled", calendar).await;
    world.end().await;
}

pub async fn a_run_that_continues_as_new_writes_no_change_of_state<P: ProviderUnderTest>() {
    let world = world::<P>(timing()).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let written = async || {
        let of = AuditOf::Calendar(calendar);
        let entries = world.store.audit_entries(of, &PageRequest::first(500)).await.unwrap().items;
        entries.into_iter().filter(|entry| entry.kind == AuditKind::StateChanged).map(|entry| entry.message).collect()
    };
    let before: Vec<String> = written().await;
    for _ in 0..3 {
        continues_as_new_for_strays(&world, calendar).await;
    }
    // A person's sync is answered by the run that is there now, after it has written what it has to.
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    let after: Vec<String> = written().await;
    assert_eq!(after, before);
    world.end().await;
}

pub async fn an_accounts_run_that_continues_as_new_writes_no_change_of_state<P: ProviderUnderTest>() {
    let world = world::<P>(timing()).await;
    let (account, _calendar) = world.connect_and_mirror().await;
    let written = async || {
        let entries = world.store.audit_entries(AuditOf::Everything, &PageRequest::first(500)).await.unwrap().items;
        let of_account = |entry: &AuditEntry| entry.account_id == Some(account) && entry.calendar_id.is_none();
        let changes = entries.into_iter().filter(|entry| entry.kind == AuditKind::StateChanged && of_account(entry));
        changes.map(|entry| entry.message).collect::<Vec<String>>()
    };
    let workflow = world.temporal.client.get_workflow_handle::<AccountWorkflow>(names::account_id(account));
    let run = async || {
        let description = workflow.describe(WorkflowDescribeOptions::default()).await.unwrap();
        description.raw().workflow_execution_info.clone().unwrap().execution.unwrap().run_id
    };
    let before = written().await;
    for _ in 0..3 {
        let earlier = run().await;
        eventually("the run has continued as new", || async {
            discover(&world, account).await;
            let now = run().await;
            if now == earlier { Err(now) } else { Ok(()) }
        })
        .await;
    }
    // What a run writes at its beginning is written before it reads the list.
    let listed = async || world.store.account(account).await.unwrap().unwrap().listed_at;
    let listed_before = listed().await;
    discover(&world, account).await;
    eventually("the run that is there now has read the list", || async {
        let now = listed().await;
        if now > listed_before { Ok(()) } else { Err(now) }
    })
    .await;
    assert_eq!(written().await, before);
    world.end().await;
}

pub async fn a_pause_that_the_provider_asked_for_goes_on_in_the_next_run<P: ProviderUnderTest>() {
    let world = world::<P>(timing()).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let before = pulls(&world);
    reads_fail(&world, 429, Some(900)).await;
    for _ in 0..4 {
        continues_as_new_for_strays(&world, calendar).await;
    }
    let made = pulls(&world) - before;
    assert!(made <= 3, "{made} calls although the provider asked for a quarter of an hour");
    is_read_again(&world, calendar).await;
    keep_closed_runs(&world, "quota-continue-as-new", calendar).await;
    world.end().await;
}

pub async fn a_sync_in_its_backoff_does_not_hold_continue_as_new_up<P: ProviderUnderTest>() {
    let world = world::<P>(Timing { sync_backoff_initial_ms: 3_600_000, ..timing() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    reads_fail(&world, 503, None).await;
    for _ in 0..2 {
        continues_as_new_for_strays(&world, calendar).await;
    }
    is_read_again(&world, calendar).await;
    keep_closed_runs(&world, "backoff-continue-as-new", calendar).await;
    world.end().await;
}

pub async fn a_cancellation_that_meets_continue_as_new_closes_in_order<P: ProviderUnderTest>() {
    let mut world = world::<P>(timing()).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    world.stop_worker().await.unwrap();
    // All of it is handled in one task: the history is long by then, and both lanes return.
    let subscription = world.subscription(calendar);
    for _ in 0..timing().history_events_max {
        let nothing = pack(&AccountChanged::default());
        let options = WorkflowSignalOptions::default();
        subscription.signal(SubscriptionWorkflow::account_changed, nothing, options).await.unwrap();
    }
    subscription.cancel(WorkflowCancelOptions::default()).await.unwrap();
    world.start_worker().unwrap();
    reach(&world, calendar, CalendarState::Closed).await;
    channels::are_stopped(&world, USER).await;
    let runs = histories::of_workflow(&world, &names::subscription_id(calendar)).await;
    histories::replay_and_record("subscription-cancelled-continue-as-new", runs).await;
    world.end().await;
}
