//! The wall-clock times that a rule makes between two bounds, computed by `calcard` without any zone.
//!
//! Not for: instants, zones, dates that are added or taken out (`series`).

use calcard::{
    common::{PartialDateTime, timezone::Tz},
    icalendar::{
        ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarEntry, ICalendarFrequency, ICalendarMonth,
        ICalendarProperty, ICalendarRecurrenceRule, ICalendarValue,
    },
};
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};

use crate::{
    ExpandError,
    possible::{largest_set, may_occur},
    within_day::DailyTimes,
};

/// Times that one rule may make before the end of the window, counted from its first one where it has a `COUNT`, else
/// from just before the window. Daily for 130 years, hourly for 5; beyond it the series is refused.
pub const STEPS_PER_RULE_MAX: usize = 50_000;

/// What it costs at least to expand a rule, in times.
const STEPS_PER_EXPANSION: usize = 20;

/// How many times may still be made, all series of a reader together.
#[derive(Debug, Clone)]
pub struct Steps {
    left: usize,
    limit: usize,
}

impl Steps {
    /// So many.
    pub fn at_most(steps: usize) -> Self {
        Self { left: steps, limit: steps }
    }

    fn take(&mut self, steps: usize) -> Result<(), ExpandError> {
        let left = self.left.checked_sub(steps);
        self.left = left.unwrap_or(0);
        left.map(drop).ok_or(ExpandError::TooMany { what: "steps for one read", limit: self.limit })
    }
}

/// The times of the rule from about `from` (a few earlier ones may come along) up to and including `until`, sorted.
///
/// `rule.until` is ignored: it is the caller's to fold into `until`.
pub(crate) fn rule_starts(
    rule: &ICalendarRecurrenceRule,
    first: NaiveDateTime,
    from: NaiveDateTime,
    until: NaiveDateTime,
    steps: &mut Steps,
) -> Result<Vec<NaiveDateTime>, ExpandError> {
    steps.take(STEPS_PER_EXPANSION)?;
    // A COUNT has to be counted from the first time on.
    let from = if rule.count.is_some() { first } else { from };
    let from = from.max(first);
    if until < from || !may_occur(rule, from.date(), until.date()) {
        return Ok(Vec::new());
    }
    match DailyTimes::of(rule, first) {
        None => expand(rule, first, from, until, steps),
        Some(daily) => {
            let mut starts = expand(&daily.rule, first, from, until, steps)?;
            daily.filter(&mut starts);
            Ok(starts)
        }
    }
}

fn expand(
    rule: &ICalendarRecurrenceRule,
    first: NaiveDateTime,
    from: NaiveDateTime,
    until: NaiveDateTime,
    steps: &mut Steps,
) -> Result<Vec<NaiveDateTime>, ExpandError> {
    if largest_set(rule) > STEPS_PER_RULE_MAX {
        return Err(ExpandError::TooMany { what: "times in one period of its rule", limit: STEPS_PER_RULE_MAX });
    }
    let (mut rule, first) = brought_forward(rule, first, from);
    let outside = || ExpandError::unreadable("a time is outside of the years 0 to 9999");
    rule.until = Some(partial(until).ok_or_else(outside)?);
    let first = partial(first).ok_or_else(outside)?;

    let calendar = ICalendar {
        components: vec![ICalendarComponent {
            component_type: ICalendarComponentType::VEvent,
            entries: vec![
                entry(ICalendarProperty::Dtstart, ICalendarValue::PartialDateTime(Box::new(first))),
                entry(ICalendarProperty::Rrule, ICalendarValue::RecurrenceRule(Box::new(rule))),
            ],
            component_ids: Vec::new(),
        }],
    };
    let expanded = calendar.expand_dates(Tz::Floating, steps.left.min(STEPS_PER_RULE_MAX) + 1);
    if let Some(error) = expanded.errors.first() {
        return Err(ExpandError::unreadable(error.error.to_string()));
    }
    steps.take(expanded.events.len())?;
    debug_assert!(expanded.events.len() <= STEPS_PER_RULE_MAX + 1, "calcard went on after its limit");
    if expanded.events.len() > STEPS_PER_RULE_MAX {
        return Err(ExpandError::TooMany {
            what: "steps from its first occurrence or the window's start to the window's end",
            limit: STEPS_PER_RULE_MAX,
        });
    }
    let mut starts: Vec<_> = expanded.events.iter().map(|event| event.start.naive_local()).collect();
    starts.sort_unstable();
    Ok(starts)
}

/// The same rule with a later first time, a whole number of intervals on, so that a series of many years reaches the
/// window at once. What the rule takes from its first time (day, month) is written into it before that time changes.
/// Stops a whole interval before `from`, because the first interval may be a part of one.
fn brought_forward(
    rule: &ICalendarRecurrenceRule,
    first: NaiveDateTime,
    from: NaiveDateTime,
) -> (ICalendarRecurrenceRule, NaiveDateTime) {
    let unchanged = || (rule.clone(), first);
    let interval = i64::from(rule.interval.unwrap_or(1).max(1));
    // Units of FREQ that can be left out: whole intervals, the last of them kept.
    let skippable = |units: i64| (units / interval - 1).max(0) * interval;
    let seconds_to_go = (from - first).num_seconds();
    let later = |unit_seconds: i64| {
        TimeDelta::try_seconds(skippable(seconds_to_go / unit_seconds) * unit_seconds)
            .and_then(|skipped| first.checked_add_signed(skipped))
            .map_or_else(unchanged, |first| (rule.clone(), first))
    };
    match rule.freq {
        ICalendarFrequency::Secondly => later(1),
        ICalendarFrequency::Minutely => later(60),
        ICalendarFrequency::Hourly => later(60 * 60),
        ICalendarFrequency::Daily => later(24 * 60 * 60),
        ICalendarFrequency::Weekly => later(7 * 24 * 60 * 60),
        ICalendarFrequency::Monthly | ICalendarFrequency::Yearly => {
            let months_to_go =
                i64::from(from.year() - first.year()) * 12 + i64::from(from.month0()) - i64::from(first.month0());
            let skipped_months = if rule.freq == ICalendarFrequency::Monthly {
                skippable(months_to_go)
            } else {
                // From January on: the year of the first time is a whole one too.
                skippable(i64::from(from.year() - first.year())) * 12 - i64::from(first.month0())
            };
            if skipped_months <= 0 {
                return unchanged();
            }
            first_of_month_after(first, skipped_months)
                .map_or_else(unchanged, |later| (with_days_of(rule, first.date()), later))
        }
    }
}

fn first_of_month_after(time: NaiveDateTime, months: i64) -> Option<NaiveDateTime> {
    let months = Months::new(u32::try_from(months).ok()?);
    time.with_day(1)?.checked_add_months(months)
}

/// RFC 5545 §3.3.10: a yearly or monthly rule without days takes day and month from the first time.
fn with_days_of(rule: &ICalendarRecurrenceRule, first: NaiveDate) -> ICalendarRecurrenceRule {
    let mut rule = rule.clone();
    let has_days =
        !(rule.byday.is_empty() && rule.bymonthday.is_empty() && rule.byyearday.is_empty() && rule.byweekno.is_empty());
    if has_days {
        return rule;
    }
    if rule.freq == ICalendarFrequency::Yearly && rule.bymonth.is_empty() {
        rule.bymonth = u8::try_from(first.month()).map(|month| ICalendarMonth::new(month, false)).into_iter().collect();
    }
    rule.bymonthday = i8::try_from(first.day()).into_iter().collect();
    rule
}

fn entry(name: ICalendarProperty, value: ICalendarValue) -> ICalendarEntry {
    ICalendarEntry { name, params: Vec::new(), values: vec![value] }
}

/// `None` outside of the years 0 to 9999: RFC 5545 has four digits for a year.
fn partial(time: NaiveDateTime) -> Option<PartialDateTime> {
    let two_digits = |number: u32| u8::try_from(number).ok();
    Some(PartialDateTime {
        year: Some(u16::try_from(time.year()).ok().filter(|year| *year <= 9_999)?),
        month: Some(two_digits(time.month())?),
        day: Some(two_digits(time.day())?),
        hour: Some(two_digits(time.hour())?),
        minute: Some(two_digits(time.minute())?),
        second: Some(two_digits(time.second())?),
        ..PartialDateTime::default()
    })
}
