//! Exceptions that change what follows them too: RANGE=THISANDFUTURE.

use evercal_domain::Event;
use evercal_recurrence::{ExpandError, Series, expand_series};

use crate::support::{
    event, exception, expand_object, ical, master, mondays, position, series_of, starts, text, time, window,
};

const FROM_15_JUNE: &str = "RECURRENCE-ID;RANGE=THISANDFUTURE:20260615T070000Z";

fn moved(id: &str, original: &str, start: &str, end: &str) -> Event {
    exception(id, time(original), time(start), time(end))
}

#[test]
fn what_follows_moves_by_the_same_time_takes_the_same_length_and_is_described_by_the_exception() {
    let master = mondays(&[FROM_15_JUNE]);
    // From Monday 09:00 to Tuesday 10:00, half an hour long.
    let change = moved("change", "2026-06-15T07:00:00Z", "2026-06-16T08:00:00Z", "2026-06-16T08:30:00Z");
    let series = Series { exceptions: vec![&change], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-01", "2026-07-01")).unwrap();
    let all: Vec<_> = found.iter().map(|one| (one.source_id.as_str(), text(&one.start), text(&one.end))).collect();
    let expected = [
        ("master", "2026-06-01T07:00:00Z", "2026-06-01T08:00:00Z"),
        ("master", "2026-06-08T07:00:00Z", "2026-06-08T08:00:00Z"),
        ("change", "2026-06-16T08:00:00Z", "2026-06-16T08:30:00Z"),
        ("change", "2026-06-23T08:00:00Z", "2026-06-23T08:30:00Z"),
        ("change", "2026-06-30T08:00:00Z", "2026-06-30T08:30:00Z"),
    ];
    assert_eq!(all, expected.map(|(source, start, end)| (source, start.to_owned(), end.to_owned())));
    // The identity of an occurrence stays where the rule put it.
    assert_eq!(text(&found[3].original_start), "2026-06-22T07:00:00Z");
}

#[test]
fn what_follows_moves_by_the_wall_clock() {
    // 09:00 becomes 10:00 in summer, and so it is 10:00 in winter.
    let lines = ["RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261012T090000"];
    let master = mondays(&lines);
    let change = moved("change", "2026-10-12T07:00:00Z", "2026-10-12T08:00:00Z", "2026-10-12T09:00:00Z");
    let series = Series { exceptions: vec![&change], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-10-12", "2026-10-27")).unwrap();
    assert_eq!(starts(&found), ["2026-10-12T08:00:00Z", "2026-10-19T08:00:00Z", "2026-10-26T09:00:00Z"]);
}

#[test]
fn an_exception_or_cancellation_of_one_that_follows_stands_alone() {
    let master = mondays(&[FROM_15_JUNE, "EXDATE:20260706T070000Z"]);
    let change = moved("change", "2026-06-15T07:00:00Z", "2026-06-15T09:00:00Z", "2026-06-15T10:00:00Z");
    let alone = moved("alone", "2026-06-22T07:00:00Z", "2026-06-24T12:00:00Z", "2026-06-24T13:00:00Z");
    let cancelled = position(time("2026-06-29T07:00:00Z"));
    let series = Series { exceptions: vec![&change, &alone], cancelled: vec![&cancelled], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-14", "2026-07-20")).unwrap();
    assert_eq!(starts(&found), ["2026-06-15T09:00:00Z", "2026-06-24T12:00:00Z", "2026-07-13T09:00:00Z"]);
}

#[test]
fn a_later_change_replaces_an_earlier_one_and_counts_from_the_original_times() {
    let master = mondays(&["RECURRENCE-ID;RANGE=THISANDFUTURE:20260629T070000Z", FROM_15_JUNE]);
    let early = moved("early", "2026-06-15T07:00:00Z", "2026-06-15T09:00:00Z", "2026-06-15T10:00:00Z");
    let late = moved("late", "2026-06-29T07:00:00Z", "2026-06-29T06:00:00Z", "2026-06-29T07:00:00Z");
    let series = Series { exceptions: vec![&late, &early], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-14", "2026-07-12")).unwrap();
    assert_eq!(
        starts(&found),
        ["2026-06-15T09:00:00Z", "2026-06-22T09:00:00Z", "2026-06-29T06:00:00Z", "2026-07-06T06:00:00Z"]
    );
}

#[test]
fn a_cancellation_of_all_that_follows_ends_the_series() {
    let master = mondays(&[FROM_15_JUNE]);
    let cancelled = position(time("2026-06-15T07:00:00Z"));
    let series = Series { cancelled: vec![&cancelled], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-01", "2026-09-01")).unwrap();
    assert_eq!(starts(&found), ["2026-06-01T07:00:00Z", "2026-06-08T07:00:00Z"]);
}

#[test]
fn occurrences_that_move_into_the_window_from_far_outside_are_found() {
    for (start, from, to, expected) in [
        // Half a year later, and half a year earlier, on Thursday.
        ("2026-12-17", "2027-01-01", "2027-01-08", "2027-01-07"),
        ("2025-12-18", "2026-01-05", "2026-01-12", "2026-01-08"),
    ] {
        let lines = ["RRULE:FREQ=WEEKLY;INTERVAL=3", "RECURRENCE-ID;RANGE=THISANDFUTURE:20260615"];
        let master = master(time("2026-05-25"), time("2026-05-26"), &lines);
        let end = day_after(start);
        let change = exception("change", time("2026-06-15"), time(start), time(&end));
        let series = Series { exceptions: vec![&change], ..series_of(&master) };
        let found = expand_series(&series, &window(from, to)).unwrap();
        assert_eq!(starts(&found), [expected], "{start}");
    }
}

fn day_after(date: &str) -> String {
    date.parse::<chrono::NaiveDate>().unwrap().succ_opt().unwrap().to_string()
}

#[test]
fn a_longer_one_that_follows_reaches_into_the_window() {
    let master = mondays(&[FROM_15_JUNE]);
    let change = moved("change", "2026-06-15T07:00:00Z", "2026-06-15T07:00:00Z", "2026-06-20T07:00:00Z");
    let series = Series { exceptions: vec![&change], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-26", "2026-06-27")).unwrap();
    assert_eq!(starts(&found), ["2026-06-22T07:00:00Z"]);
}

#[test]
fn an_added_date_moves_too_and_an_added_period_keeps_its_length() {
    let master = mondays(&[FROM_15_JUNE, "RDATE:20260610T070000Z,20260617T070000Z", "RDATE:20260618T070000Z/PT3H"]);
    let change = moved("change", "2026-06-15T07:00:00Z", "2026-06-15T09:00:00Z", "2026-06-15T09:30:00Z");
    let series = Series { exceptions: vec![&change], ..series_of(&master) };
    let found = expand_series(&series, &window("2026-06-09", "2026-06-20")).unwrap();
    let ends: Vec<_> = found.iter().map(|one| (text(&one.start), text(&one.end))).collect();
    let expected = [
        ("2026-06-10T07:00:00Z", "2026-06-10T08:00:00Z"),
        ("2026-06-15T09:00:00Z", "2026-06-15T09:30:00Z"),
        ("2026-06-17T09:00:00Z", "2026-06-17T09:30:00Z"),
        ("2026-06-18T09:00:00Z", "2026-06-18T12:00:00Z"),
    ];
    assert_eq!(ends, expected.map(|(start, end)| (start.to_owned(), end.to_owned())));
}

#[test]
fn a_change_that_makes_no_sense_is_unreadable() {
    let master = mondays(&[FROM_15_JUNE]);
    let all_day = exception("change", time("2026-06-15T07:00:00Z"), time("2026-06-15"), time("2026-06-16"));
    let backwards = moved("change", "2026-06-15T07:00:00Z", "2026-06-15T07:00:00Z", "2026-06-15T06:00:00Z");
    let elsewhere = moved("change", "2026-06-22T07:00:00Z", "2026-06-22T09:00:00Z", "2026-06-22T10:00:00Z");
    for (change, expected) in [
        (&all_day, "a change of all that follows makes dates of times, or times of dates"),
        (&backwards, "a change of all that follows ends before it starts"),
        (&elsewhere, "a change of all that follows is not there"),
        (&event("change", time("2026-06-15"), time("2026-06-16")), "a change of all that follows is not there"),
    ] {
        let series = Series { exceptions: vec![change], ..series_of(&master) };
        let error = expand_series(&series, &window("2026-06-01", "2026-07-01")).unwrap_err();
        assert_eq!(error, ExpandError::Unreadable { reason: expected.into() });
    }
}

#[test]
fn an_object_with_a_change_of_what_follows_is_expanded_so() {
    let lines = "BEGIN:VEVENT|UID:one|DTSTART;TZID=Europe/Berlin:20260601T090000|DURATION:PT1H|RRULE:FREQ=WEEKLY|END:VEVENT|\
        BEGIN:VEVENT|UID:one|RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260615T090000|\
        DTSTART;TZID=Europe/Berlin:20260615T143000|DURATION:PT2H|END:VEVENT|\
        BEGIN:VEVENT|UID:one|RECURRENCE-ID;TZID=Europe/Berlin:20260622T090000|\
        DTSTART;TZID=Europe/Berlin:20260622T080000|DURATION:PT1H|END:VEVENT|\
        BEGIN:VEVENT|UID:one|RECURRENCE-ID;RANGE=THISANDFUTURE:20260706T070000Z|\
        DTSTART:20260706T070000Z|STATUS:CANCELLED|END:VEVENT";
    let found = expand_object(&ical(lines), None, &window("2026-06-01", "2026-09-01")).unwrap();
    let all: Vec<_> = found.iter().map(|one| (one.source_id.as_str(), text(&one.start))).collect();
    let expected = [
        ("master", "2026-06-01T07:00:00Z"),
        ("master", "2026-06-08T07:00:00Z"),
        ("exception-0", "2026-06-15T12:30:00Z"),
        ("exception-1", "2026-06-22T06:00:00Z"),
        ("exception-0", "2026-06-29T12:30:00Z"),
    ];
    assert_eq!(all, expected.map(|(source, start)| (source, start.to_owned())));
}
