//! What Google does beyond its documentation, and what must not end or spoil a calendar.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, Utc};
use evercal_domain::{AccountState, CalendarState, Clock as _, SyncReason, SystemClock};
use evercal_http::{HttpSettings, Method};
use evercal_simulator::{FaultAction, FaultPlan, FaultRule, Quirks};
use evercal_storage::Cursor;
use evercal_tests::{
    Google, ProviderCall, USER, World, WorldOptions, arm, calls, eventually, made, mirror, quick, shown,
};
use evercal_workflows::Timing;
use serde_json::{Value, json};

use super::control;

fn refusal(status: u16, reason: &str) -> FaultAction {
    FaultAction::Status { status, reason: Some(reason.to_owned()), retry_after_s: None }
}

/// How many calls of this method had this answer.
fn answers(world: &World, call: ProviderCall, status: u16) -> usize {
    let calls = world.control().calls().unwrap().calls;
    calls.iter().filter(|made| made.method == world.method(call) && made.status == Some(status)).count()
}

/// Page tokens lie in the store for as long as a pass rests. Google calls one that has ended invalid, with 400.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_rested_until_its_page_token_had_ended_begins_anew() {
    let world = World::start::<Google>().await;
    control(&world).set_quirks(Quirks { page_items_max: 4, ..Quirks::default() }).unwrap();
    // Two pages are stored when the grant dies.
    arm(&world, FaultRule { after: 2, ..world.once(ProviderCall::ReadEvents, FaultAction::InvalidGrant) });
    let account = world.connect().await;
    eventually("the account asks for a consent", || async {
        let row = world.store.account(account).await.unwrap().unwrap();
        if row.state == AccountState::NeedsReauth { Ok(()) } else { Err((row.state, row.detail)) }
    })
    .await;
    let calendar = world.calendar_of(USER).await.id;
    let cursor = world.store.sync_position(calendar).await.unwrap().cursor;
    assert!(
        matches!(cursor, Cursor::Full { reached: Some(_), .. }),
        "the pass rests before its third page: {cursor:?}"
    );
    control(&world).expire_page_tokens(USER).unwrap();
    let again = json!({"label": "Ada", "login_hint": USER, "account_id": account.to_string()});
    world.try_connect(again).await.unwrap();
    world.wait_until_mirrored(calendar).await;
    let tried = answers(&world, ProviderCall::ReadEvents, 400).try_into().unwrap();
    made(&world, calendar, tried, 1, "the token was tried, and not again").await;
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    world.end().await;
}

/// Too many refreshes are refused by the token endpoint, which says nothing about any calendar.
#[tokio::test(flavor = "multi_thread")]
async fn throttled_refreshes_end_no_calendar() {
    let world = World::start::<Google>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    for status in [403, 404] {
        world.control().expire_access_tokens(Some(USER)).unwrap();
        // More than it takes to confirm that a calendar is gone.
        arm(&world, FaultRule { times: Some(4), ..world.once(ProviderCall::Refresh, refusal(status, "throttled")) });
        world.change_events(USER, 3).await;
        mirror::equals_provider(&world, calendar).await;
        assert_eq!(answers(&world, ProviderCall::Refresh, status), 4);
        assert_eq!(world.store.account(account).await.unwrap().unwrap().state, AccountState::Connected);
        assert_eq!(world.status(calendar).await.state, CalendarState::Live);
    }
    world.end().await;
}

/// The refused one is the gateway's address, not the person's grant, although it is said with 401.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_google_does_not_accept_costs_the_channel_and_not_the_account() {
    let world = World::start::<Google>().await;
    arm(&world, world.always(ProviderCall::OpenChannel, refusal(401, "push.webhookUrlUnauthorized")));
    let account = world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    eventually("the poller runs as a fallback", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        let runs = world.store.sync_runs(calendar, 50).await.unwrap();
        let polled = runs.iter().any(|run| run.reason == SyncReason::Poll);
        if row.state == CalendarState::Polling && polled { Ok(()) } else { Err((row.state, row.detail, runs)) }
    })
    .await;
    mirror::equals_provider(&world, calendar).await;
    assert_eq!(world.store.account(account).await.unwrap().unwrap().state, AccountState::Connected);
    made(&world, calendar, calls(&world, ProviderCall::Redeem), 1, "the code was redeemed, and nothing refreshed")
        .await;
    world.control().set_faults(FaultPlan::default()).unwrap();
    world.wait_until_mirrored(calendar).await;
    world.end().await;
}

/// Each page is a slice of its own, and each slice begins with the usual page size: what the pass has learnt must stay.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_which_an_answer_holds_few_are_read_in_smaller_pages() {
    let http = HttpSettings { response_bytes_max: 300_000, ..HttpSettings::default() };
    let timing = Timing { sync_slice_ms: 0, ..quick() };
    let world = World::with::<Google>(WorldOptions { http, timing, events: 0, ..WorldOptions::default() }).await;
    // The larger ones show only after a page or more.
    for kilobytes in [[1; 30], [20; 30]].into_iter().flatten() {
        let event = json!({
            "summary": format!("{kilobytes} KiB"),
            "description": "x".repeat(kilobytes * 1024),
            "start": {"date": "2026-06-01"},
            "end": {"date": "2026-06-02"},
        });
        control(&world).insert_event(USER, event.as_object().unwrap().clone()).unwrap();
    }
    let (_account, calendar) = world.connect_and_mirror().await;
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().event_count, 60);
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    world.end().await;
}

fn timed(day: NaiveDate, clock: &str, zone: &str) -> Value {
    json!({"dateTime": format!("{day}T{clock}"), "timeZone": zone})
}

/// A series of half an hour, or of whole days where `clock` is none.
fn series(title: &str, day: NaiveDate, clock: Option<(&str, &str)>, lines: &[String]) -> Value {
    let (start, end) = match clock {
        Some((from, to)) => (timed(day, from, "Europe/Berlin"), timed(day, to, "Europe/Berlin")),
        None => (json!({"date": day.to_string()}), json!({"date": (day + Days::new(2)).to_string()})),
    };
    json!({"summary": title, "start": start, "end": end, "recurrence": lines})
}

/// What is asked of the provider is events; what readers see is occurrences, and those are ours to work out.
#[tokio::test(flavor = "multi_thread")]
async fn odd_series_have_the_occurrences_that_the_provider_shows() {
    let world = World::with::<Google>(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let today = SystemClock.now().date_naive();
    let monday = today - Days::new(u64::from(today.weekday().num_days_from_monday()) + 14);
    let day = |after: u64| (monday + Days::new(after)).format("%Y%m%d").to_string();
    let nine = Some(("09:00:00", "09:30:00"));
    let line = |text: String| vec![text];
    let tuesdays = "RRULE:FREQ=WEEKLY;BYDAY=TU,TH;COUNT=5".to_owned();
    let daily = "RRULE:FREQ=DAILY;COUNT=10".to_owned();
    let excluded_start = format!("EXDATE;TZID=Europe/Berlin:{}T090000", day(0));
    let all = [
        series("start off its rule", monday, nine, &line(tuesdays.clone())),
        series("start off its rule, and excluded", monday, nine, &[tuesdays.clone(), excluded_start]),
        series("days that start off their rule", monday, None, &line(tuesdays)),
        series(
            "ended before it began",
            monday,
            nine,
            &line(format!("RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL={}", day(0) + "T000000Z")),
        ),
        series("a date excludes no time", monday, nine, &[daily.clone(), format!("EXDATE;VALUE=DATE:{}", day(3))]),
        series("a date excludes a day", monday, None, &[daily.clone(), format!("EXDATE;VALUE=DATE:{}", day(3))]),
        series("until a date", monday, nine, &line(format!("RRULE:FREQ=DAILY;UNTIL={}", day(4)))),
        series("days until a date", monday, None, &line(format!("RRULE:FREQ=DAILY;UNTIL={}", day(4)))),
        series("added", monday, nine, &[daily.clone(), format!("RDATE;TZID=Asia/Tokyo:{}T210000", day(12))]),
        // Both nights of a year in which clocks change are inside.
        series(
            "in the hour that is lost or comes twice",
            monday,
            Some(("02:30:00", "02:45:00")),
            &line("RRULE:FREQ=DAILY".into()),
        ),
        series("into that hour", monday, Some(("01:30:00", "02:30:00")), &line("RRULE:FREQ=DAILY".into())),
        json!({
            "summary": "ends elsewhere",
            "start": timed(monday, "23:30:00", "Europe/Berlin"),
            "end": timed(monday, "22:30:00", "America/New_York"),
            "recurrence": ["RRULE:FREQ=DAILY"],
        }),
    ];
    for event in all {
        control(&world).insert_event(USER, event.as_object().unwrap().clone()).unwrap();
    }
    let changed = series("changed", monday, nine, &line(daily));
    let changed = control(&world).insert_event(USER, changed.as_object().unwrap().clone()).unwrap();
    let start: DateTime<Utc> = changed["start"]["dateTime"].as_str().unwrap().parse().unwrap();
    let instance = |after: u64| {
        let original = start + chrono::TimeDelta::days(i64::try_from(after).unwrap());
        format!("{}_{}", changed["id"].as_str().unwrap(), original.format("%Y%m%dT%H%M%SZ"))
    };
    let noon = json!({"summary": "moved", "start": timed(monday + Days::new(2), "12:00:00", "Europe/Berlin"),
        "end": timed(monday + Days::new(2), "13:00:00", "Europe/Berlin")});
    control(&world).patch_event(USER, &instance(1), noon.as_object().unwrap().clone()).unwrap();
    world.control().delete_event(USER, &instance(3)).unwrap();

    let (_account, calendar) = world.connect_and_mirror().await;
    shown::shows_what_the_provider_shows(&world, calendar).await.unwrap();
    let days = shown::days(&*world.store, calendar).await.unwrap();
    let read = async |path: &str| world.api(Method::GET, path, None).await;
    let shown = shown::by_us(calendar, &days, read).await.unwrap();
    let count = |title: &str| shown.iter().filter(|(.., found)| found == title).count();
    assert_eq!(count("start off its rule"), 6);
    assert_eq!(count("start off its rule, and excluded"), 5);
    assert_eq!(count("ended before it began"), 0);
    assert_eq!(count("a date excludes no time"), 10);
    assert_eq!(count("until a date"), 5);
    assert_eq!((count("changed"), count("moved")), (8, 1), "one is moved, and one is cancelled");
    assert!(shown.iter().all(|(id, ..)| *id != instance(3)));
    world.end().await;
}
