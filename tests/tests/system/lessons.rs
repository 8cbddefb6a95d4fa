//! What went wrong for users of other calendar products, and must not here: bursts, quotas, calendars that are gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use evercal_domain::{AccountState, CalendarId, CalendarState, SyncReason};
use evercal_http::Method;
use evercal_simulator::{ChannelReport, DeliveryStatus, FaultAction, FaultPlan, FaultRule, NoticePlan};
use evercal_tests::{
    ChangeNotice, ProviderCall, ProviderUnderTest, USER, World, WorldOptions, arm, ask_for_sync, calls, channels,
    eventually, live_for, made, mirror,
};
use evercal_workflows::Timing;

fn pulls(world: &World) -> u64 {
    calls(world, ProviderCall::ReadEvents)
}

async fn idle(world: &World, calendar: CalendarId) {
    eventually("no sync runs", || async {
        let status = world.status(calendar).await;
        if status.syncing { Err(status) } else { Ok(()) }
    })
    .await;
}

const DAY: Duration = Duration::from_hours(24);

fn skipping_world() -> WorldOptions {
    // Nothing but the channel has timers that matter.
    let timing = Timing { reconcile_interval_s: 10 * 365 * 24 * 3600, ..Timing::default() };
    WorldOptions { timing, simulated_time: true, ..WorldOptions::default() }
}

pub async fn notice_during_pull_gives_exactly_one_follow_up<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    idle(&world, calendar).await;
    let before = pulls(&world);
    // The first pull takes long enough for all the notices below to come while it runs.
    arm(&world, world.once(ProviderCall::ReadEvents, FaultAction::Delay { delay_ms: 8_000 }));
    world.change_events(USER, 1).await;
    eventually("a pull runs", || async {
        let made = pulls(&world) - before;
        if made == 1 { Ok(()) } else { Err(made) }
    })
    .await;
    world.change_events(USER, 20).await;
    eventually("all notices are delivered while the pull runs", || async {
        let left = world.control().deliveries().unwrap();
        let pending = left.count(DeliveryStatus::Pending);
        if pending == 0 { Ok(()) } else { Err(pending) }
    })
    .await;
    assert_eq!(pulls(&world) - before, 1, "the first pull still runs");
    mirror::equals_provider(&world, calendar).await;
    idle(&world, calendar).await;
    made(&world, calendar, pulls(&world) - before, 2, "the pull that ran, and one more for the twenty notices").await;
    world.end().await;
}

pub async fn debounce_is_bounded_under_endless_notices<P: ProviderUnderTest>() {
    let world = World::with::<P>(skipping_world()).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let channel = channels::of_events(&world).pop().unwrap();
    // The provider's own notices are lost: only the flood announces the change.
    world.control().set_notice_plan(NoticePlan { drop_percent: 100, ..NoticePlan::default() }).unwrap();
    let (before, begun) = (pulls(&world), std::time::Instant::now());
    let (sent, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let flood = async {
        while !enough.load(Ordering::Relaxed) {
            world.notice_is_taken(&ChangeNotice::of(&channel)).await;
            sent.fetch_add(1, Ordering::Relaxed);
        }
    };
    let reader = async {
        eventually("the flood runs", || async {
            let sent = sent.load(Ordering::Relaxed);
            if sent >= 20 { Ok(()) } else { Err(sent) }
        })
        .await;
        world.change_events(USER, 10).await;
        // While the flood goes on: nothing waits for its end.
        mirror::equals_provider(&world, calendar).await;
        enough.store(true, Ordering::Relaxed);
    };
    // Several senders at a time, since each notice is answered only when Temporal has it.
    tokio::join!(async { tokio::join!(flood_of(&world, &channel, &sent, &enough), flood) }, reader);
    idle(&world, calendar).await;
    let (made, sent) = (pulls(&world) - before, sent.load(Ordering::Relaxed));
    // Each pull answers a signal, and signals are half a second apart.
    let signals_max = begun.elapsed().as_millis() / 500 + 2;
    assert!(made >= 1 && made < sent && u128::from(made) <= signals_max + 1, "{made} pulls for {sent} notices");
    // The flood is over: a person's sync is the only pull that comes, so nothing queues itself.
    let before = pulls(&world);
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    idle(&world, calendar).await;
    assert!(pulls(&world) - before <= 2, "the last follow-up and the one that was asked for");
    let before = pulls(&world);
    live_for(&world, calendar, "an hour later", Duration::from_hours(1)).await;
    idle(&world, calendar).await;
    assert_eq!(pulls(&world), before, "no timer is left of the flood");
    world.end().await;
}

async fn flood_of(world: &World, channel: &ChannelReport, sent: &AtomicU64, enough: &AtomicBool) {
    let one = || async {
        while !enough.load(Ordering::Relaxed) {
            world.notice_is_taken(&ChangeNotice::of(channel)).await;
            sent.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::join!(one(), one(), one(), one(), one(), one());
}

pub async fn a_refused_access_token_is_refreshed_once_and_not_sent_again<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    idle(&world, calendar).await;
    let (pulls_before, refreshes_before) = (pulls(&world), calls(&world, ProviderCall::Refresh));
    world.control().expire_access_tokens(None).unwrap();
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    made(&world, calendar, calls(&world, ProviderCall::Refresh) - refreshes_before, 1, "one refresh").await;
    let why = "the call that was refused, and once more with the new token";
    made(&world, calendar, pulls(&world) - pulls_before, 2, why).await;
    world.end().await;
}

pub async fn a_revoked_grant_asks_for_a_consent_and_starts_no_full_pass<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    idle(&world, calendar).await;
    let before = world.store.sync_position(calendar).await.unwrap();
    world.control().revoke_grants(USER).unwrap();
    world.change_events(USER, 2).await;
    // Not every provider announces changes to who has no grant any more.
    ask_for_sync(&world, calendar).await;
    eventually("the account asks for a consent", || async {
        let row = world.store.account(account).await.unwrap().unwrap();
        if row.state == AccountState::NeedsReauth { Ok(()) } else { Err((row.state, row.detail)) }
    })
    .await;
    let after = world.store.sync_position(calendar).await.unwrap();
    assert_eq!((after.generation, after.cursor), (before.generation, before.cursor), "nothing was begun anew");
    world.end().await;
}

pub async fn a_first_read_that_is_pushed_aside_goes_on_where_it_was_and_stops_behind<P: ProviderUnderTest>() {
    const PAGES_MIN: u64 = 15;
    let world = World::with::<P>(WorldOptions { events: 200, ..WorldOptions::default() }).await;
    world.provider.set_page_items_max(6);
    // The fourth page takes so long that the read is still well under way when somebody asks for a sync.
    let page = |delay_ms| world.always(ProviderCall::ReadEvents, FaultAction::Delay { delay_ms });
    let held_up = FaultRule { after: 3, times: Some(1), ..page(5_000) };
    world.control().set_faults(FaultPlan { rules: vec![held_up, page(200)], random: None }).unwrap();
    world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    eventually("some pages are read", || async {
        let made = pulls(&world);
        if made >= 4 { Ok(()) } else { Err(made) }
    })
    .await;
    assert!(pulls(&world) < PAGES_MIN / 2, "the first read is well under way before anybody is more urgent");
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    mirror::equals_provider(&world, calendar).await;
    idle(&world, calendar).await;
    let runs = world.store.sync_runs(calendar, 10).await.unwrap();
    assert!(runs.iter().any(|run| run.reason == SyncReason::Operator), "{runs:#?}");
    // The call that was under way when the other took over may end beside the next one; after that there is one reader.
    let calls = world.control().calls().unwrap().calls;
    let mut reads: Vec<_> = calls.iter().filter(|call| call.method == world.method(ProviderCall::ReadEvents)).collect();
    reads.sort_by_key(|call| call.at);
    let side_by_side = reads.windows(2).filter(|pair| pair[1].at < pair[0].ended_at).count();
    assert!(pulls(&world) >= PAGES_MIN, "a read of many pages");
    assert!(side_by_side <= 2, "{side_by_side} calls of {} side by side: {reads:#?}", reads.len());
    world.end().await;
}

pub async fn renewal_404_moves_to_action_required_and_is_tried_more_and_more_rarely<P: ProviderUnderTest>() {
    let world = World::with::<P>(skipping_world()).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let before = calls(&world, ProviderCall::OpenChannel);
    let gone = FaultAction::Status { status: 404, reason: None, retry_after_s: None };
    let renewing = [ProviderCall::OpenChannel, ProviderCall::ExtendChannel];
    let renewing = renewing.into_iter().filter(|call| world.provider.method(*call).is_some());
    let rules = renewing.map(|call| world.always(call, gone.clone())).collect();
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
    live_for(&world, calendar, "until the renewal", 7 * DAY).await;
    eventually("somebody has to act", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        if row.state == CalendarState::ActionRequired { Ok(()) } else { Err((row.state, row.detail)) }
    })
    .await;
    live_for(&world, calendar, "a month later", 30 * DAY).await;
    let made = calls(&world, ProviderCall::OpenChannel) - before;
    assert!(
        (4..=100).contains(&made),
        "{made} attempts in a month: a few on the first day, then daily, each confirmed"
    );
    eventually("it still needs somebody to act", || async {
        let state = world.status(calendar).await.state;
        if state == CalendarState::ActionRequired { Ok(()) } else { Err(state) }
    })
    .await;
    world.end().await;
}

pub async fn a_late_notice_of_a_stopped_channel_starts_nothing<P: ProviderUnderTest>() {
    let world = World::with::<P>(skipping_world()).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let old = channels::of_events(&world).pop().unwrap();
    live_for(&world, calendar, "past the renewal", 6 * DAY).await;
    eventually("the old channel is stopped", || async {
        let channels = channels::of_events(&world);
        let stopped = channels.iter().any(|channel| channel.id == old.id && channel.stopped_at.is_some());
        if stopped { Ok(()) } else { Err(channels) }
    })
    .await;
    idle(&world, calendar).await;
    let before = pulls(&world);
    for _ in 0..5 {
        world.notice_is_taken(&ChangeNotice::of(&old)).await;
    }
    // A person's sync comes after them in the workflow's inbox.
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    made(&world, calendar, pulls(&world) - before, 1, "only the one that a person asked for").await;
    world.end().await;
}
