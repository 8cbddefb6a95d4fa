//! The `RRULE` lines that readers are shown of Microsoft's series: what they make is what Microsoft itself shows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike as _, Days, NaiveDate, SecondsFormat};
use evercal_domain::{Clock as _, SystemClock, Zone};
use evercal_mirror::{Expansion, StoredBody, expand_stored};
use evercal_recurrence::Window;
use evercal_storage::PageRequest;
use evercal_tests::{Graph, USER, World, WorldOptions, eventually};
use serde_json::{Value, json};

use super::control;

const ZONE: &str = "Europe/Berlin";

/// The first day of next month, and the last of it: where days that not all months have are.
fn month() -> (NaiveDate, NaiveDate) {
    let today = SystemClock.now().date_naive();
    let next = |day: NaiveDate| (day.with_day(1).unwrap() + Days::new(31)).with_day(1).unwrap();
    // One that has a 31st.
    let mut first = next(today);
    while first.with_day(31).is_none() {
        first = next(first);
    }
    (first, first.with_day(31).unwrap())
}

/// Each kind of pattern, with intervals, several weekdays with an index, and days that not all months have; with the day on
/// which it is first due at the earliest.
fn patterns() -> Vec<(NaiveDate, Value)> {
    let (first, last) = month();
    let (day, month) = (last.day(), last.month());
    let weekdays = json!(["monday", "tuesday", "wednesday", "thursday", "friday"]);
    vec![
        (first, json!({"type": "daily", "interval": 1})),
        (first, json!({"type": "daily", "interval": 3})),
        (
            first,
            json!({"type": "weekly", "interval": 1, "daysOfWeek": ["tuesday", "friday"], "firstDayOfWeek": "monday"}),
        ),
        (
            first,
            json!({"type": "weekly", "interval": 2, "daysOfWeek": ["sunday", "monday"], "firstDayOfWeek": "sunday"}),
        ),
        (
            first,
            json!({"type": "weekly", "interval": 2, "daysOfWeek": ["sunday", "monday"], "firstDayOfWeek": "monday"}),
        ),
        (first, json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 15})),
        (last, json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": day})),
        (first, json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["thursday"], "index": "second"})),
        (first, json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": weekdays, "index": "last"})),
        (
            first,
            json!({"type": "relativeMonthly", "interval": 2, "daysOfWeek": ["saturday", "sunday"], "index": "first"}),
        ),
        (last, json!({"type": "absoluteYearly", "interval": 1, "dayOfMonth": day, "month": month})),
        (
            first,
            json!({"type": "relativeYearly", "interval": 1, "daysOfWeek": ["monday"], "index": "third", "month": month}),
        ),
    ]
}

fn ranges(first: NaiveDate) -> [Value; 3] {
    let start = first.to_string();
    [
        json!({"type": "noEnd", "startDate": start}),
        json!({"type": "numbered", "startDate": start, "numberOfOccurrences": 7}),
        json!({"type": "endDate", "startDate": start, "endDate": (first + Days::new(150)).to_string()}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_makes_is_what_microsoft_shows_for_each_pattern_and_range() {
    let world = World::with::<Graph>(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let calendar = control(&world).default_calendar(USER).unwrap();
    let mut inserted = BTreeMap::new();
    for (first, pattern) in patterns() {
        for range in ranges(first) {
            for is_all_day in [false, true] {
                let (from, to) = if is_all_day { ("00:00:00", "00:00:00") } else { ("23:30:00", "23:45:00") };
                let last = if is_all_day { first + Days::new(1) } else { first };
                // Late in the evening: by another clock it is another day.
                let zone = if is_all_day { "UTC" } else { ZONE };
                let event = json!({
                    "subject": "Series", "isAllDay": is_all_day,
                    "start": {"dateTime": format!("{first}T{from}"), "timeZone": zone},
                    "end": {"dateTime": format!("{last}T{to}"), "timeZone": zone},
                    "recurrence": {"pattern": pattern, "range": range},
                });
                let made = control(&world).insert_event(&calendar, event.as_object().unwrap().clone()).unwrap();
                inserted.insert(made["id"].as_str().unwrap().to_owned(), event);
            }
        }
    }
    world.connect().await;
    let id = world.calendar_of(USER).await.id;
    eventually("the calendar is read", || async {
        let row = world.store.calendar(id).await.unwrap().unwrap();
        if row.confirmed_at.is_some() { Ok(()) } else { Err((row.state, row.detail)) }
    })
    .await;

    let window_end = world.store.sync_position(id).await.unwrap().window_end.unwrap();
    let window = Window::ending(window_end);
    let text = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let shown = control(&world).occurrences(&calendar, &text(window.start), &text(window.end)).unwrap();
    let rows = world.store.items(id, &PageRequest { after: None, limit: 10_000 }).await.unwrap().items;
    let expansion = Expansion::ByRules { zone: ZONE.parse::<Zone>().ok(), window };
    let mut compared = 0;
    for row in rows {
        let StoredBody::Event(event) = &row.body else { continue };
        let Some(wire) = inserted.get(event.provider_id.as_str()) else { continue };
        let rule = event.recurrence.clone();
        let (made, failed) = expand_stored(std::slice::from_ref(&row), &expansion);
        assert!(failed.is_empty(), "{wire}: {failed:?}");
        let made = made.iter().flat_map(|of_owner| &of_owner.occurrences);
        let made: BTreeSet<String> = made.map(|one| one.start.key()).collect();
        let at_microsoft = shown.iter().filter(|one| {
            one.occurrence_of.as_ref().is_some_and(|position| position.series == event.provider_id.as_str())
        });
        let at_microsoft: BTreeSet<String> =
            at_microsoft.map(|one| key_of(one.start.as_deref().unwrap_or_default())).collect();
        assert!(!at_microsoft.is_empty(), "{wire}");
        assert_eq!(made, at_microsoft, "{rule:?} of {wire}");
        compared += 1;
    }
    assert_eq!(compared, inserted.len());
    world.end().await;
}

/// A start in the provider's words as [`evercal_domain::EventTime::key`] has it.
fn key_of(text: &str) -> String {
    text.chars().filter(|letter| *letter != '-' && *letter != ':').collect()
}
