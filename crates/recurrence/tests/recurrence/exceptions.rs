//! Exceptions and cancelled occurrences of series, by hand.

use evercal_domain::ProviderEventId;
use evercal_recurrence::{Series, expand_series};

use crate::support::{exception, master, mondays, position, series_of, starts, text, time, time_in, window, zone};

#[test]
fn an_exception_stands_for_the_occurrence_at_its_original_start() {
    let master = mondays(&[]);
    // The original start is written in another zone: the same instant is the same occurrence.
    let moved = exception(
        "moved",
        time_in(zone("Asia/Tokyo"), "2026-06-08T07:00:00Z"),
        time("2026-06-09T12:00:00Z"),
        time("2026-06-09T12:30:00Z"),
    );
    let series = Series { exceptions: vec![&moved], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-01", "2026-06-16")).unwrap();
    assert_eq!(starts(&found), ["2026-06-01T07:00:00Z", "2026-06-09T12:00:00Z", "2026-06-15T07:00:00Z"]);
    let sources: Vec<_> = found.iter().map(|one| one.source_id.as_str()).collect();
    assert_eq!(sources, ["master", "moved", "master"]);
    assert!(found.iter().all(|one| one.series_id == Some(ProviderEventId::new("master"))));
    assert_eq!(found[1].original_start.key(), "20260608T070000Z");
    assert_eq!(text(&found[1].end), "2026-06-09T12:30:00Z");
}

#[test]
fn an_exception_is_inside_or_outside_by_its_own_time() {
    let master = mondays(&[]);
    let moved_out =
        exception("out", time("2026-06-15T07:00:00Z"), time("2026-07-20T07:00:00Z"), time("2026-07-20T08:00:00Z"));
    let moved_in =
        exception("in", time("2026-07-27T07:00:00Z"), time("2026-06-18T07:00:00Z"), time("2026-06-18T08:00:00Z"));
    let series = Series { exceptions: vec![&moved_out, &moved_in], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-14", "2026-06-23")).unwrap();
    assert_eq!(starts(&found), ["2026-06-18T07:00:00Z", "2026-06-22T07:00:00Z"]);
}

#[test]
fn a_cancelled_occurrence_is_absent_even_where_an_exception_says_otherwise() {
    let master = mondays(&["RDATE:20260610T070000Z"]);
    let cancelled = [
        position(time("2026-06-08T07:00:00Z")),
        position(time_in(zone("Asia/Tokyo"), "2026-06-10T07:00:00Z")),
        position(time("2026-06-15T07:00:00Z")),
    ];
    let stale =
        exception("stale", time("2026-06-15T07:00:00Z"), time("2026-06-16T07:00:00Z"), time("2026-06-16T08:00:00Z"));
    let series = Series { cancelled: cancelled.iter().collect(), exceptions: vec![&stale], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-01", "2026-06-23")).unwrap();
    assert_eq!(starts(&found), ["2026-06-01T07:00:00Z", "2026-06-22T07:00:00Z"]);
}

#[test]
fn an_all_day_series_is_replaced_and_cancelled_by_date() {
    let master = master(time("2026-06-01"), time("2026-06-02"), &["RRULE:FREQ=DAILY;COUNT=4"]);
    let cancelled = position(time("2026-06-02"));
    let moved = exception("moved", time("2026-06-03"), time("2026-06-20"), time("2026-06-21"));
    let series = Series { cancelled: vec![&cancelled], exceptions: vec![&moved], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-01", "2026-07-01")).unwrap();
    assert_eq!(starts(&found), ["2026-06-01", "2026-06-04", "2026-06-20"]);
}

#[test]
fn two_exceptions_for_one_occurrence_are_one() {
    let master = mondays(&[]);
    let at = |id, start: &str| exception(id, time("2026-06-08T07:00:00Z"), time(start), time(start));
    let (first, second) = (at("a", "2026-06-09T07:00:00Z"), at("b", "2026-06-10T07:00:00Z"));
    let series = Series { exceptions: vec![&first, &second], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-05", "2026-06-12")).unwrap();
    assert_eq!(starts(&found), ["2026-06-09T07:00:00Z"]);
}
