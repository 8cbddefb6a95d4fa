//! Series by hand: clocks that change, and dates.

use evercal_domain::{Event, EventTime, ProviderEventId, Zone, limits::OCCURRENCES_PER_SERIES_MAX};
use evercal_recurrence::{ExpandError, Series, Window, expand_series, single_occurrence};

use crate::support::{event, exception, master, mondays, series_of, starts, text, time, time_in, window, zone};

fn expand(master: &Event, window: &Window) -> Vec<String> {
    starts(&expand_series(&series_of(master), window).unwrap())
}

fn june() -> Window {
    window("2026-06-01", "2026-07-01")
}

/// Zone, first start, rule, window, starts.
type DstCase<'a> = (Zone, &'a str, &'a str, (&'a str, &'a str), &'a [&'a str]);

#[test]
fn a_timed_series_keeps_its_wall_clock_across_dst() {
    // A time in a gap counts with the offset before it, one that comes twice is the first.
    #[rustfmt::skip]
    let cases: [DstCase; 9] = [
        (zone("Europe/Berlin"), "2026-03-27T08:00:00Z", "FREQ=DAILY", ("2026-03-28", "2026-03-31"),
            &["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"]),
        (zone("Europe/Berlin"), "2026-03-01T01:30:00Z", "FREQ=DAILY", ("2026-03-28", "2026-03-31"),
            &["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]),
        (zone("Europe/Berlin"), "2026-10-01T00:30:00Z", "FREQ=DAILY", ("2026-10-24", "2026-10-27"),
            &["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        // 02:00 does not exist and would be 03:00, which is there already.
        (zone("Europe/Berlin"), "2026-03-29T00:00:00Z", "FREQ=HOURLY;COUNT=4", ("2026-03-29", "2026-03-30"),
            &["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]),
        (zone("America/New_York"), "2026-03-01T07:30:00Z", "FREQ=WEEKLY", ("2026-03-01", "2026-03-20"),
            &["2026-03-01T07:30:00Z", "2026-03-08T07:30:00Z", "2026-03-15T06:30:00Z"]),
        (zone("America/New_York"), "2026-10-25T05:30:00Z", "FREQ=WEEKLY", ("2026-10-25", "2026-11-10"),
            &["2026-10-25T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-08T06:30:00Z"]),
        (zone("Asia/Tokyo"), "2026-03-28T17:30:00Z", "FREQ=DAILY;COUNT=2", ("2026-03-01", "2026-04-01"),
            &["2026-03-28T17:30:00Z", "2026-03-29T17:30:00Z"]),
        // Half an hour of DST: the gap is 02:00 to 02:30, and 01:30 to 02:00 comes twice.
        (zone("Australia/Lord_Howe"), "2026-10-02T15:40:00Z", "FREQ=DAILY;COUNT=3", ("2026-10-01", "2026-11-01"),
            &["2026-10-02T15:40:00Z", "2026-10-03T15:40:00Z", "2026-10-04T15:10:00Z"]),
        (zone("Australia/Lord_Howe"), "2026-04-03T14:45:00Z", "FREQ=DAILY;COUNT=3", ("2026-04-01", "2026-05-01"),
            &["2026-04-03T14:45:00Z", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]),
    ];
    for (zone, first, rule, (from, to), expected) in cases {
        let start = time_in(zone, first);
        let master = master(start, start, &[&format!("RRULE:{rule}")]);
        assert_eq!(expand(&master, &window(from, to)), expected, "{zone} {first} {rule}");
    }
}

#[test]
fn a_series_that_starts_in_the_second_of_two_hours_starts_there() {
    let start = time_in(zone("Europe/Berlin"), "2026-10-25T01:30:00Z");
    let master = master(start, start, &["RRULE:FREQ=DAILY;COUNT=2"]);
    let found = expand(&master, &window("2026-10-01", "2026-11-01"));
    assert_eq!(found, ["2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"]);
}

#[test]
fn a_series_across_dst_keeps_its_exact_length() {
    // 00:30 to 04:30 of an ordinary day is four hours; on the night of the change it ends at 05:30.
    let start = time_in(zone("Europe/Berlin"), "2026-03-27T23:30:00Z");
    let end = time_in(zone("Europe/Berlin"), "2026-03-28T03:30:00Z");
    let master = master(start, end, &["RRULE:FREQ=DAILY"]);
    let found = expand_series(&series_of(&master), &window("2026-03-29", "2026-03-30")).unwrap();
    assert_eq!(text(&found[0].start), "2026-03-28T23:30:00Z");
    assert_eq!(text(&found[0].end), "2026-03-29T03:30:00Z");
}

#[test]
fn the_zone_of_a_series_is_its_own_then_the_calendars_then_utc() {
    let window = window("2026-03-29", "2026-03-30");
    let at = |zone| {
        let start = EventTime::Instant { at: "2026-03-01T08:00:00Z".parse().unwrap(), zone };
        master(start, start, &["RRULE:FREQ=DAILY"])
    };
    for (own, calendar, expected) in [
        (Some(zone("Asia/Tokyo")), Some(zone("Europe/Berlin")), "08"),
        (None, Some(zone("Europe/Berlin")), "07"),
        (None, None, "08"),
    ] {
        let master = at(own);
        let series = Series { calendar_zone: calendar, ..series_of(&master) };
        let found = expand_series(&series, &window).unwrap();
        assert_eq!(starts(&found), [format!("2026-03-29T{expected}:00:00Z")]);
        assert_eq!(
            found[0].start,
            EventTime::Instant { at: format!("2026-03-29T{expected}:00:00Z").parse().unwrap(), zone: own }
        );
    }
}

#[test]
fn series_expansion_is_anchored_at_dtstart() {
    // Every third week, the fourth Thursday and the 30th are counted from the start, years before the window.
    let cases = [
        ("2019-01-07T08:00:00Z", "FREQ=WEEKLY;INTERVAL=5", "2026-06-29T08:00:00Z"),
        ("1999-06-30T08:00:00Z", "FREQ=MONTHLY;INTERVAL=4", "2026-06-30T08:00:00Z"),
        ("2004-06-29T08:00:00Z", "FREQ=YEARLY;INTERVAL=2", "2026-06-29T08:00:00Z"),
        ("1970-08-13T08:00:00Z", "FREQ=DAILY;INTERVAL=100", "2026-06-20T08:00:00Z"),
    ];
    for (first, rule, expected) in cases {
        let start = time(first);
        let master = master(start, start, &[&format!("RRULE:{rule}")]);
        assert_eq!(expand(&master, &june()), [expected], "{first} {rule}");
    }
}

#[test]
fn a_position_is_counted_in_a_whole_week_wherever_the_window_starts() {
    // The first of Monday and Friday is Monday, also in a week of which only the end is in the window.
    let start = time("2019-01-02T00:00:00Z");
    let master = master(start, start, &["RRULE:FREQ=WEEKLY;BYDAY=MO,FR;BYSETPOS=1"]);
    assert_eq!(expand(&master, &window("2026-06-04", "2026-06-09")), ["2026-06-08T00:00:00Z"]);
}

#[test]
fn plain_and_numbered_weekdays_add_up() {
    let start = time("2026-06-01T08:00:00Z");
    let master = master(start, start, &["RRULE:FREQ=MONTHLY;BYDAY=MO,2TU"]);
    let found = expand(&master, &window("2026-06-01", "2026-06-23"));
    let days: Vec<_> = found.iter().map(|start| &start[8..10]).collect();
    assert_eq!(days, ["01", "08", "09", "15", "22"]);
}

#[test]
fn a_start_that_its_rule_does_not_make_is_an_occurrence_that_count_does_not_count() {
    // A Monday: https://github.com/googleapis/google-api-nodejs-client/issues/2214
    let start = time_in(zone("Europe/Berlin"), "2026-06-08T07:00:00Z");
    let rule = "RRULE:FREQ=WEEKLY;BYDAY=TU,TH;COUNT=5";
    let days = |lines: &[&str]| -> Vec<String> {
        expand(&master(start, start, lines), &june()).iter().map(|start| start[8..10].to_owned()).collect()
    };
    assert_eq!(days(&[rule]), ["08", "09", "11", "16", "18", "23"]);
    assert_eq!(days(&[rule, "EXDATE;TZID=Europe/Berlin:20260608T090000"]), ["09", "11", "16", "18", "23"]);
    assert_eq!(days(&[rule, "EXRULE:FREQ=WEEKLY;BYDAY=MO"]), ["09", "11", "16", "18", "23"]);
    assert_eq!(
        days(&["RRULE:FREQ=WEEKLY;BYDAY=TU", "RRULE:FREQ=MONTHLY;BYMONTHDAY=30"]),
        ["08", "09", "16", "23", "30"]
    );
    // It is itself or nothing that makes a series of a rule that never comes.
    assert_eq!(days(&["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]), ["08"]);
}

#[test]
fn a_start_after_the_end_of_all_its_rules_is_no_occurrence() {
    let timed = time_in(zone("Europe/Berlin"), "2026-06-08T07:00:00Z");
    for (until, count) in [("20260607", 0), ("20260608T065959Z", 0), ("20260608T070000Z", 1), ("20260608", 1)] {
        let lines = [format!("RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL={until}")];
        assert_eq!(expand(&master(timed, timed, &[&lines[0]]), &june()).len(), count, "{until}");
    }
    let ended = "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20260607";
    let both = master(timed, timed, &[ended, "RRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=1"]);
    assert_eq!(expand(&both, &june()).len(), 2, "one rule goes on");
    let added = master(timed, timed, &[ended, "RDATE:20260610T070000Z"]);
    assert_eq!(expand(&added, &june()), ["2026-06-10T07:00:00Z"]);
    let dates = master(time("2026-06-08"), time("2026-06-09"), &["RRULE:FREQ=DAILY;UNTIL=20260607"]);
    assert_eq!(expand(&dates, &june()), [""; 0]);
}

#[test]
fn an_ended_series_has_no_occurrences() {
    for rule in ["FREQ=DAILY;COUNT=30", "FREQ=DAILY;UNTIL=20200131T080000Z", "FREQ=DAILY;UNTIL=20191231"] {
        let start = time("2020-01-01T08:00:00Z");
        let master = master(start, start, &[&format!("RRULE:{rule}")]);
        assert_eq!(expand(&master, &june()), [""; 0], "{rule}");
    }
}

#[test]
fn until_includes_its_moment_and_a_date_its_whole_day() {
    for (until, count) in [
        ("20260603T070000Z", 3),
        ("20260603T065959Z", 2),
        ("20260603T090000", 3),
        ("20260603T085959", 2),
        ("20260603", 3),
    ] {
        let start = time_in(zone("Europe/Berlin"), "2026-06-01T07:00:00Z");
        let master = master(start, start, &[&format!("RRULE:FREQ=DAILY;UNTIL={until}")]);
        assert_eq!(expand(&master, &june()).len(), count, "{until}");
    }
}

#[test]
fn until_in_the_hour_that_comes_twice_is_an_instant() {
    // 02:10 for the second time is after 02:30 for the first time.
    let start = time_in(zone("Europe/Berlin"), "2026-10-24T00:30:00Z");
    let lines = ["RRULE:FREQ=DAILY;UNTIL=20261025T011000Z"];
    let master = master(start, start, &lines);
    let found = expand(&master, &window("2026-10-01", "2026-11-01"));
    assert_eq!(found, ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"]);
}

#[test]
fn all_day_event_is_a_date_in_every_zone() {
    // The zone of the calendar changes nothing, nor does DST.
    let lines = ["RRULE:FREQ=WEEKLY;UNTIL=20260405", "EXDATE;VALUE=DATE:20260322"];
    let master = master(time("2026-03-15"), time("2026-03-17"), &lines);
    for zone in [None, Some(zone("Pacific/Kiritimati")), Some(zone("Pacific/Pago_Pago"))] {
        let series = Series { calendar_zone: zone, ..series_of(&master) };
        let found = expand_series(&series, &window("2026-03-01", "2026-05-01")).unwrap();
        assert_eq!(starts(&found), ["2026-03-15", "2026-03-29", "2026-04-05"]);
        assert_eq!(found[1].end, time("2026-03-31"));
    }
}

#[test]
fn an_all_day_series_takes_the_written_date_of_a_time() {
    // As some clients write them: the date counts, whatever instant it would be.
    let lines = [
        "RRULE:FREQ=DAILY;UNTIL=20260604T235959Z",
        "EXDATE;TZID=Europe/Berlin:20260602T000000",
        "RDATE:20260610T000000Z",
    ];
    let master = master(time("2026-06-01"), time("2026-06-02"), &lines);
    assert_eq!(expand(&master, &june()), ["2026-06-01", "2026-06-03", "2026-06-04", "2026-06-10"]);
}

#[test]
fn excluded_and_added_dates_match_by_instant_whatever_zone_they_are_written_in() {
    let master = mondays(&[
        "EXDATE;TZID=Asia/Tokyo:20260608T160000",
        "EXDATE:20260615T070000Z",
        "EXDATE;VALUE=DATE:20260622",
        "RDATE;TZID=America/New_York:20260603T030000,20260601T030000",
        "RDATE:20260604T090000",
    ]);
    assert_eq!(
        expand(&master, &june()),
        ["2026-06-01T07:00:00Z", "2026-06-03T07:00:00Z", "2026-06-04T07:00:00Z", "2026-06-29T07:00:00Z"]
    );
}

#[test]
fn added_dates_need_no_rule_and_the_start_is_the_first_of_them() {
    let lines = ["RDATE:20260610T070000Z,20260605T070000Z,20260605T070000Z"];
    let start = time("2026-06-02T07:00:00Z");
    let master = master(start, time("2026-06-02T07:30:00Z"), &lines);
    assert_eq!(expand(&master, &june()), ["2026-06-02T07:00:00Z", "2026-06-05T07:00:00Z", "2026-06-10T07:00:00Z"]);
}

#[test]
fn an_added_period_has_its_own_length() {
    let master = mondays(&["RDATE;VALUE=PERIOD:20260602T070000Z/PT3H,20260603T070000Z/20260603T071500Z"]);
    let found = expand_series(&series_of(&master), &window("2026-06-02", "2026-06-04")).unwrap();
    let ends: Vec<_> = found.iter().map(|one| text(&one.end)).collect();
    assert_eq!(ends, ["2026-06-02T10:00:00Z", "2026-06-03T07:15:00Z"]);
}

#[test]
fn several_rules_add_up_and_an_excluding_rule_takes_away() {
    let master = mondays(&["RRULE:FREQ=WEEKLY;BYDAY=MO,FR;COUNT=4", "EXRULE:FREQ=MONTHLY;BYMONTHDAY=8"]);
    assert_eq!(
        expand(&master, &june()),
        [
            "2026-06-01T07:00:00Z",
            "2026-06-05T07:00:00Z",
            "2026-06-12T07:00:00Z",
            "2026-06-15T07:00:00Z",
            "2026-06-22T07:00:00Z",
            "2026-06-29T07:00:00Z"
        ]
    );
}

#[test]
fn count_counts_excluded_dates_too() {
    let start = time("2026-06-01T07:00:00Z");
    let lines = ["RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20260602T070000Z"];
    let master = master(start, start, &lines);
    assert_eq!(expand(&master, &june()), ["2026-06-01T07:00:00Z", "2026-06-03T07:00:00Z"]);
}

#[test]
fn an_occurrence_that_began_before_the_window_is_inside_while_it_lasts() {
    // Ten days, every month, begun on 25 May.
    let lines = ["RRULE:FREQ=MONTHLY"];
    let master = master(time("2020-01-25"), time("2020-02-04"), &lines);
    assert_eq!(expand(&master, &window("2026-06-03", "2026-06-04")), ["2026-05-25"]);
    assert_eq!(expand(&master, &window("2026-06-04", "2026-06-05")), [""; 0]);
}

#[test]
fn a_single_event_is_its_own_occurrence() {
    let inside = event("one", time("2026-06-05"), time("2026-06-06"));
    let found = single_occurrence(&inside, &june()).unwrap();
    assert_eq!((found.source_id.as_str(), found.series_id), ("one", None));
    assert_eq!(found.original_start, inside.start);
    let outside = event("two", time("2026-05-31"), time("2026-06-01"));
    assert_eq!(single_occurrence(&outside, &june()), None);
}

#[test]
fn an_exception_without_its_master_is_an_occurrence_of_that_series() {
    let guest =
        exception("guest", time("2026-06-05T07:00:00Z"), time("2026-06-06T07:00:00Z"), time("2026-06-06T08:00:00Z"));
    let found = single_occurrence(&guest, &june()).unwrap();
    assert_eq!(found.series_id, Some(ProviderEventId::new("master")));
    assert_eq!(text(&found.original_start), "2026-06-05T07:00:00Z");
    assert_eq!(text(&found.start), "2026-06-06T07:00:00Z");
}

#[test]
fn a_master_that_cannot_be_read_says_why() {
    let cases = [
        (
            time("2026-06-01"),
            time("2026-06-01T07:00:00Z"),
            "RRULE:FREQ=DAILY",
            "one of start and end is a date, the other is not",
        ),
        (time("2026-06-02"), time("2026-06-01"), "RRULE:FREQ=DAILY", "it ends before it starts"),
        (
            time("2026-06-01T07:00:00Z"),
            time("2026-06-01T07:00:00Z"),
            "RDATE;VALUE=DATE:20260605",
            "RDATE has a date where the series has times",
        ),
        (
            time("2026-06-01T07:00:00Z"),
            time("2026-06-01T07:00:00Z"),
            "RDATE:20260605T070000Z/20260604T070000Z",
            "a period ends before it starts",
        ),
        (time("2026-06-01"), time("2026-06-02"), "RRULE:FREQ=DAILY;X-EVERY=2", "the rule has an unknown part"),
    ];
    for (start, end, line, expected) in cases {
        let error = expand_series(&series_of(&master(start, end, &[line])), &june()).unwrap_err();
        assert_eq!(error, ExpandError::Unreadable { reason: expected.into() }, "{line}");
    }
}

#[test]
fn more_occurrences_than_the_limit_are_refused() {
    let start = time("2026-06-01T00:00:00Z");
    let master = master(start, start, &["RRULE:FREQ=MINUTELY"]);
    let minutes = |count: usize| Window {
        start: "2026-06-01T00:00:00Z".parse().unwrap(),
        end: "2026-06-01T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap()
            + chrono::TimeDelta::minutes(i64::try_from(count).unwrap()),
    };
    let most = expand_series(&series_of(&master), &minutes(OCCURRENCES_PER_SERIES_MAX)).unwrap();
    assert_eq!(most.len(), OCCURRENCES_PER_SERIES_MAX);
    let error = expand_series(&series_of(&master), &minutes(OCCURRENCES_PER_SERIES_MAX + 1));
    assert_eq!(
        error.unwrap_err(),
        ExpandError::TooMany { what: "occurrences in the window", limit: OCCURRENCES_PER_SERIES_MAX }
    );
}
