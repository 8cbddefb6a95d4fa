//! Notices from Google to signals.

use std::sync::atomic::Ordering;
use std::time::Duration;

use evercal_domain::SyncReason;
use evercal_domain::channel_token::ChannelClaim;
use evercal_domain::{CalendarId, CalendarState, ChannelId, Clock, SystemClock, UnixMs, Watched};
use evercal_storage::StateRecord;
use evercal_workflow_client::AccountSignal;

use crate::support::{Call, World, eventually};

#[tokio::test]
async fn a_notice_is_acknowledged_after_the_workflow_has_it() {
    let world = World::running().await;
    let customer = world.customer().await;
    let before = UnixMs::from(SystemClock.now());
    assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.status, 204);
    let [notify] = world.workflows.notifies(customer.calendar).try_into().unwrap();
    assert_eq!((notify.reason, notify.notices), (SyncReason::Notice, 1));
    assert!(notify.received_at >= Some(before));
    let remote_id = notify.channels[0].remote_id.as_ref().unwrap();
    assert!(remote_id.as_str().ends_with(" resource"), "as the provider calls it");
}

#[tokio::test]
async fn google_push_contract_any_state_but_sync_starts_a_pull() {
    let world = World::running().await;
    for (state, change) in [("sync", false), ("exists", true), ("not_exists", true), ("add", true), ("", true)] {
        let calendar = world.customer().await.calendar;
        assert_eq!(world.send_notice(&world.notice(calendar, state)).await.status, 204);
        assert_eq!(world.workflows.notifies(calendar)[0].channels[0].announces_change, change, "{state:?}");
    }
    let calendar = world.customer().await.calendar;
    let mut without_state = world.notice(calendar, "exists");
    without_state.retain(|(name, _)| *name != "x-goog-resource-state");
    assert_eq!(world.send_notice(&without_state).await.status, 204);
    assert!(world.workflows.notifies(calendar)[0].channels[0].announces_change);
}

#[tokio::test]
async fn a_storm_of_notices_costs_a_few_signals() {
    let world = World::running().await;
    let customer = world.customer().await;
    let headers = world.notice(customer.calendar, "exists");
    let answers = futures::future::join_all((0..300).map(|_| world.send_notice(&headers))).await;
    assert!(answers.iter().all(|answer| answer.status == 204));
    let notifies = world.workflows.notifies(customer.calendar);
    assert!(notifies.len() <= 4, "{} signals", notifies.len());
    assert_eq!(notifies.iter().map(|notify| notify.notices).sum::<u32>(), 300);
    assert!(notifies.iter().all(|notify| notify.channels.len() == 1), "each channel once");
}

#[tokio::test]
async fn a_forged_notice_is_refused_and_noted_and_starts_nothing() {
    let world = World::running().await;
    let customer = world.customer().await;
    let genuine = world.notice(customer.calendar, "exists");
    let changed = |name: &str, value: Option<&str>| {
        let kept = genuine.iter().filter(|(key, _)| *key != name).cloned();
        let replaced = genuine.iter().filter(|(key, _)| *key == name);
        kept.chain(replaced.filter_map(|(key, _)| Some((*key, value?.to_owned())))).collect::<Vec<_>>()
    };
    let watched = Watched::Calendar { account_id: customer.account, calendar_id: customer.calendar };
    let claim = ChannelClaim { watched, channel_id: ChannelId::generate() };
    let others = evercal_domain::channel_token::ChannelTokenKeys::parse("somebody-elses-key").unwrap().sign(claim);
    let refused = [
        changed("x-goog-channel-token", None),
        changed("x-goog-channel-token", Some("nonsense")),
        changed("x-goog-channel-token", Some(&others)),
        changed("x-goog-channel-id", None),
        vec![],
    ];
    for headers in &refused {
        assert_eq!(world.send_notice(headers).await.problem(), 401);
    }
    let contradiction = changed("x-goog-channel-id", Some(&ChannelId::generate().to_string()));
    assert_eq!(world.send_notice(&contradiction).await.problem(), 401);
    eventually(&(5, 1), async || {
        (world.security_events("notice_refused").await, world.security_events("notice_contradicts").await)
    })
    .await;
    assert_eq!(world.workflows.calls(), []);
}

#[tokio::test]
async fn a_proven_notice_for_a_calendar_that_does_not_exist_is_acknowledged_and_noted() {
    let world = World::running().await;
    let calendar = CalendarId::generate();
    world.workflows.missing.lock().unwrap().insert(calendar);
    assert_eq!(world.send_notice(&world.notice(calendar, "exists")).await.status, 204);
    eventually(&1, async || world.security_events("notice_for_unknown_channel").await).await;
}

#[tokio::test]
async fn notice_after_stop_is_acknowledged_and_ignored() {
    let world = World::running().await;
    let customer = world.customer().await;
    let closed = StateRecord {
        calendar_id: customer.calendar,
        state: CalendarState::Closed,
        detail: None,
        channel_expires_at: None,
        at: SystemClock.now() + chrono::Duration::seconds(1),
    };
    world.store.record_state(&closed).await.unwrap();
    world.workflows.missing.lock().unwrap().insert(customer.calendar);
    assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.status, 204);
    assert_eq!(world.workflows.calls(), []);
    assert_eq!(world.security_events("notice_for_unknown_channel").await, 0);
}

#[tokio::test]
async fn a_missing_subscription_is_reported_to_its_account() {
    let world = World::running().await;
    let customer = world.customer().await;
    world.workflows.missing.lock().unwrap().insert(customer.calendar);
    assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.status, 204);
    let call = Call::Signal(customer.account, AccountSignal::SubscriptionMissing(customer.calendar));
    assert_eq!(world.workflows.calls(), [call]);
}

#[tokio::test]
async fn a_lost_account_workflow_is_started_again_by_a_notice() {
    let world = World::running().await;
    let customer = world.customer().await;
    world.workflows.missing.lock().unwrap().insert(customer.calendar);
    world.workflows.accounts.lock().unwrap().clear();
    assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.status, 204);
    assert_eq!(world.workflows.calls(), [Call::Start(customer.account)]);
}

#[tokio::test]
async fn while_temporal_is_down_notices_are_refused_for_a_later_try() {
    let world = World::running().await;
    let customer = world.customer().await;
    world.workflows.down.store(true, Ordering::SeqCst);
    assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.problem(), 503);
    eventually(&503, async || world.get("", "/health/ready").await.status.as_u16()).await;
    assert_eq!(world.get("", "/health/live").await.status, 200);
    world.workflows.down.store(false, Ordering::SeqCst);
    eventually(&200, async || world.get("", "/health/ready").await.status.as_u16()).await;
}

#[tokio::test]
async fn a_gateway_that_stops_answers_the_notices_that_it_has() {
    let mut world = World::running().await;
    let customer = world.customer().await;
    *world.workflows.delay.lock().unwrap() = Duration::from_millis(200);
    let gateway = world.gateway.take().unwrap();
    let request = world.request(World::notice_request(gateway.address(), &world.notice(customer.calendar, "exists")));
    let reached_then_stopped = async {
        eventually(&true, async || world.workflows.reached.load(Ordering::SeqCst)).await;
        gateway.stop().await;
        assert_eq!(world.workflows.notifies(customer.calendar).len(), 1, "stopped, and nothing is under way");
    };
    let (answer, ()) = tokio::join!(request, reached_then_stopped);
    assert_eq!(answer.status, 204);
}

#[tokio::test]
async fn a_full_gateway_refuses_at_once_and_catches_up_later() {
    let mut world = World::new().await;
    world.config.limits.notices_max = 0;
    world.start().await;
    let customer = world.customer().await;
    assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.problem(), 503);
    assert_eq!(world.get(&customer.key, "/v1/accounts").await.status, 200, "readers have room of their own");
    let reasons = async || world.workflows.notifies(customer.calendar).iter().map(|n| n.reason).collect::<Vec<_>>();
    eventually(&vec![SyncReason::CatchUp], reasons).await;
}
