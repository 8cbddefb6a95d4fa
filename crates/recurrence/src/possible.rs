//! What is known of a rule without computing it: that it makes nothing between two days (30 February, the third of
//! one), and how large a set it may make.
//!
//! Why: anybody can write a rule into an invitation, and `calcard` ends a search only after 100,000 periods without a
//! time, and keeps all times of a period in memory. What is left to its own end is rare.

use calcard::icalendar::{ICalendarFrequency, ICalendarRecurrenceRule};
use chrono::{Datelike, NaiveDate, Weekday};

/// Days that are searched; a longer time (a COUNT from long ago) counts as possible. 30 February needs one year, 29
/// February on a Monday up to 40.
const DAYS_SEARCHED_MAX: usize = 41 * 366;

/// `false` only where the rule surely makes nothing from the one day to the other, both included.
pub(crate) fn may_occur(rule: &ICalendarRecurrenceRule, from: NaiveDate, until: NaiveDate) -> bool {
    let mut days = from.iter_days().take_while(|day| *day <= until);
    may_have_position(rule)
        && (days.by_ref().take(DAYS_SEARCHED_MAX).any(|day| may_fall_on(rule, day)) || days.next().is_some())
}

/// Whether a set of the rule can be as large as its smallest `BYSETPOS`.
fn may_have_position(rule: &ICalendarRecurrenceRule) -> bool {
    let nearest = rule.bysetpos.iter().map(|position| position.unsigned_abs()).min();
    nearest.is_none_or(|nearest| usize::try_from(nearest).is_ok_and(|nearest| nearest <= largest_set(rule)))
}

/// At least as many times as one period of the rule (a year of a yearly one) can have.
pub(crate) fn largest_set(rule: &ICalendarRecurrenceRule) -> usize {
    let hours = times(rule.freq < ICalendarFrequency::Hourly, &rule.byhour);
    let minutes = times(rule.freq < ICalendarFrequency::Minutely, &rule.byminute);
    let seconds = times(rule.freq < ICalendarFrequency::Secondly, &rule.bysecond);
    [hours, minutes, seconds].into_iter().fold(most_days(rule), usize::saturating_mul)
}

/// At least as many days as one period of the rule can have: the least of what its parts let through.
fn most_days(rule: &ICalendarRecurrenceRule) -> usize {
    let months = match rule.freq {
        ICalendarFrequency::Yearly if rule.bymonth.is_empty() => 12,
        ICalendarFrequency::Yearly => rule.bymonth.len(),
        ICalendarFrequency::Monthly => 1,
        ICalendarFrequency::Weekly => return rule.byday.len().max(1),
        _ => return 1,
    };
    let is_numbered = rule.byday.iter().any(|day| day.ordwk.is_some());
    let weekdays_a_month = if is_numbered { 1 } else { 5 };
    let days_of_weeks = match rule.byweekno.len() {
        0 => 0,
        // The first and the last days of a year may be of a week of its neighbours, with the same number.
        weeks => weeks * 7 + 6,
    };
    [rule.byyearday.len(), days_of_weeks, rule.bymonthday.len() * months, rule.byday.len() * weekdays_a_month * months]
        .into_iter()
        .filter(|days| *days > 0)
        .min()
        // Without any of them it is the day of the first time, in each month that is given.
        .unwrap_or(rule.bymonth.len().max(1))
}

/// How many of these a part of the clock adds to a set; where `FREQ` is not longer than it, it limits instead.
fn times(adds: bool, values: &[u8]) -> usize {
    if adds { values.len().max(1) } else { 1 }
}

/// Every one of these parts, where given, has to be met, whatever `FREQ` is.
fn may_fall_on(rule: &ICalendarRecurrenceRule, day: NaiveDate) -> bool {
    let days_of_year = if day.leap_year() { 366 } else { 365 };
    let month = rule.bymonth.is_empty() || rule.bymonth.iter().any(|month| u32::from(month.month()) == day.month());
    let weekday = rule.byday.is_empty() || rule.byday.iter().any(|given| Weekday::from(given.weekday) == day.weekday());
    let month_day = is_given(&rule.bymonthday, day.day(), u32::from(day.num_days_in_month()));
    let year_day = is_given(&rule.byyearday, day.ordinal(), days_of_year);
    month && weekday && month_day && year_day
}

/// Whether a position in a year or month is among the given ones, counted from the start or (negative) from the end.
fn is_given<T: Copy + Into<i64>>(given: &[T], position: u32, last: u32) -> bool {
    let from_start = i64::from(position);
    let from_end = from_start - i64::from(last) - 1;
    given.is_empty()
        || given.iter().any(|given| {
            let given: i64 = (*given).into();
            given == from_start || given == from_end
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Rule;

    fn may_occur_in_2026_and_2027(rule: &str) -> bool {
        let rule = Rule::read(rule).unwrap().recurrence;
        let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
        may_occur(&rule, day(2026, 1, 1), day(2027, 12, 31))
    }

    #[test]
    fn what_never_comes_is_known() {
        for rule in [
            "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29",
            "FREQ=YEARLY;BYYEARDAY=366,-366",
            "FREQ=MONTHLY;BYMONTH=6;BYMONTHDAY=-31",
            "FREQ=DAILY;BYMONTH=6;BYMONTHDAY=1;BYDAY=SU",
            "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2,-9",
            "FREQ=HOURLY;BYHOUR=1,2,3;BYSETPOS=2",
            "FREQ=MONTHLY;BYSETPOS=2",
            "FREQ=MONTHLY;BYMONTHDAY=1,2;BYDAY=MO;BYSETPOS=-3",
            "FREQ=YEARLY;BYMONTH=1,2;BYDAY=1MO,1TU;BYSETPOS=5",
            "FREQ=YEARLY;BYWEEKNO=10;BYSETPOS=14",
        ] {
            assert!(!may_occur_in_2026_and_2027(rule), "{rule}");
        }
    }

    #[test]
    fn what_comes_once_is_possible() {
        for rule in [
            "FREQ=DAILY",
            "FREQ=DAILY;BYMONTH=12;BYMONTHDAY=-1;BYDAY=FR",
            "FREQ=YEARLY;BYYEARDAY=365",
            "FREQ=YEARLY;BYYEARDAY=-365",
            "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=9,2",
            "FREQ=HOURLY;BYMINUTE=1,2;BYSETPOS=2",
            "FREQ=MONTHLY;BYHOUR=1,2;BYSETPOS=2",
            "FREQ=YEARLY;BYMONTH=1,2;BYSETPOS=2",
            "FREQ=YEARLY;BYDAY=MO;BYSETPOS=53",
        ] {
            assert!(may_occur_in_2026_and_2027(rule), "{rule}");
        }
    }
}
