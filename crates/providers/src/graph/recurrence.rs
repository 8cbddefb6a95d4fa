//! How a series repeats, as Microsoft says it and as RFC 5545 does
//! (<https://learn.microsoft.com/graph/api/resources/patternedrecurrence>). For readers: the occurrences themselves are the
//! provider's.

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use evercal_domain::Zone;
use serde::Deserialize;

use super::times;

/// In the place of a rule that is not known (RFC 5545 section 3.8.8.2): that there is one makes the event a master.
pub(super) const UNKNOWN_RULE: &str = "X-RECURRENCE:UNKNOWN";

/// A pattern and how long it goes on.
#[derive(Deserialize)]
pub(super) struct WireRecurrence {
    pattern: WirePattern,
    range: WireRange,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePattern {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    interval: u32,
    #[serde(default)]
    month: u32,
    #[serde(default)]
    day_of_month: u32,
    #[serde(default)]
    days_of_week: Vec<String>,
    first_day_of_week: Option<String>,
    index: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRange {
    #[serde(rename = "type")]
    kind: String,
    end_date: Option<NaiveDate>,
    #[serde(default)]
    number_of_occurrences: u32,
    recurrence_time_zone: Option<String>,
}

impl WireRecurrence {
    /// The zone by whose clock it repeats.
    pub(super) fn zone(&self) -> Option<Zone> {
        times::zone(self.range.recurrence_time_zone.as_deref())
    }

    /// The `RRULE` line; an error says what cannot be written as one.
    pub(super) fn rule(&self, is_all_day: bool, zone: Option<Zone>) -> Result<String, &'static str> {
        let mut parts = self.pattern.parts()?;
        parts.extend(self.range.part(is_all_day, zone)?);
        Ok(format!("RRULE:{}", parts.join(";")))
    }
}

impl WirePattern {
    fn parts(&self) -> Result<Vec<String>, &'static str> {
        let interval = format!("INTERVAL={}", self.interval.max(1));
        let of = |frequency: &str, rest: Vec<String>| {
            let mut parts = vec![format!("FREQ={frequency}")];
            if self.interval > 1 {
                parts.push(interval.clone());
            }
            parts.extend(rest);
            Ok(parts)
        };
        match self.kind.as_str() {
            "daily" => of("DAILY", vec![]),
            // Where weeks begin decides which of them an interval leaves out.
            "weekly" => of("WEEKLY", vec![self.days()?, self.week_start()?]),
            "absoluteMonthly" => of("MONTHLY", days_of_month(self.day_of_month)?),
            "relativeMonthly" => of("MONTHLY", self.days_with_index()?),
            "absoluteYearly" => {
                let rest = days_of_month(self.day_of_month)?;
                of("YEARLY", [vec![self.month()?], rest].concat())
            }
            "relativeYearly" => of("YEARLY", [vec![self.month()?], self.days_with_index()?].concat()),
            _ => Err("it repeats in a way that is not known"),
        }
    }

    fn month(&self) -> Result<String, &'static str> {
        if (1..=12).contains(&self.month) {
            Ok(format!("BYMONTH={}", self.month))
        } else {
            Err("it repeats in a month that does not exist")
        }
    }

    fn days(&self) -> Result<String, &'static str> {
        let days: Option<Vec<&str>> = self.days_of_week.iter().map(|day| weekday(day)).collect();
        match days {
            Some(days) if !days.is_empty() => Ok(format!("BYDAY={}", days.join(","))),
            _ => Err("it repeats on days that do not exist"),
        }
    }

    fn week_start(&self) -> Result<String, &'static str> {
        // Microsoft's own default.
        let first = self.first_day_of_week.as_deref().unwrap_or("sunday");
        weekday(first).map(|day| format!("WKST={day}")).ok_or("its weeks begin on a day that does not exist")
    }

    /// One of the days in a month that are any of these weekdays.
    fn days_with_index(&self) -> Result<Vec<String>, &'static str> {
        let position = match self.index.as_deref().unwrap_or("first") {
            "first" => "1",
            "second" => "2",
            "third" => "3",
            "fourth" => "4",
            "last" => "-1",
            _ => return Err("it repeats on a day of the month that is not known"),
        };
        Ok(vec![self.days()?, format!("BYSETPOS={position}")])
    }
}

impl WireRange {
    fn part(&self, is_all_day: bool, zone: Option<Zone>) -> Result<Option<String>, &'static str> {
        match (self.kind.as_str(), self.end_date) {
            ("noEnd", _) => Ok(None),
            ("numbered", _) if self.number_of_occurrences > 0 => {
                Ok(Some(format!("COUNT={}", self.number_of_occurrences)))
            }
            ("endDate", Some(last)) => until(last, is_all_day, zone).map(Some),
            _ => Err("it does not say in a known way how long it repeats"),
        }
    }
}

/// RFC 5545 section 3.3.10: the end of a series of times is an instant. The last day is one of its zone.
fn until(last: NaiveDate, is_all_day: bool, zone: Option<Zone>) -> Result<String, &'static str> {
    if is_all_day {
        return Ok(format!("UNTIL={}", last.format("%Y%m%d")));
    }
    let beyond = "it repeats until a day that nobody knows";
    let next_day = last.checked_add_days(Days::new(1)).ok_or(beyond)?.and_time(NaiveTime::MIN);
    let end = zone.map_or_else(|| next_day.and_utc(), |zone| zone.instant_of(next_day));
    let end = end.checked_sub_signed(TimeDelta::seconds(1)).ok_or(beyond)?;
    Ok(format!("UNTIL={}", end.format("%Y%m%dT%H%M%SZ")))
}

/// A day that not all months have is the last one of those without it, as Outlook shows it.
fn days_of_month(day: u32) -> Result<Vec<String>, &'static str> {
    match day {
        1..=28 => Ok(vec![format!("BYMONTHDAY={day}")]),
        29..=31 => {
            let days: Vec<String> = (28..=day).map(|day| day.to_string()).collect();
            Ok(vec![format!("BYMONTHDAY={}", days.join(",")), "BYSETPOS=-1".to_owned()])
        }
        _ => Err("it repeats on a day of the month that does not exist"),
    }
}

fn weekday(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "monday" => "MO",
        "tuesday" => "TU",
        "wednesday" => "WE",
        "thursday" => "TH",
        "friday" => "FR",
        "saturday" => "SA",
        "sunday" => "SU",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rule(pattern: Value, range: Value) -> Result<String, &'static str> {
        let wire: WireRecurrence = serde_json::from_value(json!({"pattern": pattern, "range": range})).unwrap();
        wire.rule(false, wire.zone())
    }

    fn endless(pattern: Value) -> Result<String, &'static str> {
        rule(pattern, json!({"type": "noEnd", "startDate": "2026-01-05"}))
    }

    #[test]
    fn each_pattern_is_a_rule() {
        for (pattern, expected) in [
            (json!({"type": "daily", "interval": 1}), "FREQ=DAILY"),
            (json!({"type": "daily", "interval": 3}), "FREQ=DAILY;INTERVAL=3"),
            (
                json!({"type": "weekly", "interval": 2, "daysOfWeek": ["monday", "Wednesday"], "firstDayOfWeek": "monday"}),
                "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;WKST=MO",
            ),
            (json!({"type": "weekly", "interval": 1, "daysOfWeek": ["friday"]}), "FREQ=WEEKLY;BYDAY=FR;WKST=SU"),
            (json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 15}), "FREQ=MONTHLY;BYMONTHDAY=15"),
            (
                json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31}),
                "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
            ),
            (
                json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["thursday"], "index": "last"}),
                "FREQ=MONTHLY;BYDAY=TH;BYSETPOS=-1",
            ),
            (
                json!({"type": "relativeMonthly", "interval": 2, "daysOfWeek": ["saturday", "sunday"], "index": "second"}),
                "FREQ=MONTHLY;INTERVAL=2;BYDAY=SA,SU;BYSETPOS=2",
            ),
            (
                json!({"type": "absoluteYearly", "interval": 1, "month": 2, "dayOfMonth": 29}),
                "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1",
            ),
            (
                json!({"type": "relativeYearly", "interval": 1, "month": 11, "daysOfWeek": ["thursday"], "index": "fourth"}),
                "FREQ=YEARLY;BYMONTH=11;BYDAY=TH;BYSETPOS=4",
            ),
        ] {
            assert_eq!(endless(pattern), Ok(format!("RRULE:{expected}")));
        }
    }

    #[test]
    fn a_range_ends_by_a_number_or_with_a_day_of_its_zone() {
        let daily = json!({"type": "daily", "interval": 1});
        let numbered = json!({"type": "numbered", "numberOfOccurrences": 7});
        assert_eq!(rule(daily.clone(), numbered), Ok("RRULE:FREQ=DAILY;COUNT=7".into()));
        let in_zone = |zone: &str| json!({"type": "endDate", "endDate": "2026-07-01", "recurrenceTimeZone": zone});
        for (zone, until) in [
            ("UTC", "20260701T235959Z"),
            ("W. Europe Standard Time", "20260701T215959Z"),
            ("Pacific Standard Time", "20260702T065959Z"),
            ("tzone://Microsoft/Custom", "20260701T235959Z"),
        ] {
            assert_eq!(rule(daily.clone(), in_zone(zone)), Ok(format!("RRULE:FREQ=DAILY;UNTIL={until}")), "{zone}");
        }
        let wire: WireRecurrence =
            serde_json::from_value(json!({"pattern": daily, "range": in_zone("Pacific Standard Time")})).unwrap();
        assert_eq!(wire.rule(true, wire.zone()), Ok("RRULE:FREQ=DAILY;UNTIL=20260701".into()));
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for odd in [
            json!({"type": "hourly", "interval": 1}),
            json!({"type": "weekly", "interval": 1, "daysOfWeek": []}),
            json!({"type": "weekly", "interval": 1, "daysOfWeek": ["someday"]}),
            json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 32}),
            json!({"type": "absoluteYearly", "interval": 1, "month": 13, "dayOfMonth": 1}),
            json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"], "index": "fifth"}),
        ] {
            assert!(endless(odd.clone()).is_err(), "{odd}");
        }
        let daily = json!({"type": "daily", "interval": 1});
        for odd in [json!({"type": "numbered"}), json!({"type": "endDate"}), json!({"type": "sometimes"})] {
            assert!(rule(daily.clone(), odd.clone()).is_err(), "{odd}");
        }
    }
}
