//! Rules that nobody should write: each ends, with an answer or an error, never with a panic. That it ends soon is a matter
//! of steps, which `rule_starts.rs` bounds: without it these would take minutes.

use chrono::{TimeDelta, Utc};
use evercal_domain::EventTime;
use evercal_recurrence::{ExpandError, STEPS_PER_RULE_MAX, Window, expand_series};

use crate::support::{master, series_of, starts, time, zone};

fn year_around_june_2026() -> Window {
    Window::around("2026-06-15T00:00:00Z".parse().unwrap())
}

fn expand(first: &str, lines: &[&str]) -> Result<Vec<String>, ExpandError> {
    let start = time(first);
    let found = expand_series(&series_of(&master(start, start, lines)), &year_around_june_2026());
    found.map(|found| starts(&found))
}

#[test]
fn rules_that_make_nothing_end_with_no_occurrences() {
    for rule in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=3;BYMINUTE=3;BYSECOND=3",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
        "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=3",
        "FREQ=SECONDLY;BYSETPOS=2",
        "FREQ=MINUTELY;BYSETPOS=-60",
        "FREQ=YEARLY;BYWEEKNO=20;BYMONTH=1",
        "FREQ=DAILY;UNTIL=19700101",
        "FREQ=DAILY;COUNT=1;UNTIL=00010101T000000Z",
        "FREQ=YEARLY;INTERVAL=32767",
    ] {
        let found = expand("2010-06-15T00:00:00Z", &[&format!("RRULE:{rule}")]);
        assert_eq!(found, Ok(vec![]), "{rule}");
    }
}

#[test]
fn endless_small_steps_from_long_ago_are_refused_not_walked() {
    for rule in [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;COUNT=4294967295",
        "FREQ=MINUTELY;COUNT=4294967295",
        "FREQ=HOURLY;COUNT=1000000",
        "FREQ=YEARLY;BYHOUR=1,2,3,4,5,6;BYMINUTE=1,2,3,4,5,6,7,8,9,10;BYDAY=MO,TU,WE,TH,FR,SA,SU",
        "FREQ=SECONDLY;BYHOUR=3",
    ] {
        let found = expand("1970-01-01T00:00:00Z", &[&format!("RRULE:{rule}")]);
        assert!(matches!(found, Err(ExpandError::TooMany { .. })), "{rule}: {found:?}");
    }
}

#[test]
fn a_year_of_all_seconds_is_refused_before_it_fills_the_memory() {
    let all_below = |end: u32| (0..end).map(|value| value.to_string()).collect::<Vec<_>>().join(",");
    let rule = format!(
        "RRULE:FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR={};BYMINUTE={1};BYSECOND={1}",
        all_below(24),
        all_below(60)
    );
    let found = expand("2026-01-01T00:00:00Z", &[&rule]);
    assert_eq!(found, Err(ExpandError::TooMany { what: "times in one period of its rule", limit: STEPS_PER_RULE_MAX }));
}

#[test]
fn an_hourly_series_of_fifty_years_reaches_the_window() {
    let found = expand("1970-01-01T00:00:00Z", &["RRULE:FREQ=HOURLY"]).unwrap();
    let window = year_around_june_2026();
    assert_eq!(i64::try_from(found.len()), Ok((window.end - window.start).num_hours()));
}

#[test]
fn a_gigantic_count_of_days_is_as_good_as_endless() {
    let window = year_around_june_2026();
    let found = expand("2010-01-01T00:00:00Z", &["RRULE:FREQ=DAILY;COUNT=4294967295"]).unwrap();
    assert_eq!(i64::try_from(found.len()), Ok((window.end - window.start).num_days()));
}

#[test]
fn ten_thousand_excluded_dates_are_excluded() {
    let window = year_around_june_2026();
    let excluded: Vec<String> = (0..10_000)
        .map(|hours| window.start + TimeDelta::hours(hours))
        .filter(|at| at.format("%d").to_string() != "07")
        .map(|at| at.format("%Y%m%dT%H%M%SZ").to_string())
        .collect();
    let line = format!("EXDATE:{}", excluded.join(","));
    let found = expand("2026-01-01T00:00:00Z", &["RRULE:FREQ=HOURLY", &line]).unwrap();
    assert!(!found.is_empty());
    assert!(found.iter().all(|start| start[8..10] == *"07"), "{found:?}");
}

#[test]
fn the_edges_of_the_calendar_are_no_panic() {
    let edges = [
        EventTime::Instant { at: chrono::DateTime::<Utc>::MIN_UTC, zone: Some(zone("Europe/Berlin")) },
        EventTime::Instant { at: chrono::DateTime::<Utc>::MAX_UTC, zone: Some(zone("Pacific/Kiritimati")) },
        EventTime::Date { date: chrono::NaiveDate::MIN },
        EventTime::Date { date: chrono::NaiveDate::MAX },
        time("0000-01-01T00:00:00Z"),
        time("0001-01-01"),
        time("9999-12-31T23:59:59Z"),
        time("9999-12-31"),
    ];
    let windows = [
        year_around_june_2026(),
        Window { start: chrono::DateTime::<Utc>::MIN_UTC, end: chrono::DateTime::<Utc>::MAX_UTC },
        Window { start: chrono::DateTime::<Utc>::MAX_UTC, end: chrono::DateTime::<Utc>::MIN_UTC },
    ];
    for start in edges {
        for end in edges {
            for rule in ["FREQ=YEARLY", "FREQ=MONTHLY;INTERVAL=32767", "FREQ=WEEKLY", "FREQ=SECONDLY;INTERVAL=32767"] {
                let master = master(start, end, &[&format!("RRULE:{rule}"), "RDATE:00000101T000000Z,99991231T235959Z"]);
                for window in &windows {
                    // Whatever it says: it comes back.
                    drop(expand_series(&series_of(&master), window));
                }
            }
        }
    }
}
