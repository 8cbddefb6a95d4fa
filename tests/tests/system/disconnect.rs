//! Taking an account down.

use evercal_domain::{AccountId, AccountState, CalendarState, Channel, ChannelId, Clock as _, SystemClock};
use evercal_http::Method;
use evercal_simulator::{FaultAction, FaultPlan};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, Refused, USER, World, WorldOptions, calls, channels, disconnect, discover,
    eventually, histories, made, quick, reach_account,
};
use evercal_workflows::{AccountWorkflow, Timing, names};
use temporalio_client::{WorkflowCancelOptions, WorkflowTerminateOptions};

/// From now on the provider answers calls of this kind with 503.
fn out_of_order(world: &World, call: ProviderCall) {
    let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    let rules = vec![world.always(call, down)];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
}

async fn keep_account(world: &World, name: &str, account: AccountId) {
    let runs = histories::of_workflow(world, &names::account_id(account)).await;
    histories::replay_and_record(&format!("account-{name}"), runs).await;
}

pub async fn a_disconnected_account_leaves_no_channel_no_token_and_no_grant<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    world.new_calendar("Team");
    let (account, calendar) = world.connect_and_mirror().await;
    disconnect(&world, account).await;
    let alive: Vec<_> = world.control().channels().unwrap().into_iter().filter(|channel| channel.live).collect();
    assert!(alive.is_empty(), "{alive:#?}");
    assert!(world.store.credentials(account).await.unwrap().is_none());
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().state, CalendarState::Closed);
    let is_given_back = P::nature().takes_grants_back();
    assert_eq!(calls(&world, ProviderCall::Revoke) >= 1, is_given_back);
    let detail = world.store.account(account).await.unwrap().unwrap().detail.unwrap_or_default();
    assert_eq!(detail.contains("until the person ends it"), !is_given_back, "{detail}");
    world.end().await;
}

pub async fn while_the_provider_asks_to_wait_with_stopping_channels_the_account_says_until_when<
    P: ProviderUnderTest,
>() {
    let world = World::start::<P>().await;
    let (account, _calendar) = world.connect_and_mirror().await;
    let wish = FaultAction::Status { status: 429, reason: None, retry_after_s: Some(86_400) };
    let rules = vec![world.always(ProviderCall::CloseChannel, wish)];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
    world.api(Method::DELETE, &format!("/v1/accounts/{account}"), None).await.unwrap();
    eventually("it says so", || async {
        let shown = world.api(Method::GET, &format!("/v1/accounts/{account}"), None).await.unwrap();
        let detail = shown["detail"].as_str().unwrap_or_default();
        let is_said = shown["state"] == "disconnecting" && detail.contains("has not stopped by 20");
        if is_said { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    world.end().await;
}

pub async fn while_the_provider_asks_to_wait_with_revoking_the_account_says_until_when<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, _calendar) = world.connect_and_mirror().await;
    let wish = FaultAction::Status { status: 429, reason: None, retry_after_s: Some(86_400) };
    let rules = vec![world.always(ProviderCall::Revoke, wish)];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
    world.api(Method::DELETE, &format!("/v1/accounts/{account}"), None).await.unwrap();
    let detail = eventually("it says so", || async {
        let shown = world.api(Method::GET, &format!("/v1/accounts/{account}"), None).await.unwrap();
        let detail = shown["detail"].as_str().unwrap_or_default();
        let is_said = shown["state"] == "disconnecting" && detail.contains("asked to wait until 20");
        if is_said { Ok(detail.to_owned()) } else { Err(shown.to_string()) }
    })
    .await;
    let until = detail.split("wait until ").nth(1).and_then(|rest| rest.get(..16)).unwrap();
    let until = chrono::NaiveDateTime::parse_from_str(until, "%Y-%m-%d %H:%M").unwrap().and_utc();
    assert!(
        until <= SystemClock.now() + chrono::TimeDelta::minutes(61),
        "a wish of a day is kept for an hour: {detail}"
    );
    assert!(world.store.credentials(account).await.unwrap().is_some(), "there is something to give back still");
    world.control().set_faults(FaultPlan::default()).unwrap();
    // Whoever asks again does not wait any longer.
    disconnect(&world, account).await;
    assert!(world.store.credentials(account).await.unwrap().is_none());
    world.end().await;
}

pub async fn a_subscription_that_was_lost_leaves_no_channel_behind_when_its_account_is_disconnected<
    P: ProviderUnderTest,
>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    world.subscription(calendar).terminate(WorkflowTerminateOptions::default()).await.unwrap();
    assert_eq!(channels::alive_at_provider(&world, USER).len(), 1, "nobody stopped it");
    disconnect(&world, account).await;
    assert!(channels::alive_at_provider(&world, USER).is_empty());
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().state, CalendarState::Closed);
    made(&world, calendar, calls(&world, ProviderCall::OpenChannel), 1, "it was not begun anew for that").await;
    histories::keep(&world, "lost-subscription", calendar, Some(account)).await;
    world.end().await;
}

pub async fn a_subscription_that_was_lost_leaves_no_channel_behind_when_its_account_is_cancelled<
    P: ProviderUnderTest,
>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    world.subscription(calendar).terminate(WorkflowTerminateOptions::default()).await.unwrap();
    let workflow = world.temporal.client.get_workflow_handle::<AccountWorkflow>(names::account_id(account));
    workflow.cancel(WorkflowCancelOptions::default()).await.unwrap();
    reach_account(&world, account, AccountState::Disconnected).await;
    assert!(channels::alive_at_provider(&world, USER).is_empty());
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().state, CalendarState::Closed);
    keep_account(&world, "cancelled-lost-subscription", account).await;
    world.end().await;
}

pub async fn a_disconnect_while_many_calendars_are_being_connected_closes_each_of_them<P: ProviderUnderTest>() {
    const CALENDARS: usize = 50;
    let world = World::start::<P>().await;
    for number in 1..CALENDARS {
        world.new_calendar(&format!("Calendar {number}"));
    }
    let account = world.connect().await;
    eventually("the calendars are found", || async {
        let found = world.store.calendars_of_account(account).await.unwrap().len();
        if found == CALENDARS { Ok(()) } else { Err(found) }
    })
    .await;
    disconnect(&world, account).await;
    let calendars = world.store.calendars_of_account(account).await.unwrap();
    let open: Vec<_> = calendars.iter().filter(|calendar| calendar.state != CalendarState::Closed).collect();
    assert!(open.is_empty(), "{} of {}: {open:#?}", open.len(), calendars.len());
    let alive = world.control().channels().unwrap().into_iter().filter(|channel| channel.live).count();
    assert_eq!(alive, 0, "channels live on");
    world.end().await;
}

pub async fn a_disconnect_does_not_wait_for_a_provider_that_gives_no_tokens<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    out_of_order(&world, ProviderCall::Redeem);
    let account = world.connect().await;
    eventually("the code is tried", || async {
        let made = calls(&world, ProviderCall::Redeem);
        if made >= 3 { Ok(()) } else { Err(made) }
    })
    .await;
    disconnect(&world, account).await;
    assert!(world.store.credentials(account).await.unwrap().is_none());
    keep_account(&world, "given-up", account).await;
    world.end().await;
}

pub async fn a_disconnect_does_not_wait_for_a_list_of_calendars_that_never_comes<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    out_of_order(&world, ProviderCall::ListCalendars);
    let before = calls(&world, ProviderCall::ListCalendars);
    discover(&world, account).await;
    eventually("the list is tried", || async {
        let made = calls(&world, ProviderCall::ListCalendars) - before;
        if made >= 3 { Ok(()) } else { Err(made) }
    })
    .await;
    disconnect(&world, account).await;
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().state, CalendarState::Closed);
    world.end().await;
}

pub async fn tokens_and_mirror_are_erased_although_the_provider_never_takes_the_grant_back<P: ProviderUnderTest>() {
    let timing = Timing { close_timeout_s: 15, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    let (account, calendar) = world.connect_and_mirror().await;
    out_of_order(&world, ProviderCall::Revoke);
    disconnect(&world, account).await;
    assert!(calls(&world, ProviderCall::Revoke) >= 2, "it was tried until the timeout");
    assert!(world.store.credentials(account).await.unwrap().is_none());
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().event_count, 0);
    keep_account(&world, "not-revoked", account).await;
    world.end().await;
}

pub async fn a_channel_that_cannot_be_stopped_keeps_no_other_one_alive<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    channels::are_owned(&world, calendar, 1).await;
    let live = world.store.channels_of_calendar(calendar).await.unwrap().pop().unwrap();
    let first_in_turn: ChannelId = format!("chn_{:032x}", 1).parse().unwrap();
    world.store.insert_channel(&Channel { id: first_in_turn, ..live }).await.unwrap();
    let refused = world.provider.refusal(Refused::Calendar);
    let rules = vec![world.once(ProviderCall::CloseChannel, refused)];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
    world.api(Method::DELETE, &format!("/v1/accounts/{account}"), None).await.unwrap();
    eventually("the calendar is closed, and its detail says that a channel was not stopped", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        let is_named = row.detail.as_ref().is_some_and(|why| why.contains("forbidden"));
        if row.state == CalendarState::Closed && is_named { Ok(()) } else { Err((row.state, row.detail)) }
    })
    .await;
    channels::are_stopped(&world, USER).await;
    world.end().await;
}
