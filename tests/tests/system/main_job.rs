//! The main job: a calendar kept fresh.

use evercal_domain::{CalendarState, SyncReason};
use evercal_http::{HttpSettings, Method};
use evercal_simulator::{FaultAction, FaultPlan, FaultRule, NoticePlan};
use evercal_tests::{ProviderCall, ProviderUnderTest, USER, World, WorldOptions, channels, eventually, mirror};

pub async fn a_connected_calendar_is_mirrored_and_a_change_shows_without_anybody_asking<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    world.change_events(USER, 7).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

pub async fn deletes_in_the_gap_are_found_by_mark_and_sweep<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let drop_all = NoticePlan { drop_percent: 100, ..NoticePlan::default() };
    world.control().set_notice_plan(drop_all).unwrap();
    let events = world.control().truth(USER).unwrap().events;
    let id = events.into_iter().find(|event| event.occurrence_of.is_none()).unwrap().id;
    world.control().delete_event(USER, &id).unwrap();
    world.provider.forget_the_past(USER);
    world.control().expire_sync_tokens(USER).unwrap();
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    mirror::equals_provider(&world, calendar).await;
    let changes = world.store.changes(calendar, 0, 10_000).await.unwrap();
    let last = changes.last().unwrap();
    assert_eq!((last.kind, last.event_id.as_str()), (evercal_domain::change::ChangeKind::Deleted, id.as_str()));
    world.end().await;
}

pub async fn unwatchable_calendar_becomes_poll_only_and_leaves_importing<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    world.control().set_watchable(USER, false).unwrap();
    world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    eventually("the calendar is polled", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        let done = row.state == CalendarState::PollOnly && row.confirmed_at.is_some();
        if done { Ok(()) } else { Err(format!("{:?} {:?}", row.state, row.confirmed_at)) }
    })
    .await;
    mirror::equals_provider(&world, calendar).await;
    eventually("the poller gives a reason", || async {
        let runs = world.store.sync_runs(calendar, 20).await.unwrap();
        if runs.iter().any(|run| run.reason == SyncReason::Poll) { Ok(()) } else { Err(runs) }
    })
    .await;
    // An expired sync token on top of it: the next sync, whatever asks for it, reads everything.
    world.control().expire_sync_tokens(USER).unwrap();
    world.change_events(USER, 5).await;
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    mirror::equals_provider(&world, calendar).await;
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().state, CalendarState::PollOnly);
    world.end().await;
}

pub async fn worker_restart_creates_no_second_channel<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    world.stop_worker().await.unwrap();
    world.change_events(USER, 5).await;
    world.start_worker().unwrap();
    mirror::equals_provider(&world, calendar).await;
    let channels = channels::of_events(&world);
    assert_eq!(channels.len(), 1, "{channels:#?}");
    world.end().await;
}

pub async fn hung_provider_call_frees_its_slot<P: ProviderUnderTest>() {
    let http = HttpSettings { total_timeout: std::time::Duration::from_secs(1), ..HttpSettings::default() };
    let world = World::with::<P>(WorldOptions { http, concurrent_syncs: 1, ..WorldOptions::default() }).await;
    let second = world.new_calendar("Has to be read too");
    let (_account, _calendar) = world.connect_and_mirror().await;
    let other = world.calendar_of(&second).await.id;
    world.wait_until_mirrored(other).await;
    // Each call for the first calendar hangs, and there is one slot for both.
    let rule = FaultRule {
        calendar: Some(world.provider.calendar_named(USER)),
        ..world.always(ProviderCall::ReadEvents, FaultAction::Hang)
    };
    world.control().set_faults(FaultPlan { rules: vec![rule], ..FaultPlan::default() }).unwrap();
    world.change_events(USER, 3).await;
    eventually("a call hangs", || async {
        let hung = world.control().calls().unwrap().calls.iter().filter(|call| call.fault.is_some()).count();
        if hung > 0 { Ok(()) } else { Err(hung) }
    })
    .await;
    world.change_events(&second, 3).await;
    mirror::equals_provider(&world, other).await;
    world.end().await;
}
