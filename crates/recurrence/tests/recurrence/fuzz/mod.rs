//! A million hostile inputs: each comes back, with a bounded answer or an error, and none makes a panic.
//!
//! Inputs are made of valid rules, dates and objects that are then damaged (`input`). Each is made of its own number, so
//! that one that fails can be run alone: the number and the input are printed. Work is bounded by steps and sizes, never
//! by time: the crate asserts that each rule and zone stays within its steps, which test builds keep; sizes are asserted
//! here.

mod input;
mod random;

use std::collections::HashSet;
use std::fmt::Debug;
use std::ops::Range;

use chrono::{DateTime, Utc};
use evercal_domain::{Event, event::Occurrence, limits::OCCURRENCES_PER_SERIES_MAX};
use evercal_recurrence::{CalendarObject, ExpandError, Series, Window, expand_series};

use crate::support::{exception, expand_read, instant, position, time, zone};
use input::{hostile_master, hostile_object};
use random::Random;

/// Changes all inputs; any number will do.
const SEED: u64 = 20_261_126;
/// Characters of an error: it is for people, and repeats nothing that was sent.
const ERROR_CHARS_MAX: usize = 200;

#[test]
fn any_lines_of_a_master_end_in_bounded_occurrences_or_an_error() {
    for_each(0..300_000, expand_lines);
}

#[test]
fn any_other_lines_of_a_master_end_in_bounded_occurrences_or_an_error() {
    for_each(300_000..600_000, expand_lines);
}

#[test]
fn any_calendar_object_ends_in_bounded_occurrences_or_an_error() {
    for_each(600_000..800_000, expand_text);
}

#[test]
fn any_other_calendar_object_ends_in_bounded_occurrences_or_an_error() {
    for_each(800_000..1_000_000, expand_text);
}

fn for_each(numbers: Range<u64>, run: fn(&mut Random, &mut Failing)) {
    let mut accepted = 0_u64;
    let count = numbers.end - numbers.start;
    for number in numbers {
        let mut failing = Failing { number, input: String::new(), is_accepted: false };
        run(&mut Random::new(SEED ^ (number << 20)), &mut failing);
        accepted += u64::from(failing.is_accepted);
    }
    // Inputs that are all refused at the door would test nothing; nor would such that are all right.
    assert!((count / 5..count * 4 / 5).contains(&accepted), "{accepted} of {count} inputs are accepted");
}

/// Says which input it was, if a test fails or panics with it.
struct Failing {
    number: u64,
    input: String,
    is_accepted: bool,
}

impl Drop for Failing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("input {} of seed {SEED}:\n{}", self.number, self.input);
        }
    }
}

fn short_window(random: &mut Random) -> Window {
    let hours = i64::try_from(random.below(24 * 700)).unwrap();
    let start = "2025-12-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + chrono::TimeDelta::hours(hours);
    Window { start, end: start + chrono::TimeDelta::days(random.pick(&[1, 2, 9])) }
}

fn expand_lines(random: &mut Random, failing: &mut Failing) {
    let window = short_window(random);
    let master: Event = hostile_master(random, window.start);
    failing.input = format!("{window:?} {} to {}: {:#?}", master.start.key(), master.end.key(), master.recurrence);
    // What follows an exception may be changed too, where a line says so.
    let changed = exception("changed", time("2026-06-15T07:00:00Z"), time("2026-06-15T09:00:00Z"), time("2026-06-16"));
    let cancelled = position(time("2026-06-22T07:00:00Z"));
    let has_changes = random.one_in(2);
    let series = Series {
        master: &master,
        exceptions: if has_changes { vec![&changed] } else { vec![] },
        cancelled: if has_changes { vec![&cancelled] } else { vec![] },
        calendar_zone: random.pick(&[None, Some(zone("Australia/Lord_Howe"))]),
    };
    let found = expand_series(&series, &window);
    failing.is_accepted = found.is_ok();
    assert_bounded(found, &window);
}

fn expand_text(random: &mut Random, failing: &mut Failing) {
    let window = short_window(random);
    let text = hostile_object(random);
    failing.input = format!("{window:?}\n{text}");
    let zone = random.pick(&[None, Some(zone("Europe/Berlin"))]);
    let found = match CalendarObject::read(&text, zone) {
        Ok(object) => {
            let lines: usize = object.events.iter().flat_map(|event| &event.recurrence).map(String::len).sum();
            assert!(lines <= 2 * text.len(), "{lines} bytes of lines are made of {}", text.len());
            assert!(object.events.len() <= text.len() / "BEGIN:VEVENT".len());
            expand_read(object, zone, &window)
        }
        Err(error) => Err(error),
    };
    failing.is_accepted = found.is_ok();
    assert_bounded(found, &window);
}

fn assert_bounded(found: Result<Vec<Occurrence>, ExpandError>, window: &Window) {
    let found = match found {
        Ok(found) => found,
        Err(error) => return assert_fit_to_show(&error),
    };
    assert!(found.len() <= OCCURRENCES_PER_SERIES_MAX);
    assert!(found.is_sorted_by_key(|one| instant(&one.start)), "not in order");
    let places: HashSet<String> = found.iter().map(|one| one.original_start.key()).collect();
    assert_eq!(places.len(), found.len(), "one occurrence twice");
    for one in &found {
        let (start, end) = (instant(&one.start), instant(&one.end));
        assert!(start < window.end && (end > window.start || start >= window.start), "{one:?} is outside");
    }
}

fn assert_fit_to_show(error: &(impl Debug + ToString)) {
    let text = error.to_string();
    assert!(text.is_ascii() && text.len() <= ERROR_CHARS_MAX, "{error:?}");
}
