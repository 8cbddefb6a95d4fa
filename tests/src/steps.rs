//! What many tests do to a [`World`], or wait for in it. Not for: what one test alone needs.

use std::time::Duration;

use evercal_domain::{AccountId, AccountState, CalendarId, CalendarState, ChannelState};
use evercal_http::Method;
use evercal_simulator::{FaultPlan, FaultRule};
use evercal_workflows::names;
use temporalio_client::WorkflowDescribeOptions;
use temporalio_common::UntypedWorkflow;

use crate::histories;
use crate::providers::ProviderCall;
use crate::skipping;
use crate::wait::eventually;
use crate::world::World;

/// Waits until a calendar is in a state.
pub async fn reach(world: &World, calendar: CalendarId, wanted: CalendarState) {
    eventually("the calendar's state is reached", || async {
        let row = world.store.calendar(calendar).await.expect("the store").expect("the calendar");
        if row.state == wanted { Ok(()) } else { Err((wanted, row.state, row.detail)) }
    })
    .await;
}

/// Waits until an account is in a state.
pub async fn reach_account(world: &World, account: AccountId, wanted: AccountState) {
    eventually("the account's state is reached", || async {
        let row = world.store.account(account).await.expect("the store").expect("the account");
        if row.state == wanted { Ok(()) } else { Err((wanted, row.state, row.detail)) }
    })
    .await;
}

/// Waits until an account's list of calendars is watched where that can be, and was read since: then nothing more is called
/// for it.
pub async fn list_is_watched(world: &World, account: AccountId) {
    eventually("the list is watched, and was read since", || async {
        if is_list_watched(world, account).await { Ok(()) } else { Err(world.store.account(account).await) }
    })
    .await;
}

/// Whether an account's list of calendars is watched where that can be, and was read since.
pub async fn is_list_watched(world: &World, account: AccountId) -> bool {
    let row = world.store.account(account).await.expect("the store").expect("the account");
    if !world.provider.profile().has_list_push() {
        return row.listed_at.is_some();
    }
    let channels = world.store.channels_of_list(account).await.expect("the register");
    let live = channels.iter().find(|channel| channel.state == ChannelState::Live);
    let is_read = live.is_some_and(|live| row.listed_at.is_some_and(|at| at >= live.created_at));
    is_read && row.channel_expires_at.is_some()
}

/// Asks for a sync of a calendar, whatever is answered: that it cannot be read may be what the test is about.
pub async fn ask_for_sync(world: &World, calendar: CalendarId) {
    let path = format!("/v1/calendars/{calendar}/sync");
    world.call(Method::POST, &path, None, Some(&world.api_key)).await.expect("an answer");
}

/// Disconnects an account, and waits until that is done.
pub async fn disconnect(world: &World, account: AccountId) {
    world.api(Method::DELETE, &format!("/v1/accounts/{account}"), None).await.expect("the request to disconnect");
    reach_account(world, account, AccountState::Disconnected).await;
}

/// Waits until the poller of a calendar has ended.
pub async fn poller_has_ended(world: &World, calendar: CalendarId) {
    let poller = world.temporal.client.get_workflow_handle::<UntypedWorkflow>(names::polling_id(calendar));
    eventually("the poller has ended", || async {
        let description = poller.describe(WorkflowDescribeOptions::default()).await.expect("the poller");
        let info = description.raw().workflow_execution_info.clone().expect("what the server knows of it");
        if info.close_time.is_some() { Ok(()) } else { Err(info.status) }
    })
    .await;
}

/// Moves the clock of a calendar's subscription forward. Each call needs an id of its own.
pub async fn live_for(world: &World, calendar: CalendarId, id: &str, time: Duration) {
    let workflow = names::subscription_id(calendar);
    let (client, namespace) = (&world.temporal.client, &world.temporal.namespace);
    skipping::fast_forward(client, namespace, &workflow, id, time).await.expect("the clock gets there");
}

/// How many calls of a kind the provider has had.
pub fn calls(world: &World, call: ProviderCall) -> u64 {
    let calls = world.control().calls().expect("the calls");
    world.provider.method(call).and_then(|method| calls.counts.get(method)).copied().unwrap_or(0)
}

/// Asserts that the provider had as many calls as expected, and not more than one more for each attempt that Temporal repeated:
/// what is promised is at least once.
pub async fn made(world: &World, calendar: CalendarId, made: u64, expected: u64, why: &str) {
    let account = world.store.calendar(calendar).await.expect("the store").expect("the calendar").account_id;
    let mut repeated = histories::repeated_attempts(world, &names::account_id(account)).await;
    repeated += histories::repeated_attempts(world, &names::subscription_id(calendar)).await;
    let seen = format!("{made} calls for {expected}, and {repeated} attempts were repeated");
    assert!((expected..=expected + repeated).contains(&made), "{why}: {seen}");
}

/// The provider's only fault from now on.
pub fn arm(world: &World, rule: FaultRule) {
    world.control().set_faults(FaultPlan { rules: vec![rule], random: None }).expect("the faults");
}
