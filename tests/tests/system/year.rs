//! Years of life on the real server, by its time skipping: no instant without a channel, each renewal in time, and what
//! happens when no channel can be opened for long.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::change::ChangeKind;
use evercal_domain::journal::AuditKind;
use evercal_domain::profile::{Occurrences, Push};
use evercal_domain::{CalendarId, CalendarState};
use evercal_simulator::{ChannelReport, Collection, FaultAction, FaultPlan, RandomFaults};
use evercal_storage::{AuditOf, PageRequest};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, USER, World, WorldOptions, calls, channels, eventually, histories, live_for,
    mirror, poller_has_ended, quick, skipping,
};
use evercal_workflows::{Due, Timing, names};

const DAY: Duration = Duration::from_hours(24);
const LEAD: TimeDelta = TimeDelta::hours(24);

/// The product's own durations, but for the reconciling syncs: four times as many a day would only make it longer.
fn options<P: ProviderUnderTest>() -> WorldOptions {
    let timing = Timing {
        reconcile_interval_s: 24 * 3600,
        sync_backoff_initial_ms: 30_000,
        ..Timing::of(&P::nature().defaults)
    };
    WorldOptions { timing, simulated_time: true, ..WorldOptions::default() }
}

/// The provider's channels of the calendar, oldest first.
fn channels_ever(world: &World) -> Vec<ChannelReport> {
    let watched = Collection::Events { calendar: world.provider.calendar_named(USER) };
    let mut channels = world.control().channels().unwrap();
    channels.retain(|channel| channel.collection == watched);
    channels.sort_by_key(|channel| channel.created_at);
    channels
}

fn end_of(channel: &ChannelReport) -> DateTime<Utc> {
    channel.stopped_at.map_or(channel.expires_at, |stopped_at| stopped_at.min(channel.expires_at))
}

/// The call that renews a channel.
fn renewal<P: ProviderUnderTest>() -> ProviderCall {
    match P::nature().push {
        Push::Extended => ProviderCall::ExtendChannel,
        Push::Replaced | Push::None => ProviderCall::OpenChannel,
    }
}

/// Asserts from the provider's register that somebody watched at every instant. Channels whose answer was lost are among
/// them, and may have been stopped at any time.
fn assert_watched_without_a_gap(channels: &[ChannelReport]) {
    let (first, later) = channels.split_first().unwrap();
    let mut watched_until = end_of(first);
    for channel in later {
        assert!(channel.created_at <= watched_until, "nobody watched from {watched_until} to {channel:#?}");
        watched_until = watched_until.max(end_of(channel));
    }
    assert!(channels.iter().any(|channel| channel.live), "{channels:#?}");
}

/// The run that a workflow is in, and the one that it began with.
async fn runs(world: &World, calendar: CalendarId) -> (String, String) {
    let handle = world.subscription(calendar);
    let description = handle.describe(temporalio_client::WorkflowDescribeOptions::default()).await.unwrap();
    let info = description.raw().workflow_execution_info.clone().unwrap();
    (info.execution.unwrap().run_id, info.first_run_id)
}

pub async fn renewal_survives_without_any_cron<P: ProviderUnderTest>() {
    let timing = Timing { history_events_max: 400, ..options::<P>().timing };
    let world = World::with::<P>(WorldOptions { timing, ..options::<P>() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    live_for(&world, calendar, "a year", 365 * DAY).await;

    channels::are_owned(&world, calendar, 1).await;
    let channels = channels_ever(&world);
    let first = channels.first().unwrap().created_at;
    let last = channels.last().unwrap();
    assert!(last.expires_at - first > TimeDelta::days(365), "{} channels until {}", channels.len(), last.expires_at);
    assert_watched_without_a_gap(&channels);
    for pair in channels.windows(2) {
        assert!(pair[1].created_at <= pair[0].expires_at - LEAD, "renewed less than a day ahead: {pair:#?}");
    }
    let profile = P::nature();
    if profile.push == Push::Extended {
        assert_eq!(channels.len(), 1, "the same one all the time");
        let lives_s = i64::from(profile.defaults.channel_lifetime_s);
        let renewals = i64::try_from(calls(&world, ProviderCall::ExtendChannel)).unwrap();
        let expected = 365 * 24 * 3600 / (lives_s - LEAD.num_seconds());
        assert!((expected..=expected * 5 / 4).contains(&renewals), "{renewals} renewals of about {expected}");
    }
    if profile.occurrences == Occurrences::FromProvider {
        let read_anew = world.store.sync_position(calendar).await.unwrap().generation;
        assert!((40..=54).contains(&read_anew), "everything was read {read_anew} times, about once a week");
    }
    // Nothing was changed at the provider: however often all of it was read, nobody is told of a change.
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    let told = world.store.changes(calendar, 0, u32::MAX).await.unwrap();
    // What comes into the window is new, and nothing else.
    let is_new = |kind| matches!(kind, ChangeKind::Created | ChangeKind::Cancelled);
    let others: Vec<_> = told.iter().filter(|change| !is_new(change.kind)).collect();
    assert!(others.is_empty(), "{others:#?}");
    let (now, first_run) = runs(&world, calendar).await;
    assert_ne!(now, first_run, "a year does not fit into one run");
    world.change_events(USER, 5).await;
    mirror::equals_provider(&world, calendar).await;
    let mut runs = histories::of_workflow(&world, &names::subscription_id(calendar)).await;
    assert!(runs.len() > 1);
    // The newest run is still open; the one before lived in the last months of the year and continued as new.
    let last_closed = runs.remove(runs.len() - 2);
    histories::replay_and_record("subscription-year", vec![last_closed]).await;
    world.end().await;
}

pub async fn renewal_has_zero_coverage_gap<P: ProviderUnderTest>() {
    // Where the ladder is used up a poller comes, which holds the calendar's clock: then tries are seconds apart.
    let timing = Timing { regain_interval_s: 2, ..options::<P>().timing };
    let world = World::with::<P>(WorldOptions { timing, ..options::<P>() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    // A third of the calls about channels go wrong, some of them after they had their effect.
    let random = RandomFaults {
        seed: 11,
        percent: 33,
        methods: vec![
            world.method(renewal::<P>()).to_owned(),
            world.method(ProviderCall::OpenChannel).to_owned(),
            world.method(ProviderCall::CloseChannel).to_owned(),
        ],
        actions: vec![
            FaultAction::ResetAfter,
            FaultAction::ResetBefore,
            FaultAction::Status { status: 503, reason: None, retry_after_s: None },
        ],
    };
    world.control().set_faults(FaultPlan { rules: vec![], random: Some(random) }).unwrap();
    live_for(&world, calendar, "two months", 60 * DAY).await;
    world.control().set_faults(FaultPlan::default()).unwrap();
    let channels = channels_ever(&world);
    let renewals = calls(&world, renewal::<P>());
    assert!(renewals >= 10, "{renewals}");
    let faults = world.control().calls().unwrap().calls.iter().filter(|call| call.fault.is_some()).count();
    assert!(faults >= 5, "{faults} calls went wrong");
    assert_watched_without_a_gap(&channels);
    world.end().await;
}

/// Days at a time without a channel, again and again over a year. A pending child keeps the clock of its parent at the
/// speed of real time, so that only the poller's own clock runs ahead meanwhile, and the tries to get a channel back are
/// seconds apart here, not an hour.
pub async fn when_renewals_fail_for_days_the_ladder_the_poller_and_an_alert_come_and_go<P: ProviderUnderTest>() {
    const OUTAGES: i32 = 4;
    let timing = Timing { regain_interval_s: 2, ..options::<P>().timing };
    let world = World::with::<P>(WorldOptions { timing: timing.clone(), ..options::<P>() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    for outage in 1..=OUTAGES {
        live_for(&world, calendar, &format!("quarter {outage}"), 85 * DAY).await;
        let down = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
        let rules = BTreeSet::from([renewal::<P>(), ProviderCall::OpenChannel]);
        let rules = rules.into_iter().map(|call| world.always(call, down.clone())).collect();
        world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
        let calls_before = world.control().calls().unwrap().calls.last().unwrap().index;
        let old = channels_ever(&world).pop().unwrap();

        // A day of polling: the poller inherits as many skips as it has rounds in a day.
        let (client, namespace) = (world.temporal.client.clone(), world.temporal.namespace.clone());
        let workflow = names::subscription_id(calendar);
        let id = format!("outage {outage}");
        let forward = tokio::spawn(async move {
            skipping::fast_forward_within(&client, &namespace, &workflow, &id, 6 * DAY, 96).await
        });
        wait_for_state(&world, calendar, CalendarState::Polling).await;
        wait_for_alerts(&world, calendar, AuditKind::AlertRaised, outage).await;
        assert_ladder(&world, renewal::<P>(), calls_before, &old, &timing.ladder_s);
        // No channel brings notices (the old one is past its end or ignored), but the mirror stays fresh.
        world.control().set_notice_plan(drop_all()).unwrap();
        world.change_events(USER, 4).await;
        wait_for_poll(&world, calendar).await;
        mirror::equals_provider(&world, calendar).await;

        world.control().set_notice_plan(evercal_simulator::NoticePlan::default()).unwrap();
        world.control().set_faults(FaultPlan::default()).unwrap();
        wait_for_state(&world, calendar, CalendarState::Live).await;
        wait_for_alerts(&world, calendar, AuditKind::AlertCleared, outage).await;
        poller_has_ended(&world, calendar).await;
        // It may have run out of skips before its target: then it is there in real time, which nobody waits for.
        let _reached_or_out_of_skips = forward.await.unwrap();
        channels::are_owned(&world, calendar, 1).await;
        mirror::equals_provider(&world, calendar).await;
    }
    world.end().await;
}

fn drop_all() -> evercal_simulator::NoticePlan {
    evercal_simulator::NoticePlan { drop_percent: 100, ..evercal_simulator::NoticePlan::default() }
}

async fn wait_for_state(world: &World, calendar: CalendarId, wanted: CalendarState) {
    eventually("the state is reached", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        if row.state == wanted { Ok(()) } else { Err((row.state, row.detail)) }
    })
    .await;
}

async fn wait_for_alerts(world: &World, calendar: CalendarId, kind: AuditKind, count: i32) {
    eventually("the alert is in the audit log", || async {
        let entries =
            world.store.audit_entries(AuditOf::Calendar(calendar), &PageRequest::first(1_000)).await.unwrap().items;
        let alerts = entries.iter().filter(|entry| entry.kind == kind).count();
        if i32::try_from(alerts).unwrap() == count { Ok(()) } else { Err((kind, alerts)) }
    })
    .await;
}

async fn wait_for_poll(world: &World, calendar: CalendarId) {
    eventually("a poll is in the sync log", || async {
        let runs = world.store.sync_runs(calendar, 50).await.unwrap();
        let polled = runs.iter().any(|run| run.reason == evercal_domain::SyncReason::Poll);
        if polled { Ok(()) } else { Err(runs.len()) }
    })
    .await;
}

/// The first attempts since `calls_before` begin a day before the old channel ends, and are the rungs of the ladder apart, in
/// the calendar's own time.
fn assert_ladder(world: &World, renewal: ProviderCall, calls_before: u64, old: &ChannelReport, ladder_s: &[u32]) {
    let calls = world.control().calls().unwrap().calls.into_iter().filter(|call| call.index > calls_before);
    let attempts = calls.filter(|call| call.method == world.method(renewal) && call.fault.is_some());
    let at: Vec<DateTime<Utc>> = attempts.map(|call| call.simulated_now.unwrap()).take(ladder_s.len() + 1).collect();
    assert_eq!(at.len(), ladder_s.len() + 1, "the first attempt and one for each rung: {at:?}");
    assert!(at[0] <= old.expires_at - LEAD, "first tried at {}, and it ends at {}", at[0], old.expires_at);
    for (pair, rung_s) in at.windows(2).zip(ladder_s) {
        let pause = (pair[1] - pair[0]).num_seconds();
        let rung_s = i64::from(*rung_s);
        // Real time passes too while calls are made.
        assert!((rung_s..rung_s + 60).contains(&pause), "{pause} s, not {rung_s} s: {at:?}");
    }
}

pub async fn bulk_connect_spreads_renewals<P: ProviderUnderTest>() {
    const CALENDARS: usize = 40;
    let defaults = &P::nature().defaults;
    let timing = Timing {
        channel_lifetime_s: defaults.channel_lifetime_s,
        channel_lifetime_spread_s: defaults.channel_lifetime_spread_s,
        ..quick()
    };
    let world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    for number in 1..CALENDARS {
        world.new_calendar(&format!("Calendar {number}"));
    }
    let account = world.connect().await;
    let due = eventually("all calendars are live", || async {
        let calendars = world.store.calendars_of_account(account).await.unwrap();
        let live = calendars.iter().filter(|calendar| calendar.state == CalendarState::Live);
        if live.count() < CALENDARS {
            return Err(calendars.len());
        }
        let mut due = Vec::new();
        for calendar in &calendars {
            let next = world.status(calendar.id).await.next_channel_attempt;
            due.push(next.and_then(Due::instant).unwrap().get());
        }
        Ok(due)
    })
    .await;
    let (first, last) = (due.iter().min().unwrap(), due.iter().max().unwrap());
    let spread_ms = i64::from(P::nature().defaults.channel_lifetime_spread_s) * 1_000;
    assert!(last - first > spread_ms / 2, "all renewals within {} min", (last - first) / 60_000);
    for hour in 0..=(last - first) / 3_600_000 {
        let in_hour = due.iter().filter(|due_ms| (*due_ms - first) / 3_600_000 == hour).count();
        assert!(in_hour <= CALENDARS / 4, "{in_hour} of {CALENDARS} renewals in one hour");
    }
    world.end().await;
}
