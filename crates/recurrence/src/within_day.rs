//! `MINUTELY` and `SECONDLY` rules that are limited to hours, minutes or seconds, as `DAILY` rules with those times.
//!
//! Why: `calcard` loses the interval's phase while it looks for the next allowed hour of such a rule, and misses days.
//! A daily rule says the same, without the interval: its times are filtered by it afterwards.

use calcard::icalendar::{ICalendarFrequency, ICalendarRecurrenceRule};
use chrono::{NaiveDateTime, Timelike};

/// A daily rule that makes all the times of another rule, and others between them.
pub(crate) struct DailyTimes {
    pub(crate) rule: ICalendarRecurrenceRule,
    interval_seconds: i64,
    first: NaiveDateTime,
    count: Option<u32>,
}

impl DailyTimes {
    /// `None` for a rule that `calcard` computes rightly as it is.
    pub(crate) fn of(rule: &ICalendarRecurrenceRule, first: NaiveDateTime) -> Option<Self> {
        let is_secondly = rule.freq == ICalendarFrequency::Secondly;
        let is_minutely = rule.freq == ICalendarFrequency::Minutely;
        let is_limited = !rule.byhour.is_empty()
            || !rule.byminute.is_empty()
            || (is_secondly && !rule.bysecond.is_empty());
        if !is_limited || !(is_secondly || is_minutely) || !rule.bysetpos.is_empty() {
            return None;
        }
        let interval = u32::from(rule.interval.unwrap_or(1));
        let (minutes, seconds) = if is_secondly {
            (all_to(60), met_by(interval, first.second()))
        } else {
            (met_by(interval, first.minute()), vec![small(first.second())])
        };
        let or = |given: &Vec<u8>, default: Vec<u8>| {
            if given.is_empty() { default } else { given.clone() }
        };
        Some(Self {
            rule: ICalendarRecurrenceRule {
                freq: ICalendarFrequency::Daily,
                interval: None,
                count: None,
                byhour: or(&rule.byhour, all_to(24)),
                byminute: or(&rule.byminute, minutes),
                bysecond: or(&rule.bysecond, seconds),
                ..rule.clone()
            },
            interval_seconds: i64::from(interval) * if is_secondly { 1 } else { 60 },
            first,
            count: rule.count,
        })
    }

    /// Takes out the times between. The rule's interval counts whole minutes or seconds from the first time on.
    pub(crate) fn filter(&self, starts: &mut Vec<NaiveDateTime>) {
        let unit_start = if self.interval_seconds % 60 == 0 && self.rule.bysecond.len() > 1 {
            self.first.with_second(0).unwrap_or(self.first)
        } else {
            self.first
        };
        let _ = unit_start;
        starts.retain(|start| (*start - self.first).num_seconds() % self.interval_seconds == 0);
        if let Some(count) = self.count {
            starts.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        }
    }
}
