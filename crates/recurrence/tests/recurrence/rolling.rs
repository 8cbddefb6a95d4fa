//! The window rolls forward once a day. What a day's window has may not depend on which day it is: nothing is lost at an
//! edge, and nothing comes twice.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::event::Occurrence;
use evercal_recurrence::{Window, expand_series};

use crate::object_oracle::{self, text_of};
use crate::oracle::{self, master};
use crate::support::{expand_object, instant, series_of, zone};

/// Days on which the window is rolled: beyond a change of offset, and a turn of the year at its end.
const DAYS: i64 = 40;

fn first_day() -> DateTime<Utc> {
    "2026-03-10T04:00:00Z".parse().unwrap()
}

/// The windows of all days, and one over all of them.
fn windows() -> (Vec<Window>, Window) {
    let days: Vec<_> = (0..DAYS).map(|day| Window::around(first_day() + TimeDelta::days(day))).collect();
    let all = Window { start: days.first().unwrap().start, end: days.last().unwrap().end };
    (days, all)
}

/// What of these is inside: one without length is where it starts.
fn inside(occurrences: &[Occurrence], window: &Window) -> Vec<Occurrence> {
    let is_inside = |one: &&Occurrence| {
        let (start, end) = (instant(&one.start), instant(&one.end));
        start < window.end && (end > window.start || (start == end && start >= window.start))
    };
    occurrences.iter().filter(is_inside).cloned().collect()
}

fn assert_rolls_without_loss(name: &str, expand: impl Fn(&Window) -> Vec<Occurrence>) -> usize {
    let (days, all) = windows();
    let occurrences = expand(&all);
    for window in &days {
        assert_eq!(expand(window), inside(&occurrences, window), "{name} in {window:?}");
    }
    occurrences.len()
}

#[test]
fn each_days_window_has_of_a_rule_what_one_window_over_all_days_has() {
    let mut occurrences = 0;
    for (zone, first, rule, ..) in oracle::cases().iter().filter(|(_, _, rule, ..)| is_of_days(rule)).step_by(3) {
        let master = master(zone, first, rule);
        occurrences += assert_rolls_without_loss(rule, |window| expand_series(&series_of(&master), window).unwrap());
    }
    assert!(occurrences > 10_000, "{occurrences} occurrences test little");
}

#[test]
fn each_days_window_has_of_an_object_what_one_window_over_all_days_has() {
    let (zones, cases): (BTreeMap<String, String>, _) = object_oracle::cases();
    let mut occurrences = 0;
    for case in cases.iter().step_by(2) {
        let text = text_of(case, &zones);
        occurrences += assert_rolls_without_loss(&text, |window| {
            expand_object(&text, Some(zone("Europe/Berlin")), window).unwrap()
        });
    }
    assert!(occurrences > 5_000, "{occurrences} occurrences test little");
}

/// Smaller steps fill a year's window up to its limit.
fn is_of_days(rule: &str) -> bool {
    !["HOURLY", "MINUTELY", "SECONDLY", "BYMINUTE", "BYSECOND"].iter().any(|small| rule.contains(small))
}
