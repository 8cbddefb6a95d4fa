//! An outage that outlives the channel, in real time: where time is skipped, a poller that runs holds its parent's clock, and
//! no channel ever ends in an outage.

use std::collections::BTreeMap;

use evercal_domain::{AccountId, CalendarId, CalendarState, SyncReason};
use evercal_simulator::{FaultAction, FaultPlan, FaultRule};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, Refused, USER, World, WorldOptions, arm, calls, channels, discover, eventually,
    histories, list_is_watched, mirror, quick, reach,
};
use evercal_workflows::{Timing, names};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

/// The activities that opened a channel or failed to, in their order, and whether they did.
async fn attempts_at_channels(world: &World, calendar: CalendarId) -> Vec<(String, bool)> {
    let runs = histories::of_workflow(world, &names::subscription_id(calendar)).await;
    let mut attempts = Vec::new();
    for run in runs {
        let mut scheduled = BTreeMap::new();
        for event in run.events {
            match event.attributes.unwrap() {
                Attributes::ActivityTaskScheduledEventAttributes(it) => {
                    scheduled.insert(event.event_id, it.activity_type.unwrap().name);
                }
                Attributes::ActivityTaskCompletedEventAttributes(it) => {
                    attempts.push((scheduled[&it.scheduled_event_id].clone(), true));
                }
                Attributes::ActivityTaskFailedEventAttributes(it) => {
                    attempts.push((scheduled[&it.scheduled_event_id].clone(), false));
                }
                _ => {}
            }
        }
    }
    attempts.retain(|(activity, _)| [names::CREATE_CHANNEL, names::RENEW_CHANNEL].contains(&activity.as_str()));
    attempts
}

pub async fn a_channel_that_runs_out_is_polled_for_and_opened_anew_when_that_is_possible<P: ProviderUnderTest>() {
    let timing = Timing { channel_lifetime_s: 24, channel_lifetime_spread_s: 0, polling_interval_s: 3, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    let rules = vec![world.always(ProviderCall::OpenChannel, down)];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
    eventually("no channel lives at the provider any more", || async {
        let alive = channels::alive_at_provider(&world, USER);
        if alive.is_empty() { Ok(()) } else { Err(alive) }
    })
    .await;
    eventually("the subscription knows that it has none", || async {
        let status = world.status(calendar).await;
        if status.channel_expires_at.is_none() { Ok(()) } else { Err(status) }
    })
    .await;
    reach(&world, calendar, CalendarState::Polling).await;
    world.change_events(USER, 5).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("the poller found it", || async {
        let runs = world.store.sync_runs(calendar, 100).await.unwrap();
        let found = runs.iter().any(|run| run.reason == SyncReason::Poll && run.changes > 0);
        if found { Ok(()) } else { Err(runs) }
    })
    .await;

    world.control().set_faults(FaultPlan::default()).unwrap();
    reach(&world, calendar, CalendarState::Live).await;
    channels::are_owned(&world, calendar, 1).await;
    let attempts = attempts_at_channels(&world, calendar).await;
    let last_failed = attempts.iter().rposition(|(_, opened)| !opened).unwrap();
    let (activity, _) = &attempts[last_failed + 1];
    assert_eq!(activity, names::CREATE_CHANNEL, "there was none left to renew: {attempts:?}");
    world.change_events(USER, 5).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

pub async fn attempts_that_are_not_made_while_the_provider_refuses_everybody_leave_nothing_in_the_register<
    P: ProviderUnderTest,
>() {
    let timing = Timing { failed_sync_pause_s: 1, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    let refused = world.provider.refusal(Refused::Installation);
    let rules = [ProviderCall::OpenChannel, ProviderCall::ReadEvents].map(|call| world.always(call, refused.clone()));
    world.control().set_faults(FaultPlan { rules: rules.into(), random: None }).unwrap();
    world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    eventually("the provider is known to refuse everybody", || async {
        let incidents = world.store.incidents().await.unwrap();
        if incidents.is_empty() { Err(incidents) } else { Ok(()) }
    })
    .await;
    let rows = async || world.store.channels_of_calendar(calendar).await.unwrap().len();
    let (rows_before, attempts_before) = (rows().await, attempts_at_channels(&world, calendar).await.len());
    eventually("it is tried again and again", || async {
        let attempts = attempts_at_channels(&world, calendar).await.len();
        if attempts >= attempts_before + 5 { Ok(()) } else { Err((attempts_before, attempts)) }
    })
    .await;
    // One may have been on its way.
    assert!(rows().await <= rows_before + 1, "{rows_before} rows, now {}", rows().await);
    world.control().set_faults(FaultPlan::default()).unwrap();
    world.wait_until_mirrored(calendar).await;
    world.end().await;
}

/// How often reading an account's list of calendars has failed, and how often opening a channel on it.
async fn failures_with_the_list(world: &World, account: AccountId) -> [usize; 2] {
    let mut failures = [0; 2];
    for run in histories::of_workflow(world, &names::account_id(account)).await {
        let mut scheduled = BTreeMap::new();
        for event in run.events {
            match event.attributes.unwrap() {
                Attributes::ActivityTaskScheduledEventAttributes(it) => {
                    scheduled.insert(event.event_id, it.activity_type.unwrap().name);
                }
                Attributes::ActivityTaskFailedEventAttributes(it) => {
                    let failed = scheduled[&it.scheduled_event_id].as_str();
                    let of = [names::LIST_CALENDARS, names::CREATE_CHANNEL].iter().position(|name| *name == failed);
                    if let Some(of) = of {
                        failures[of] += 1;
                    }
                }
                _ => {}
            }
        }
    }
    failures
}

/// Somebody wants the list read now, and it is neither read nor watched.
async fn asks_for_the_list_in_vain(world: &World, account: AccountId) {
    let before = failures_with_the_list(world, account).await;
    discover(world, account).await;
    eventually("both have failed once more", || async {
        let now = failures_with_the_list(world, account).await;
        if now[0] > before[0] && now[1] > before[1] { Ok(()) } else { Err((before, now)) }
    })
    .await;
}

pub async fn while_the_provider_refuses_everybody_it_is_asked_neither_for_lists_nor_for_channels_on_them<
    P: ProviderUnderTest,
>() {
    let timing = Timing { failed_sync_pause_s: 2, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    // So that there is a channel to be opened all the time.
    let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    arm(&world, world.always(ProviderCall::OpenListChannel, down));
    let (account, calendar) = world.connect_and_mirror().await;
    let refused = world.provider.refusal(Refused::Installation);
    arm(&world, FaultRule::always(world.provider.calls_with_token(), refused));
    world.change_events(USER, 2).await;
    eventually("the provider is known to refuse everybody", || async {
        let incidents = world.store.incidents().await.unwrap();
        if incidents.is_empty() { Err(incidents) } else { Ok(()) }
    })
    .await;
    // What was on its way when that became known ends with this.
    asks_for_the_list_in_vain(&world, account).await;
    let of_lists = [ProviderCall::ListCalendars, ProviderCall::OpenListChannel, ProviderCall::WhoseGrant];
    let asked = || of_lists.map(|call| calls(&world, call));
    let before = asked();
    for _ in 0..3 {
        asks_for_the_list_in_vain(&world, account).await;
    }
    assert_eq!(asked(), before, "whether it is over is asked by an event of a calendar");
    world.control().set_faults(FaultPlan::default()).unwrap();
    list_is_watched(&world, account).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}
