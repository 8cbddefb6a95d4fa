//! Series by hand.

use super::*;

const BERLIN: Zone = Zone::BERLIN;

fn series(start: &Value, end: &Value, recurrence: &[&str]) -> Series {
    let master = json!({"id": "m", "start": start, "end": end, "recurrence": recurrence});
    Series::parse(master.as_object().unwrap(), BERLIN).unwrap()
}

fn timed(recurrence: &[&str]) -> Series {
    series(
        &json!({"dateTime": "2026-03-23T09:00:00", "timeZone": "Europe/Berlin"}),
        &json!({"dateTime": "2026-03-23T10:00:00", "timeZone": "Europe/Berlin"}),
        recurrence,
    )
}

fn suffixes(series: &Series) -> Vec<String> {
    series.local_starts(None).into_iter().map(|local| series.occurrence(local).start.instance_suffix()).collect()
}

#[test]
fn a_weekly_series_keeps_its_local_hour_over_the_change_to_summer_time() {
    let weekly = timed(&["RRULE:FREQ=WEEKLY;COUNT=2"]);
    assert_eq!(suffixes(&weekly), ["20260323T080000Z", "20260330T070000Z"]);
}

#[test]
fn until_in_utc_includes_the_occurrence_at_that_instant() {
    let daily = timed(&["RRULE:FREQ=DAILY;UNTIL=20260325T080000Z"]);
    assert_eq!(suffixes(&daily).len(), 3);
}

#[test]
fn dates_are_added_and_excluded_in_any_zone() {
    let daily =
        timed(&["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=America/New_York:20260324T040000", "RDATE:20260401T100000Z"]);
    assert_eq!(suffixes(&daily), ["20260323T080000Z", "20260325T080000Z", "20260401T100000Z"]);
}

#[test]
fn an_excluding_rule_takes_occurrences_away() {
    let daily = timed(&["RRULE:FREQ=DAILY;COUNT=4", "EXRULE:FREQ=DAILY;INTERVAL=2"]);
    assert_eq!(suffixes(&daily), ["20260324T080000Z", "20260326T080000Z"]);
}

#[test]
fn an_all_day_series_has_dates() {
    let yearly =
        series(&json!({"date": "2026-02-01"}), &json!({"date": "2026-02-03"}), &["RRULE:FREQ=MONTHLY;UNTIL=20260401"]);
    assert_eq!(suffixes(&yearly), ["20260201", "20260301", "20260401"]);
    let second = yearly.find("20260301").unwrap();
    assert_eq!(second.end.to_value(BERLIN), json!({"date": "2026-03-03"}));
    assert_eq!(yearly.find("20260302"), None);
}

#[test]
fn a_start_that_its_rule_does_not_make_is_an_occurrence_that_count_does_not_count() {
    // A Monday.
    assert_eq!(
        suffixes(&timed(&["RRULE:FREQ=WEEKLY;BYDAY=TU,TH;COUNT=3"])),
        ["20260323T080000Z", "20260324T080000Z", "20260326T080000Z", "20260331T070000Z"]
    );
    let excluded = timed(&["RRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=1", "EXDATE:20260323T080000Z"]);
    assert_eq!(suffixes(&excluded), ["20260324T080000Z"]);
    assert_eq!(suffixes(&timed(&["RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20260322T000000Z"])), [""; 0]);
}

#[test]
fn a_date_alone_ends_a_timed_series_after_that_day_and_excludes_nothing_from_it() {
    let daily = timed(&["RRULE:FREQ=DAILY;UNTIL=20260325", "EXDATE;VALUE=DATE:20260324"]);
    assert_eq!(suffixes(&daily), ["20260323T080000Z", "20260324T080000Z", "20260325T080000Z"]);
}

#[test]
fn an_occurrence_lasts_as_long_as_the_first_one_and_its_end_keeps_its_own_zone() {
    let night = series(
        &json!({"dateTime": "2026-03-27T23:30:00", "timeZone": "Europe/Berlin"}),
        &json!({"dateTime": "2026-03-28T03:30:00", "timeZone": "Europe/London"}),
        &["RRULE:FREQ=DAILY"],
    );
    // Five hours, also in the night in which the clocks go forward.
    let second = night.occurrence("2026-03-28T23:30:00".parse().unwrap());
    let end = json!({"dateTime": "2026-03-29T05:30:00+02:00", "timeZone": "Europe/London"});
    assert_eq!(second.end.to_value(BERLIN), end);
}

#[test]
fn a_start_in_the_second_of_two_hours_stays_there() {
    let twice = series(
        &json!({"dateTime": "2026-10-25T02:30:00+01:00", "timeZone": "Europe/Berlin"}),
        &json!({"dateTime": "2026-10-25T02:45:00+01:00", "timeZone": "Europe/Berlin"}),
        &["RRULE:FREQ=DAILY;COUNT=2"],
    );
    assert_eq!(suffixes(&twice), ["20261025T013000Z", "20261026T013000Z"]);
}

#[test]
fn an_hour_that_does_not_exist_is_the_next_one_and_comes_once() {
    let hourly = series(
        &json!({"dateTime": "2026-03-29T01:00:00", "timeZone": "Europe/Berlin"}),
        &json!({"dateTime": "2026-03-29T01:15:00", "timeZone": "Europe/Berlin"}),
        &["RRULE:FREQ=HOURLY;COUNT=4"],
    );
    assert_eq!(suffixes(&hourly), ["20260329T000000Z", "20260329T010000Z", "20260329T020000Z"]);
}

#[test]
fn a_rule_that_is_not_legal_is_refused() {
    for rule in ["INTERVAL=2", "FREQ=DAILY;COUNT=0", "FREQ=DAILY;UNTIL=soon"] {
        let master = json!({
            "start": {"date": "2026-02-01"}, "end": {"date": "2026-02-02"},
            "recurrence": [format!("RRULE:{rule}")],
        });
        assert!(Series::parse(master.as_object().unwrap(), BERLIN).is_err(), "{rule}");
    }
}

#[test]
fn a_far_occurrence_of_an_endless_series_is_found() {
    let daily = timed(&["RRULE:FREQ=DAILY"]);
    assert!(daily.is_endless());
    assert!(daily.find("20360323T080000Z").is_some());
}
