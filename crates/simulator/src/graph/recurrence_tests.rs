//! What each pattern gives, worked out by hand.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::recurrence::Recurrence;
use super::times::EventTime;

fn parse(pattern: &Value, range: &Value) -> Recurrence {
    let start: NaiveDate = range["startDate"].as_str().unwrap().parse().unwrap();
    Recurrence::parse(&json!({"pattern": pattern, "range": range}), start).unwrap()
}

fn days(pattern: &Value, range: &Value) -> Vec<String> {
    parse(pattern, range).dates().take(12).map(|day| day.to_string()).collect()
}

fn numbered(start: &str, count: u32) -> Value {
    json!({"type": "numbered", "startDate": start, "numberOfOccurrences": count})
}

#[test]
fn daily_with_an_interval_counts_days() {
    let pattern = json!({"type": "daily", "interval": 3});
    assert_eq!(days(&pattern, &numbered("2026-11-29", 3)), ["2026-11-29", "2026-12-02", "2026-12-05"]);
}

#[test]
fn an_end_date_is_the_last_day_that_counts() {
    let pattern = json!({"type": "daily", "interval": 2});
    let range = json!({"type": "endDate", "startDate": "2026-11-30", "endDate": "2026-12-04"});
    assert_eq!(days(&pattern, &range), ["2026-11-30", "2026-12-02", "2026-12-04"]);
}

#[test]
fn weeks_begin_where_the_pattern_says() {
    // 29 November 2026 is a Sunday.
    let every_second = |first: &str| json!({"type": "weekly", "interval": 2, "daysOfWeek": ["sunday", "tuesday"], "firstDayOfWeek": first});
    let range = numbered("2026-11-29", 4);
    assert_eq!(days(&every_second("sunday"), &range), ["2026-11-29", "2026-12-01", "2026-12-13", "2026-12-15"]);
    assert_eq!(days(&every_second("monday"), &range), ["2026-11-29", "2026-12-08", "2026-12-13", "2026-12-22"]);
}

#[test]
fn a_series_may_begin_after_its_start_date() {
    let pattern = json!({"type": "weekly", "interval": 1, "daysOfWeek": ["friday"]});
    assert_eq!(days(&pattern, &numbered("2026-11-30", 2)), ["2026-12-04", "2026-12-11"]);
}

#[test]
fn a_day_that_a_month_does_not_have_is_its_last_one() {
    let pattern = json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31});
    let expected = ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"];
    assert_eq!(days(&pattern, &numbered("2027-01-31", 4)), expected);
    let quarterly = json!({"type": "absoluteMonthly", "interval": 3, "dayOfMonth": 15});
    assert_eq!(days(&quarterly, &numbered("2026-11-15", 3)), ["2026-11-15", "2027-02-15", "2027-05-15"]);
}

#[test]
fn an_index_counts_all_days_of_the_week_together() {
    // December 2026 begins on a Tuesday, January 2027 on a Friday.
    let of = |days: Value, index: &str| json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": days, "index": index});
    let range = numbered("2026-12-01", 2);
    assert_eq!(days(&of(json!(["thursday"]), "second"), &range), ["2026-12-10", "2027-01-14"]);
    assert_eq!(days(&of(json!(["friday"]), "last"), &range), ["2026-12-25", "2027-01-29"]);
    assert_eq!(days(&of(json!(["monday", "tuesday"]), "first"), &range), ["2026-12-01", "2027-01-04"]);
    assert_eq!(days(&of(json!(["monday", "tuesday"]), "second"), &range), ["2026-12-07", "2027-01-05"]);
    let weekdays = json!(["monday", "tuesday", "wednesday", "thursday", "friday"]);
    assert_eq!(days(&of(weekdays, "last"), &range), ["2026-12-31", "2027-01-29"]);
}

#[test]
fn yearly_ones_have_a_month() {
    let leap = json!({"type": "absoluteYearly", "interval": 1, "month": 2, "dayOfMonth": 29});
    assert_eq!(days(&leap, &numbered("2027-02-01", 3)), ["2027-02-28", "2028-02-29", "2029-02-28"]);
    let thanksgiving = json!({"type": "relativeYearly", "interval": 1, "month": 11, "daysOfWeek": ["thursday"],
        "index": "fourth"});
    assert_eq!(days(&thanksgiving, &numbered("2026-11-01", 3)), ["2026-11-26", "2027-11-25", "2028-11-23"]);
}

#[test]
fn an_endless_one_goes_on() {
    let pattern = json!({"type": "daily", "interval": 1});
    let range = json!({"type": "noEnd", "startDate": "2026-11-30"});
    assert_eq!(parse(&pattern, &range).dates().nth(365).unwrap().to_string(), "2027-11-30");
    assert!(parse(&pattern, &range).has("2030-01-01".parse().unwrap()));
}

#[test]
fn clocks_stay_where_daylight_saving_begins_and_ends() {
    // In Berlin it begins on 28 March 2027 and ends on 31 October.
    let body = json!({"start": {"dateTime": "2027-03-27T02:30:00", "timeZone": "W. Europe Standard Time"},
        "end": {"dateTime": "2027-03-27T03:30:00", "timeZone": "W. Europe Standard Time"}});
    let time = EventTime::parse(body.as_object().unwrap(), None).unwrap();
    let starts = |day: &str| time.on(day.parse().unwrap()).start_at().to_rfc3339();
    assert_eq!(starts("2027-03-27"), "2027-03-27T01:30:00+00:00");
    // There is no half past two on that day: an hour later.
    assert_eq!(starts("2027-03-28"), "2027-03-28T01:30:00+00:00");
    assert_eq!(starts("2027-03-29"), "2027-03-29T00:30:00+00:00");
    // There are two on that one: the first.
    assert_eq!(starts("2027-10-31"), "2027-10-31T00:30:00+00:00");
    assert_eq!(starts("2027-11-01"), "2027-11-01T01:30:00+00:00");
}

#[test]
fn what_graph_writes_it_reads() {
    let pattern = json!({"type": "relativeYearly", "interval": 2, "month": 5, "daysOfWeek": ["monday", "friday"],
        "index": "last", "firstDayOfWeek": "monday"});
    let recurrence = parse(&pattern, &numbered("2026-05-01", 5));
    let written = recurrence.to_value("UTC");
    assert_eq!(Recurrence::parse(&written, "2026-05-01".parse().unwrap()).unwrap(), recurrence);
    assert_eq!(written["range"]["endDate"], "0001-01-01");
    assert_eq!(written["pattern"]["dayOfMonth"], 0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let range = numbered("2026-11-30", 1);
    let start = "2026-11-30".parse().unwrap();
    for pattern in [
        json!({"type": "hourly", "interval": 1}),
        json!({"type": "daily", "interval": 0}),
        json!({"type": "weekly", "interval": 1}),
        json!({"type": "absoluteMonthly", "interval": 1}),
    ] {
        let refused = Recurrence::parse(&json!({"pattern": pattern, "range": range}), start);
        assert_eq!(refused.unwrap_err().code, "ErrorPropertyValidationFailure", "{pattern}");
    }
}
