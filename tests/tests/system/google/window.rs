//! The window of occurrences moves with the days, on the real server's skipped time.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::{CalendarId, Zone};
use evercal_http::Method;
use evercal_storage::{OccurrenceRange, PageRequest, SeriesRows};
use evercal_tests::{Google, USER, World, WorldOptions, eventually, skipping};
use evercal_workflows::{Timing, names};
use serde_json::json;

use super::control;

/// More than are expanded in one transaction.
const SERIES: usize = 250;
const WEEK: TimeDelta = TimeDelta::days(7);
/// How far ahead of each reconciling sync series are stored at least.
const AHEAD: TimeDelta = TimeDelta::days(365);
/// Between two reconciling syncs: a day, and a tenth of it by jitter.
const SINCE_SYNC_MAX: TimeDelta = TimeDelta::hours(27);

/// How often each series occurs in a week.
async fn occurrences_in_week(world: &World, calendar: CalendarId, from: DateTime<Utc>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let (from, to) = (from.timestamp(), (from + WEEK).timestamp());
    let instant = |at: i64| DateTime::from_timestamp(at, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let first = format!("/v1/calendars/{calendar}/events?limit=200&from={}&to={}", instant(from), instant(to));
    let mut next = Some(first.clone());
    while let Some(path) = next {
        let page = world.api(Method::GET, &path, None).await.unwrap();
        for event in page["items"].as_array().unwrap() {
            *found.entry(event["title"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        next = page["next_cursor"].as_str().map(|cursor| format!("{first}&cursor={cursor}"));
    }
    found
}

/// The same of what is stored, without what a read computes.
async fn stored_in_week(world: &World, calendar: CalendarId, from: DateTime<Utc>) -> BTreeMap<String, usize> {
    let to = from + WEEK;
    let (from_date, to_date, zone) = (from.date_naive(), to.date_naive(), Zone::UTC);
    let range = OccurrenceRange { from, to, from_date, to_date, zone, series: SeriesRows::All };
    let page = world.store.occurrences(calendar, &range, &PageRequest::first(1_000)).await.unwrap();
    let mut found = BTreeMap::new();
    for read in page.items {
        *found.entry(read.event.title.unwrap_or_default()).or_default() += 1;
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn series_without_end_reach_as_far_as_promised_day_after_day() {
    let timing = Timing { reconcile_interval_s: 24 * 3600, sync_backoff_initial_ms: 30_000, ..Timing::default() };
    let mut world =
        World::with::<Google>(WorldOptions { timing, simulated_time: true, events: 0, ..WorldOptions::default() })
            .await;
    for number in 0..SERIES {
        let at = |hour: usize| json!({"dateTime": format!("2026-01-05T{hour:02}:00:00"), "timeZone": "Europe/Berlin"});
        let event = json!({
            "summary": format!("series {number}"),
            "start": at(number % 20),
            "end": at(number % 20 + 1),
            "recurrence": ["RRULE:FREQ=WEEKLY"],
        });
        control(&world).insert_event(USER, event.as_object().unwrap().clone()).unwrap();
    }
    let (_account, calendar) = world.connect_and_mirror().await;
    let end = |world: &World| {
        let store = world.store.clone();
        async move { store.sync_position(calendar).await.unwrap().window_end }
    };
    let first_end = eventually("the window is known", || async { end(&world).await.ok_or("no window") }).await;
    let beyond = first_end + TimeDelta::days(1);
    assert!(stored_in_week(&world, calendar, beyond).await.is_empty(), "nothing is stored beyond the window");
    let computed = occurrences_in_week(&world, calendar, beyond).await;
    assert!(computed.len() == SERIES && computed.values().all(|count| *count == 1), "{computed:?}");

    let mut reached = first_end;
    for day in 1..=10 {
        if day == 5 {
            // Whoever comes next goes on.
            world.stop_worker().await.unwrap();
            world.start_worker().unwrap();
        }
        let (client, namespace) = (&world.temporal.client, &world.temporal.namespace);
        let workflow = names::subscription_id(calendar);
        let time = Duration::from_hours(24);
        skipping::fast_forward(client, namespace, &workflow, &format!("day {day}"), time).await.unwrap();
        let at_least = skipping::now(client, namespace, &workflow).await.unwrap() + AHEAD - SINCE_SYNC_MAX;
        reached = eventually("the window has moved", || async {
            match end(&world).await {
                Some(end) if end >= at_least => Ok(end),
                other => Err((day, other)),
            }
        })
        .await;
    }
    assert!(reached >= beyond + WEEK, "{first_end} {reached}");
    let found = stored_in_week(&world, calendar, beyond).await;
    assert!(found.len() == SERIES && found.values().all(|count| *count == 1), "{} series: {found:?}", found.len());
    world.end().await;
}
