//! `MINUTELY` and `SECONDLY` rules that are limited to hours, minutes or seconds, as `DAILY` rules with those times.
//!
//! Why: `calcard` loses the interval's phase while it searches for the next allowed hour of such a rule, and misses days.
//! A daily rule says the same, without the interval: its times are filtered by it afterwards.

use calcard::icalendar::{ICalendarFrequency, ICalendarRecurrenceRule};
use chrono::{NaiveDateTime, Timelike};

/// A daily rule that makes all the times of another rule, and others between them.
pub(crate) struct DailyTimes {
    pub(crate) rule: ICalendarRecurrenceRule,
    /// What `FREQ` counts.
    unit_seconds: i64,
    interval: i64,
    first: NaiveDateTime,
    count: Option<u32>,
}

impl DailyTimes {
    /// `None` for a rule that `calcard` computes rightly as it is.
    pub(crate) fn of(rule: &ICalendarRecurrenceRule, first: NaiveDateTime) -> Option<Self> {
        let is_secondly = rule.freq == ICalendarFrequency::Secondly;
        let is_minutely = rule.freq == ICalendarFrequency::Minutely;
        let is_limited =
            !rule.byhour.is_empty() || !rule.byminute.is_empty() || (is_secondly && !rule.bysecond.is_empty());
        if !is_limited || !(is_secondly || is_minutely) {
            return None;
        }
        let interval = rule.interval.unwrap_or(1);
        let first_second = u8::try_from(first.second()).ok()?;
        let (minutes, seconds) = if is_secondly {
            (all_below(60), met_by(interval, first.second()))
        } else {
            (met_by(interval, first.minute()), vec![first_second])
        };
        let or = |given: &[u8], default: Vec<u8>| {
            if given.is_empty() { default } else { given.to_vec() }
        };
        Some(Self {
            rule: ICalendarRecurrenceRule {
                freq: ICalendarFrequency::Daily,
                interval: None,
                count: None,
                byhour: or(&rule.byhour, all_below(24)),
                byminute: or(&rule.byminute, minutes),
                bysecond: or(&rule.bysecond, seconds),
                ..rule.clone()
            },
            unit_seconds: if is_secondly { 1 } else { 60 },
            interval: i64::from(interval),
            first,
            count: rule.count,
        })
    }

    /// Takes out the times between: the interval counts whole minutes or seconds of the clock.
    pub(crate) fn filter(&self, starts: &mut Vec<NaiveDateTime>) {
        let units = |time: &NaiveDateTime| time.and_utc().timestamp().div_euclid(self.unit_seconds);
        let first = units(&self.first);
        starts.retain(|start| (units(start) - first) % self.interval == 0);
        if let Some(count) = self.count {
            starts.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        }
    }
}

fn all_below(end: u8) -> Vec<u8> {
    (0..end).collect()
}

/// The minutes of an hour (or seconds of a minute) that steps of `interval` can meet.
fn met_by(interval: u16, first: u32) -> Vec<u8> {
    let common = (1..=60).rev().find(|step| interval.is_multiple_of(*step) && 60 % step == 0).unwrap_or(1);
    (0..60).filter(|value| u32::from(*value) % u32::from(common) == first % u32::from(common)).collect()
}
