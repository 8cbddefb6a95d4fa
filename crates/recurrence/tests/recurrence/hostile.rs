//! Rules that nobody should write: each ends soon, with an answer or an error, never with a panic.

use std::time::Instant;

use chrono::{TimeDelta, Utc};
use chrono_tz::Tz;
use evercal_domain::{Event, EventTime, limits::OCCURRENCES_PER_SERIES_MAX};
use evercal_recurrence::{ExpandError, STEPS_PER_RULE_MAX, Window, expand_series};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::support::{instant, master, series_of, starts, time, time_in};

/// Generous for a debug build on a slow machine; a rule without a bound would take minutes.
const EXPANSION_SECONDS_MAX: u64 = 20;

fn year_around_june_2026() -> Window {
    Window::around("2026-06-15T00:00:00Z".parse().unwrap())
}

fn expand(first: &str, lines: &[&str]) -> Result<Vec<String>, ExpandError> {
    let began = Instant::now();
    let start = time(first);
    let found = expand_series(&series_of(&master(start, start, lines)), &year_around_june_2026());
    let seconds = began.elapsed().as_secs();
    assert!(seconds < EXPANSION_SECONDS_MAX, "{lines:?}: {seconds} s");
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
        EventTime::Instant { at: chrono::DateTime::<Utc>::MIN_UTC, zone: Some(Tz::Europe__Berlin) },
        EventTime::Instant { at: chrono::DateTime::<Utc>::MAX_UTC, zone: Some(Tz::Pacific__Kiritimati) },
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

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (1..32_i64).prop_map(|number| number.to_string()),
        3 => (-31..0_i64).prop_map(|number| number.to_string()),
        1 => select(vec!["0", "53", "366", "-366", "-53", "59", "60", "32767", "65536", "4294967296", "99999999999999999999", "-", "+", "", "1L"])
            .prop_map(str::to_owned),
    ]
}

fn day() -> impl Strategy<Value = String> {
    let name = select(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU", "XX"]);
    (prop_oneof![3 => Just(String::new()), 2 => number()], name)
        .prop_map(|(position, name)| format!("{position}{name}"))
}

fn list(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec(value, 1..4).prop_map(|values| values.join(","))
}

fn stamp() -> impl Strategy<Value = String> {
    let date =
        (2000..2030_u32, 1..13_u32, 1..32_u32).prop_map(|(year, month, day)| format!("{year}{month:02}{day:02}"));
    let time = (0..25_u32, 0..60_u32, select(vec!["", "Z"]))
        .prop_map(|(hour, minute, zone)| format!("T{hour:02}{minute:02}00{zone}"));
    prop_oneof![
        8 => (date, prop_oneof![Just(String::new()), time]).prop_map(|(date, time)| date + &time),
        1 => select(vec!["00000101", "99991231T235959Z", "20260230", "2026", ""]).prop_map(str::to_owned),
    ]
}

fn part() -> impl Strategy<Value = String> {
    let named = |name: &'static str, value: BoxedStrategy<String>| {
        value.prop_map(move |value| format!("{name}={value}")).boxed()
    };
    prop_oneof![
        named("INTERVAL", number().boxed()),
        named("COUNT", number().boxed()),
        named("UNTIL", stamp().boxed()),
        named("BYDAY", list(day()).boxed()),
        named("BYMONTH", list(number()).boxed()),
        named("BYMONTHDAY", list(number()).boxed()),
        named("BYYEARDAY", list(number()).boxed()),
        named("BYWEEKNO", list(number()).boxed()),
        named("BYHOUR", list(number()).boxed()),
        named("BYMINUTE", list(number()).boxed()),
        named("BYSECOND", list(number()).boxed()),
        named("BYSETPOS", list(number()).boxed()),
        named("WKST", day().boxed()),
    ]
}

fn rule() -> impl Strategy<Value = String> {
    // The smallest steps fill any window, and slowly; they have tests of their own above.
    let frequency = prop_oneof![
        100 => select(vec!["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"]),
        1 => select(vec!["MINUTELY", "SECONDLY"]),
    ];
    (frequency, vec(part(), 0..4)).prop_map(|(frequency, parts)| {
        let mut all = vec![format!("FREQ={frequency}")];
        all.extend(parts);
        all.join(";")
    })
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        10 => rule().prop_map(|rule| format!("RRULE:{rule}")),
        1 => rule().prop_map(|rule| format!("EXRULE:{rule}")),
        2 => list(stamp()).prop_map(|stamps| format!("EXDATE;TZID=Asia/Tokyo:{stamps}")),
        2 => list(stamp()).prop_map(|stamps| format!("RDATE:{stamps}")),
        1 => "\\PC{0,30}",
    ]
}

fn any_master() -> impl Strategy<Value = Event> {
    let zone = select(vec![Tz::Europe__Berlin, Tz::America__New_York, Tz::Australia__Lord_Howe]);
    let timed = (zone, 0..30_000_i64 * 24, 0..100_i64).prop_map(|(zone, hours, length)| {
        let start = instant(&time("1970-01-01")) + TimeDelta::hours(hours);
        let end = start + TimeDelta::hours(length);
        (time_in(zone, &start.to_rfc3339()), time_in(zone, &end.to_rfc3339()))
    });
    let all_day = (0..30_000_i64, 0..20_i64).prop_map(|(days, length)| {
        let start = instant(&time("1970-01-01")).date_naive() + TimeDelta::days(days);
        let end = start + TimeDelta::days(length);
        (EventTime::Date { date: start }, EventTime::Date { date: end })
    });
    (prop_oneof![2 => timed, 1 => all_day], vec(line(), 1..3)).prop_map(|((start, end), lines)| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        master(start, end, &lines)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn any_rule_ends_with_occurrences_inside_the_window_each_once_in_order_or_with_an_error(
        master in any_master()
    ) {
        let window = Window {
            start: "2026-06-01T00:00:00Z".parse().unwrap(),
            end: "2026-06-03T00:00:00Z".parse().unwrap(),
        };
        if let Ok(found) = expand_series(&series_of(&master), &window) {
            prop_assert!(found.len() <= OCCURRENCES_PER_SERIES_MAX);
            for one in &found {
                prop_assert!(instant(&one.start) < window.end);
                prop_assert!(instant(&one.end) >= window.start);
            }
            for (one, next) in found.iter().zip(found.iter().skip(1)) {
                prop_assert!(instant(&one.start) < instant(&next.start));
            }
        }
    }
}
