//! Google's limit of channels, which it says with 403 as it says a refusal.

use evercal_domain::CalendarState;
use evercal_domain::journal::AuditKind;
use evercal_simulator::{FaultAction, FaultPlan, FaultRule};
use evercal_storage::{AuditOf, PageRequest};
use evercal_tests::{Google, ProviderCall, USER, World, arm, made, mirror, reach};

#[tokio::test(flavor = "multi_thread")]
async fn watch_rate_403_backs_off_and_never_disables() {
    let world = World::start::<Google>().await;
    let reason = Some("subscriptionRateLimitExceeded".to_owned());
    let limit = FaultAction::Status { status: 403, reason, retry_after_s: None };
    arm(&world, FaultRule { times: Some(3), ..world.once(ProviderCall::OpenChannel, limit) });
    let (_account, calendar) = world.connect_and_mirror().await;
    let mut attempts = world.control().calls().unwrap().calls;
    attempts.retain(|call| call.method == world.method(ProviderCall::OpenChannel));
    let count = u64::try_from(attempts.len()).unwrap();
    made(&world, calendar, count, 4, "three refusals, and the one that went through").await;
    for pair in attempts.windows(2).take(3) {
        assert!((pair[1].at - pair[0].at).num_milliseconds() >= 1_000, "a rung of the ladder apart: {pair:#?}");
    }
    let entries = world.store.audit_entries(AuditOf::Calendar(calendar), &PageRequest::first(100)).await.unwrap().items;
    assert!(entries.iter().any(|entry| entry.message.starts_with("live")), "{entries:#?}");
    for entry in &entries {
        let gave_up = ["poll only", "action required", "polling"].iter().any(|state| entry.message.starts_with(state));
        assert!(!gave_up && entry.kind != AuditKind::AlertRaised, "{entries:#?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_limit_that_lasts_is_polled_through_and_heals() {
    let world = World::start::<Google>().await;
    let reason = Some("subscriptionRateLimitExceeded".to_owned());
    let limit = FaultAction::Status { status: 403, reason, retry_after_s: None };
    arm(&world, world.always(ProviderCall::OpenChannel, limit));
    world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::Polling).await;
    world.change_events(USER, 5).await;
    mirror::equals_provider(&world, calendar).await;
    world.control().set_faults(FaultPlan::default()).unwrap();
    reach(&world, calendar, CalendarState::Live).await;
    world.end().await;
}
