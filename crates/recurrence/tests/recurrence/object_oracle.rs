//! Calendar objects against the answers of recurring-ical-events (`../oracle/generate_objects.py` says how
//! `objects.json` was made): exceptions with and without THISANDFUTURE, EXDATE, RDATE and periods, own zones.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, NaiveTime};
use evercal_domain::event::Occurrence;
use evercal_recurrence::Window;

use crate::support::{expand_object, ical, instant, zone};

const CASES_MIN: usize = 400;

/// Zone, VEVENTs, first day, days, and of each occurrence its start, its end and its source.
pub type Case = (String, String, String, u64, Vec<(i64, i64, i64)>);

/// The `VTIMEZONE`s by name, and the cases.
pub type Cases = (BTreeMap<String, String>, Vec<Case>);

#[test]
fn hundreds_of_random_objects_have_the_occurrences_that_recurring_ical_events_gives_them() {
    let (zones, cases) = cases();
    assert!(cases.len() >= CASES_MIN);
    let differences: Vec<String> = cases.iter().filter_map(|case| difference(case, &zones)).collect();
    assert!(differences.is_empty(), "{} of {} differ:\n{}", differences.len(), cases.len(), differences.join("\n"));
}

pub fn cases() -> Cases {
    serde_json::from_str(include_str!("../oracle/objects.json")).unwrap()
}

pub fn text_of((zone, events, ..): &Case, zones: &BTreeMap<String, String>) -> String {
    let definition = zones.get(zone).map(|zone| format!("{zone}|")).unwrap_or_default();
    ical(&format!("{definition}{events}"))
}

fn difference(case: &Case, zones: &BTreeMap<String, String>) -> Option<String> {
    let (_, _, first_day, days, expected) = case;
    let first_day = NaiveDate::parse_from_str(first_day, "%Y%m%d").unwrap();
    let start = first_day.and_time(NaiveTime::MIN).and_utc();
    let window = Window { start, end: start.checked_add_days(Days::new(*days)).unwrap() };
    let found = match expand_object(&text_of(case, zones), Some(zone("Europe/Berlin")), &window) {
        Ok(found) => found,
        Err(error) => return Some(format!("{case:?}: {error}")),
    };
    let minutes = |time| (instant(time) - start).num_minutes();
    let mut found: Vec<_> = found.iter().map(|one| (minutes(&one.start), minutes(&one.end), source_of(one))).collect();
    found.retain(|(start, ..)| *start >= 0);
    found.sort_unstable();
    (found != *expected).then(|| format!("{case:?}: ours are {found:?}"))
}

fn source_of(occurrence: &Occurrence) -> i64 {
    occurrence.source_id.as_str().strip_prefix("exception-").map_or(-1, |number| number.parse().unwrap())
}
