//! An outage that outlives the channel, in real time: where time is skipped, a poller that runs holds its parent's clock, and
//! no channel ever ends in an outage.

use std::collections::BTreeMap;

use evercal_domain::{CalendarId, CalendarState, SyncReason};
use evercal_simulator::{FaultAction, FaultPlan, FaultRule};
use evercal_tests::{USER, World, WorldOptions, channels, eventually, histories, mirror, quick, reach};
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

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_runs_out_is_polled_for_and_opened_anew_when_that_is_possible() {
    let timing = Timing { channel_lifetime_s: 24, channel_lifetime_spread_s: 0, polling_interval_s: 3, ..quick() };
    let world = World::with(WorldOptions { timing, ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_settle().await;
    let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    let rules = vec![FaultRule::always("calendar.events.watch", down)];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
    eventually("no channel lives at the provider any more", || async {
        let alive = channels::alive_at_provider(&world, USER);
        if alive.is_empty() { Ok(()) } else { Err(alive) }
    })
    .await;
    eventually("the subscription knows that it has none", || async {
        let status = world.status(calendar).await;
        if status.channel_expires_at_ms.is_none() { Ok(()) } else { Err(status) }
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
