//! Reading at any range: beyond the window that is stored of series, these are expanded while they are read.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike as _, Days, TimeDelta, Timelike as _, Utc};
use evercal_domain::calendar::LastSync;
use evercal_domain::event::Occurrence;
use evercal_domain::{
    CalendarId, Clock, Event, EventTime, ProviderEventId, RemoteCalendar, RemoteItem, SeriesPosition, SystemClock, Via,
    Zone, zones,
};
use evercal_mirror::{Ends, Expansion, OwnerOccurrences, Plan};
use evercal_recurrence::{Series, Window, expand_series, single_occurrence};
use evercal_storage::{Cursor, OccurrenceRange, PageCommit, PassFinish, SeriesRows};
use serde_json::Value;

use crate::api::event;
use crate::support::{Customer, World, eventually};

/// Those of the series of whole days in the month that is read.
const DAYS: [&str; 3] = ["2040-12-06", "2040-12-16", "2040-12-26"];

pub fn at(text: &str) -> EventTime {
    EventTime::Instant { at: text.parse().unwrap(), zone: Zone::of_iana("America/Vancouver") }
}

fn date(text: &str) -> EventTime {
    EventTime::Date { date: text.parse().unwrap() }
}

fn master(id: &str, start: EventTime, end: EventTime, lines: &[&str]) -> Event {
    Event { recurrence: lines.iter().map(ToString::to_string).collect(), ..event(id, start, end) }
}

fn position(master: &str, original_start: EventTime) -> SeriesPosition {
    SeriesPosition { master_id: ProviderEventId::new(master), original_start }
}

/// A series that began long ago, with a moved and a cancelled occurrence far away, one of whole days, and single events.
pub async fn fill(world: &World, calendar: CalendarId, others: Vec<Event>) {
    let weekly = master("weekly", at("2019-01-07T17:00:00Z"), at("2019-01-07T18:00:00Z"), &["RRULE:FREQ=WEEKLY"]);
    let days = master("days", date("2019-01-01"), date("2019-01-03"), &["RRULE:FREQ=DAILY;INTERVAL=10"]);
    let moved = Event {
        series: Some(position("weekly", at("2040-12-10T16:00:00Z"))),
        ..event("moved", at("2040-12-11T20:00:00Z"), at("2040-12-11T21:00:00Z"))
    };
    let cancelled = position("weekly", at("2040-12-17T16:00:00Z"));
    let single = event("single", at("2040-12-17T16:30:00Z"), at("2040-12-17T17:30:00Z"));
    let everything = Window { start: DateTime::<Utc>::MIN_UTC, end: DateTime::<Utc>::MAX_UTC };
    let occurrences = single_occurrence(&single, &everything).into_iter().collect();
    let owners = [
        expanded(&weekly, vec![&moved], vec![&cancelled], None),
        expanded(&days, vec![], vec![], None),
        OwnerOccurrences { owner: single.provider_id.clone(), occurrences },
    ];
    let mut items: Vec<RemoteItem> =
        [weekly, days, moved, single].into_iter().chain(others).map(RemoteItem::from).collect();
    items.push(RemoteItem::CancelledOccurrence { provider_id: ProviderEventId::new("gone"), position: cancelled });
    add(world, calendar, &items, &owners, true).await;
}

/// What is stored of a series, as a sync of today expands it.
fn expanded(
    master: &Event,
    exceptions: Vec<&Event>,
    cancelled: Vec<&SeriesPosition>,
    calendar_zone: Option<Zone>,
) -> OwnerOccurrences {
    let series = Series { master, exceptions, cancelled, calendar_zone };
    let occurrences = expand_series(&series, &Window::around(SystemClock.now())).unwrap_or_default();
    OwnerOccurrences { owner: master.provider_id.clone(), occurrences }
}

/// A page of a pass of its own, the first one or a later one.
async fn add(world: &World, calendar: CalendarId, items: &[RemoteItem], owners: &[OwnerOccurrences], is_first: bool) {
    let now = SystemClock.now();
    let window = Window::around(now);
    let mut position = world.store.sync_position(calendar).await.unwrap();
    if is_first {
        position = world.store.begin_full_pass(calendar, position.revision, 2_500).await.unwrap();
    }
    let ends = if is_first { Ends::FullPass } else { Ends::Pass };
    let snapshot = world.store.snapshot(calendar, &position, items, ends).await.unwrap();
    // Planned for a day before all of them, where each series can be expanded: what is stored of them is given.
    let before: DateTime<Utc> = "2000-01-01T00:00:00Z".parse().unwrap();
    let day = Window { start: before, end: before + TimeDelta::days(1) };
    let plan = evercal_mirror::plan(items.to_vec(), ends, &snapshot, &Expansion::ByRules { zone: None, window: day });
    let commit = PageCommit {
        calendar_id: calendar,
        expected_revision: position.revision,
        generation: position.generation,
        has_worklist: false,
        plan: &Plan { occurrences: owners.to_vec(), ..plan },
        zone_data: &zones::version(),
        window: OccurrenceRange {
            from: window.start,
            to: window.end,
            from_date: window.start.date_naive(),
            to_date: window.end.date_naive(),
            zone: Zone::UTC,
            series: SeriesRows::All,
        },
        cursor: &Cursor::ready("t"),
        finish: Some(PassFinish {
            confirmed_at: now,
            via: Via::Push,
            window_end: Some(window.end),
            last_sync: LastSync { finished_at: now, changes: 0, notice_to_stored_ms: None },
            run: None,
        }),
        at: now,
    };
    world.store.commit_page(&commit).await.unwrap();
}

async fn page(world: &World, customer: &Customer, from: &str, to: &str, rest: &str) -> Value {
    let path = format!("/v1/calendars/{}/events?from={from}&to={to}{rest}", customer.calendar);
    world.get(&customer.key, &path).await.json()
}

fn starts(page: &Value) -> Vec<String> {
    let text = |item: &Value| {
        let start = &item["start"];
        start["date"].as_str().or(start["date_time"].as_str()).unwrap().to_owned()
    };
    page["items"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn a_range_beyond_the_window_has_series_with_what_changes_them() {
    let world = World::running().await;
    let customer = world.customer().await;
    fill(&world, customer.calendar, vec![]).await;
    let (from, to) = ("2040-12-03T00:00:00Z", "2041-01-02T00:00:00Z");
    let read = page(&world, &customer, from, to, "").await;
    // Vancouver has kept its summer time since 2026, so that nine o'clock is 16:00 UTC there. That of the 10th was moved,
    // that of the 17th is cancelled: what starts then is the single event.
    let timed: Vec<String> = starts(&read).into_iter().filter(|start| start.contains('T')).collect();
    let expected = ["2040-12-03T09:00", "2040-12-11T13:00", "2040-12-17T09:30", "2040-12-24T09:00", "2040-12-31T09:00"];
    assert_eq!(timed, expected.map(|local| format!("{local}:00-07:00")), "{read:#}");
    let days: Vec<String> = starts(&read).into_iter().filter(|start| !start.contains('T')).collect();
    assert_eq!(days, DAYS, "{read:#}");
    let is_sorted = starts(&read).iter().map(|start| start[..10].to_owned()).is_sorted();
    assert!(is_sorted, "{read:#}");
    assert_eq!((&read["complete_from"], &read["complete_until"]), (&Value::from(from), &Value::from(to)));
    let ids: Vec<&str> =
        read["items"].as_array().unwrap().iter().map(|item| item["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().filter(|id| **id == "moved").count(), 1);
    assert_eq!(ids.iter().filter(|id| **id == "single").count(), 1);
}

#[tokio::test]
async fn a_page_of_large_computed_occurrences_is_bounded_in_bytes_and_reading_on_finds_each_once() {
    const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
    let world = World::running().await;
    let customer = world.customer().await;
    let daily = master("large", at("2019-01-07T17:00:00Z"), at("2019-01-07T18:00:00Z"), &["RRULE:FREQ=DAILY"]);
    let daily = Event { description: Some("x".repeat(190 * 1024)), ..daily };
    let items = [RemoteItem::from(daily.clone())];
    add(&world, customer.calendar, &items, &[expanded(&daily, vec![], vec![], None)], true).await;
    let (mut seen, mut rest) = (Vec::new(), "&limit=500".to_owned());
    loop {
        let path =
            format!("/v1/calendars/{}/events?from=2040-01-01T00:00:00Z&to=2040-07-01T00:00:00Z", customer.calendar);
        let answer = world.get(&customer.key, &format!("{path}{rest}")).await;
        assert!(answer.body.len() <= PAGE_BYTES_MAX, "{} bytes", answer.body.len());
        let page = answer.json();
        seen.extend(starts(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        rest = format!("&limit=500&cursor={next}");
    }
    // The first half of a leap year.
    assert_eq!(seen.len(), 182);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "one came twice");
}

#[tokio::test]
async fn pages_over_stored_and_computed_occurrences_have_no_gap_and_nothing_twice() {
    let world = World::running().await;
    let customer = world.customer().await;
    fill(&world, customer.calendar, vec![]).await;
    let now = SystemClock.now();
    let day = |days: i64| (now + TimeDelta::days(days)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    // Across both edges of the window, and far from it on both sides.
    for (from, to) in
        [(day(-200), day(190)), (day(200), day(590)), (day(-2_000), day(-1_700)), (day(20_000), day(20_300))]
    {
        let whole = page(&world, &customer, &from, &to, "&limit=500").await;
        assert_eq!(whole["next_cursor"], Value::Null);
        let whole = whole["items"].as_array().unwrap().clone();
        assert!(whole.len() > 60, "{from}: {}", whole.len());
        for limit in [1, 7, whole.len() - 1, whole.len()] {
            let (mut seen, mut rest) = (Vec::new(), format!("&limit={limit}"));
            loop {
                let page = page(&world, &customer, &from, &to, &rest).await;
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= limit);
                seen.extend(items.iter().map(|item| item["id"].clone()));
                let Some(next) = page["next_cursor"].as_str() else { break };
                rest = format!("&limit={limit}&cursor={next}");
            }
            let expected: Vec<Value> = whole.iter().map(|item| item["id"].clone()).collect();
            assert_eq!(seen, expected, "{from} by {limit}");
        }
    }
}

#[tokio::test]
async fn what_is_computed_is_what_is_stored() {
    let world = World::running().await;
    let customer = world.customer().await;
    fill(&world, customer.calendar, vec![]).await;
    let today = SystemClock.now().date_naive();
    let text = |days: u64| format!("{}T00:00:00Z", today.checked_add_days(Days::new(days)).unwrap());
    let stored = page(&world, &customer, &text(0), &text(100), "&limit=500").await;
    // The same days, in a range that goes beyond the window.
    let both = page(&world, &customer, &text(0), &text(399), "&limit=500").await;
    let of = |page: &Value| page["items"].as_array().unwrap().clone();
    assert_eq!(of(&both)[..of(&stored).len() - 1], of(&stored)[..of(&stored).len() - 1]);
}

#[tokio::test]
async fn a_series_that_cannot_be_expanded_there_has_the_answer_say_what_is_complete() {
    let world = World::running().await;
    let customer = world.customer().await;
    // Counted from its first time on, every minute since 2019: too many steps.
    let endless = master(
        "minutes",
        at("2019-01-07T17:00:00Z"),
        at("2019-01-07T17:00:30Z"),
        &["RRULE:FREQ=MINUTELY;COUNT=99999999"],
    );
    fill(&world, customer.calendar, vec![endless]).await;
    let far = page(&world, &customer, "2040-12-03T00:00:00Z", "2041-01-02T00:00:00Z", "").await;
    assert_eq!(far["complete_from"], far["complete_until"]);
    assert!(far["items"].as_array().unwrap().len() > 5, "what can be shown is shown");
    let now = SystemClock.now();
    let (from, to) = (now + TimeDelta::days(300), now + TimeDelta::days(500));
    let text = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let partly = page(&world, &customer, &text(from), &text(to), "&limit=1").await;
    let until: DateTime<Utc> = partly["complete_until"].as_str().unwrap().parse().unwrap();
    assert_eq!(partly["complete_from"], text(from));
    assert!(until > now + TimeDelta::days(360) && until < now + TimeDelta::days(367), "{until}");
}

#[tokio::test]
async fn at_the_edges_of_the_years_that_are_expanded_the_answer_says_where_it_is_complete() {
    let world = World::running().await;
    let customer = world.customer().await;
    let monthly = master("monthly", at("1960-01-15T17:00:00Z"), at("1960-01-15T18:00:00Z"), &["RRULE:FREQ=MONTHLY"]);
    fill(&world, customer.calendar, vec![monthly]).await;
    let (first, last) = ("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    for (from, to, complete_from, complete_until, months) in [
        ("1969-06-01T00:00:00Z", "1970-06-01T00:00:00Z", first, "1970-06-01T00:00:00Z", 5),
        (first, "1970-12-31T00:00:00Z", first, "1970-12-31T00:00:00Z", 12),
        ("2099-06-01T00:00:00Z", "2100-06-01T00:00:00Z", "2099-06-01T00:00:00Z", last, 7),
        ("2099-01-01T00:00:00Z", last, "2099-01-01T00:00:00Z", last, 12),
    ] {
        let read = page(&world, &customer, from, to, "&limit=500").await;
        assert_eq!((&read["complete_from"], &read["complete_until"]), (&complete_from.into(), &complete_until.into()));
        // What is complete has all of them; beyond it some may be there.
        let utc = |item: &Value| -> DateTime<Utc> { item["start"]["date_time"].as_str().unwrap().parse().unwrap() };
        let of_series = read["items"].as_array().unwrap().iter().filter(|item| item["event_id"] == "monthly");
        let complete = complete_from.parse::<DateTime<Utc>>().unwrap()..complete_until.parse().unwrap();
        assert_eq!(of_series.map(utc).filter(|start| complete.contains(start)).count(), months, "{from}");
    }
    let beyond = page(&world, &customer, "2105-01-01T00:00:00Z", "2105-06-01T00:00:00Z", "").await;
    assert_eq!(beyond["complete_from"], beyond["complete_until"], "{beyond:#}");
}

#[tokio::test]
async fn a_series_without_a_zone_goes_by_the_new_one_as_soon_as_its_calendar_has_one() {
    let world = World::running().await;
    let customer = world.customer().await;
    let nowhere = |text: &str| EventTime::Instant { at: text.parse().unwrap(), zone: None };
    let (start, end) = (nowhere("2019-01-07T17:00:00Z"), nowhere("2019-01-07T18:00:00Z"));
    // The customer's calendar is in Berlin, where it is one hour earlier by UTC in summer.
    let floating = master("floating", start, end, &["RRULE:FREQ=WEEKLY"]);
    let owners = [expanded(&floating, vec![], vec![], Zone::of_iana("Europe/Berlin"))];
    add(&world, customer.calendar, &[RemoteItem::from(floating)], &owners, true).await;
    // Stored: some July is within a year.
    let year = (SystemClock.now() + TimeDelta::days(180)).year();
    let (from, to) = (format!("{year}-07-01T00:00:00Z"), format!("{year}-07-31T00:00:00Z"));
    let hours = async || {
        let read = page(&world, &customer, &from, &to, "").await;
        let utc = |start: &String| start.parse::<DateTime<Utc>>().unwrap().hour();
        starts(&read).iter().map(utc).collect::<BTreeSet<u32>>()
    };
    assert_eq!(hours().await, [16].into());
    let calendar = world.store.calendar(customer.calendar).await.unwrap().unwrap();
    let moved = RemoteCalendar { time_zone: Some("Asia/Tokyo".into()), ..calendar.remote };
    world.store.reconcile_calendars(customer.account, &[moved], SystemClock.now()).await.unwrap();
    assert_eq!(hours().await, [17].into(), "Tokyo has no summer time");
}

#[tokio::test]
async fn what_reaches_into_the_window_is_there_also_where_series_cannot_be_expanded() {
    let world = World::running().await;
    let customer = world.customer().await;
    fill(&world, customer.calendar, vec![]).await;
    let edge = Window::around(SystemClock.now()).start;
    let time = |days: i64| EventTime::Instant { at: edge + TimeDelta::days(days), zone: None };
    // Counted from its first time on, too many steps for a reader. A worker has more time, and has stored the one that lasts
    // from three days before the window to four days into it.
    let first = at("2019-01-07T17:00:00Z");
    let long = master("long", first, at("2019-01-14T17:00:00Z"), &["RRULE:FREQ=MINUTELY;COUNT=99999999"]);
    let occurrence = Occurrence {
        source_id: long.provider_id.clone(),
        series_id: Some(long.provider_id.clone()),
        original_start: time(-3),
        start: time(-3),
        end: time(4),
    };
    let owner = OwnerOccurrences { owner: long.provider_id.clone(), occurrences: vec![occurrence] };
    add(&world, customer.calendar, &[RemoteItem::from(long)], &[owner], false).await;
    let text = |days: i64| (edge + TimeDelta::days(days)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let read = page(&world, &customer, &text(-20), &text(20), "&limit=500").await;
    let from: DateTime<Utc> = read["complete_from"].as_str().unwrap().parse().unwrap();
    assert!(from > edge && from < edge + TimeDelta::days(4), "the long one is on what is complete: {from}");
    let ids: Vec<&Value> = read["items"].as_array().unwrap().iter().map(|item| &item["event_id"]).collect();
    assert_eq!(ids.iter().filter(|id| **id == "long").count(), 1, "{ids:?}");
    // Pages have it too, once.
    let (mut seen, mut rest) = (Vec::new(), "&limit=3".to_owned());
    loop {
        let page = page(&world, &customer, &text(-20), &text(20), &rest).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        rest = format!("&limit=3&cursor={next}");
    }
    let whole: Vec<Value> = read["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(seen, whole);
}

#[tokio::test]
async fn a_forged_cursor_to_the_edge_of_time_is_refused() {
    let world = World::running().await;
    let customer = world.customer().await;
    fill(&world, customer.calendar, vec![]).await;
    let (from, to) = ("2040-12-03T00:00:00Z", "2041-01-02T00:00:00Z");
    let first = page(&world, &customer, from, to, "&limit=1").await;
    let decoded = |text: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap() };
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for edge in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        let mut cursor = decoded(first["next_cursor"].as_str().unwrap());
        let mut place = decoded(cursor["p"].as_str().unwrap());
        place["s"] = edge.timestamp_micros().into();
        cursor["p"] = encoded(&place).into();
        let path =
            format!("/v1/calendars/{}/events?from={from}&to={to}&cursor={}", customer.calendar, encoded(&cursor));
        let answer = world.get(&customer.key, &path).await;
        assert_eq!((answer.problem(), answer.errors()[0].0.as_str()), (400, "cursor"), "{edge}");
    }
}

#[tokio::test]
async fn what_is_cancelled_counts_among_what_a_read_can_hold() {
    let world = World::running().await;
    let customer = world.customer().await;
    // Each cancelled occurrence names its series.
    let id = "x".repeat(1_000);
    let start = |days: i64| EventTime::Instant {
        at: "2010-01-01T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(days),
        zone: None,
    };
    let series = master(&id, start(0), start(0), &["RRULE:FREQ=DAILY"]);
    fill(&world, customer.calendar, vec![series]).await;
    let (from, to) = ("2040-12-03T00:00:00Z", "2041-01-02T00:00:00Z");
    assert_eq!(page(&world, &customer, from, to, "").await["complete_from"], from);
    let gone: Vec<RemoteItem> = (0..17_000)
        .map(|day| RemoteItem::CancelledOccurrence {
            provider_id: ProviderEventId::new(format!("gone{day}")),
            position: position(&id, start(day)),
        })
        .collect();
    add(&world, customer.calendar, &gone, &[], false).await;
    let read = page(&world, &customer, from, to, "").await;
    assert_eq!(read["complete_from"], read["complete_until"], "it says that it has not all");
}

#[tokio::test]
async fn series_are_read_for_a_few_readers_at_a_time() {
    let mut world = World::new().await;
    // Room for the answers of all of them.
    world.config.limits.answer_bytes_max = 512 * 1024 * 1024;
    world.start().await;
    let world = Arc::new(world);
    let customer = Arc::new(world.customer().await);
    fill(&world, customer.calendar, vec![]).await;
    *world.faults.held.lock().unwrap() = Some("related_rows");
    let readers: Vec<_> = (0..8)
        .map(|second| {
            let (world, customer) = (Arc::clone(&world), Arc::clone(&customer));
            // Each a range of its own, so that they share no read.
            let until = format!("2041-01-02T00:00:0{second}Z");
            tokio::spawn(async move { page(&world, &customer, "2040-12-03T00:00:00Z", &until, "").await })
        })
        .collect();
    let called = |method| world.faults.calls.lock().unwrap().iter().filter(|called| **called == method).count();
    eventually(&8, async || called("revision_of")).await;
    world.heartbeats(20).await;
    assert!(called("master_ids") <= 4, "the others wait: {}", called("master_ids"));
    *world.faults.held.lock().unwrap() = None;
    for reader in readers {
        assert!(reader.await.unwrap()["items"].as_array().unwrap().len() > 5);
    }
}
