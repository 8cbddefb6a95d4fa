//! Rules against the answers of python-dateutil (`../oracle/generate.py` says how `expected.json` was made, and of the
//! one thing that is not dateutil's: a start that its rule does not make).

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use evercal_domain::{Event, EventTime, Zone};
use evercal_recurrence::{Window, expand_series};

use crate::support::{event, instant, series_of};

const CASES_MIN: usize = 2_000;

pub type Case = (String, String, String, String, u64, usize, i64, Vec<i64>);

#[test]
fn thousands_of_random_rules_have_the_occurrences_that_dateutil_gives_them() {
    let cases = cases();
    assert!(cases.len() >= CASES_MIN);
    let differences: Vec<String> = cases.iter().filter_map(difference).collect();
    assert!(differences.is_empty(), "{} of {} differ:\n{}", differences.len(), cases.len(), differences.join("\n"));
}

pub fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../oracle/expected.json")).unwrap()
}

fn difference(case: &Case) -> Option<String> {
    let (zone, first, rule, window, days, count, checksum, first_starts) = case;
    let window_start = date(window).and_time(NaiveTime::MIN).and_utc();
    let window = Window { start: window_start, end: window_start.checked_add_days(Days::new(*days)).unwrap() };
    let master = master(zone, first, rule);
    let starts: Vec<i64> = match expand_series(&series_of(&master), &window) {
        Ok(occurrences) => {
            occurrences.iter().map(|occurrence| (instant(&occurrence.start) - window_start).num_seconds()).collect()
        }
        Err(error) => return Some(format!("{case:?}: {error}")),
    };
    let same = starts.len() == *count
        && starts.starts_with(first_starts)
        && starts.iter().fold(0, |sum, start| (sum * 31 + start).rem_euclid(1 << 32)) == *checksum;
    (!same).then(|| {
        let ours: Vec<_> = starts.iter().take(first_starts.len() + 1).collect();
        format!("{case:?}: ours are {} starts, {ours:?}", starts.len())
    })
}

pub fn master(zone: &str, first: &str, rule: &str) -> Event {
    let (start, end) = if zone.is_empty() {
        let start = date(first);
        let end = start.succ_opt().unwrap();
        (EventTime::Date { date: start }, EventTime::Date { date: end })
    } else {
        let zone: Zone = zone.parse().unwrap();
        let local = NaiveDateTime::parse_from_str(first, "%Y%m%dT%H%M%S").unwrap();
        let at = zone.from_local_datetime(&local).earliest().unwrap();
        let at = at.with_timezone(&Utc);
        let time = |at| EventTime::Instant { at, zone: Some(zone) };
        (time(at), time(at + TimeDelta::minutes(30)))
    };
    Event { recurrence: vec![format!("RRULE:{rule}")], ..event("master", start, end) }
}

fn date(text: &str) -> NaiveDate {
    NaiveDate::parse_from_str(text, "%Y%m%d").unwrap()
}
