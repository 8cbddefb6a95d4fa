//! `recurrence` of an event: its pattern, its range, and the days on which they fall. The rules are Exchange's: a day that a
//! month does not have is its last one, and an index over several days of the week counts all of them together.

use chrono::{Datelike as _, Days, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::errors::ApiError;

/// Weeks, months or years that one expansion looks at, so that no rule can hang the simulator.
const PERIODS_MAX: u32 = 60_000;
const INTERVAL_MAX: u64 = 999;
const OCCURRENCES_MAX: u64 = 999;
/// Days of the week in the order in which Graph lists them.
const DAYS: [(Weekday, &str); 7] = [
    (Weekday::Sun, "sunday"),
    (Weekday::Mon, "monday"),
    (Weekday::Tue, "tuesday"),
    (Weekday::Wed, "wednesday"),
    (Weekday::Thu, "thursday"),
    (Weekday::Fri, "friday"),
    (Weekday::Sat, "saturday"),
];

/// How a series goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recurrence {
    pub(crate) pattern: Pattern,
    pub(crate) range: Range,
}

/// Which days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pattern {
    pub(crate) kind: PatternKind,
    /// Every so many days, weeks, months or years.
    pub(crate) interval: u32,
    pub(crate) days: Vec<Weekday>,
    pub(crate) first_day_of_week: Weekday,
    pub(crate) day_of_month: u32,
    pub(crate) month: u32,
    pub(crate) index: WeekIndex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PatternKind {
    Daily,
    Weekly,
    AbsoluteMonthly,
    RelativeMonthly,
    AbsoluteYearly,
    RelativeYearly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum WeekIndex {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

/// From when to when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) start: NaiveDate,
    pub(crate) end: RangeEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RangeEnd {
    Never,
    /// The last day that may have an occurrence.
    On(NaiveDate),
    After(u32),
}

impl Recurrence {
    /// Reads `recurrence` of a body, for an event that begins on `start`.
    pub(crate) fn parse(value: &Value, start: NaiveDate) -> Result<Self, ApiError> {
        let pattern = value.get("pattern").ok_or_else(|| refused("The recurrence has no pattern."))?;
        let range = value.get("range").ok_or_else(|| refused("The recurrence has no range."))?;
        let recurrence = Self { pattern: Pattern::parse(pattern, start)?, range: Range::parse(range, start)? };
        if recurrence.dates().next().is_none() {
            return Err(refused("The recurrence pattern has no occurrences."));
        }
        Ok(recurrence)
    }

    /// The days of the series, first to last.
    pub(crate) fn dates(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        let (last, count) = match self.range.end {
            RangeEnd::Never => (NaiveDate::MAX, usize::MAX),
            RangeEnd::On(day) => (day, usize::MAX),
            RangeEnd::After(count) => (NaiveDate::MAX, usize::try_from(count).unwrap_or(usize::MAX)),
        };
        (0..PERIODS_MAX)
            .map_while(|period| self.pattern.in_period(self.range.start, period))
            .flatten()
            .skip_while(|day| *day < self.range.start)
            .take_while(move |day| *day <= last)
            .take(count)
    }

    pub(crate) fn has(&self, day: NaiveDate) -> bool {
        self.dates().take_while(|date| *date <= day).any(|date| date == day)
    }

    /// On the wire, with every field that Graph always writes.
    pub(crate) fn to_value(&self, zone_name: &str) -> Value {
        let pattern = &self.pattern;
        let (end_date, count, kind) = match self.range.end {
            RangeEnd::Never => ("0001-01-01".to_owned(), 0, "noEnd"),
            RangeEnd::On(day) => (day.to_string(), 0, "endDate"),
            RangeEnd::After(count) => ("0001-01-01".to_owned(), count, "numbered"),
        };
        let mut written = json!({
            "type": pattern.kind,
            "interval": pattern.interval,
            "month": pattern.month,
            "dayOfMonth": pattern.day_of_month,
            "firstDayOfWeek": day_name(pattern.first_day_of_week),
            "index": pattern.index,
        });
        if let (false, Some(fields)) = (pattern.days.is_empty(), written.as_object_mut()) {
            let days: Vec<&str> = pattern.days.iter().map(|day| day_name(*day)).collect();
            fields.insert("daysOfWeek".to_owned(), json!(days));
        }
        json!({
            "pattern": written,
            "range": {
                "type": kind,
                "startDate": self.range.start.to_string(),
                "endDate": end_date,
                "recurrenceTimeZone": zone_name,
                "numberOfOccurrences": count,
            },
        })
    }
}

impl Pattern {
    fn parse(value: &Value, start: NaiveDate) -> Result<Self, ApiError> {
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        let kind = value.get("type").cloned().map(serde_json::from_value::<PatternKind>);
        let kind = kind.and_then(Result::ok).ok_or_else(|| refused("The recurrence pattern type is unknown."))?;
        let interval = number("interval").filter(|interval| (1..=INTERVAL_MAX).contains(interval));
        let interval = interval.ok_or_else(|| refused("The interval of the recurrence is out of range."))?;
        let mut days = Vec::new();
        for name in value.get("daysOfWeek").and_then(Value::as_array).into_iter().flatten() {
            let day = name.as_str().and_then(day_named).ok_or_else(|| refused("A day of the week is unknown."))?;
            if !days.contains(&day) {
                days.push(day);
            }
        }
        let first_day_of_week = match value.get("firstDayOfWeek").and_then(Value::as_str) {
            None => Weekday::Sun,
            Some(name) => day_named(name).ok_or_else(|| refused("The first day of the week is unknown."))?,
        };
        let index = match value.get("index") {
            None | Some(Value::Null) => WeekIndex::First,
            Some(name) => {
                serde_json::from_value(name.clone()).map_err(|_| refused("The index of the recurrence is unknown."))?
            }
        };
        let small = |name: &str, max: u64| {
            let found = number(name).filter(|number| (1..=max).contains(number));
            found
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(|| refused(format!("The property {name} of the recurrence is missing or out of range.")))
        };
        let needs_days =
            matches!(kind, PatternKind::Weekly | PatternKind::RelativeMonthly | PatternKind::RelativeYearly);
        if needs_days && days.is_empty() {
            return Err(refused("The recurrence needs daysOfWeek."));
        }
        let is_absolute = matches!(kind, PatternKind::AbsoluteMonthly | PatternKind::AbsoluteYearly);
        let is_yearly = matches!(kind, PatternKind::AbsoluteYearly | PatternKind::RelativeYearly);
        let day_of_month = if is_absolute { small("dayOfMonth", 31)? } else { 0 };
        // A yearly one without a month is that of its start.
        let month = match (is_yearly, number("month")) {
            (false, _) => 0,
            (true, None | Some(0)) => start.month(),
            (true, Some(_)) => small("month", 12)?,
        };
        Ok(Self {
            kind,
            interval: u32::try_from(interval).unwrap_or(1),
            days: if needs_days { days } else { Vec::new() },
            first_day_of_week,
            day_of_month,
            month,
            index,
        })
    }

    /// The days of the n-th week, month or year of a series that begins on `start`, in their order; nothing where dates end.
    fn in_period(&self, start: NaiveDate, period: u32) -> Option<Vec<NaiveDate>> {
        let steps = period.checked_mul(self.interval)?;
        match self.kind {
            PatternKind::Daily => Some(vec![start.checked_add_days(Days::new(u64::from(steps)))?]),
            PatternKind::Weekly => {
                let into_week = start.weekday().days_since(self.first_day_of_week);
                let first = start.checked_sub_days(Days::new(u64::from(into_week)))?;
                let first = first.checked_add_days(Days::new(u64::from(steps) * 7))?;
                Some(first.iter_days().take(7).filter(|day| self.days.contains(&day.weekday())).collect())
            }
            PatternKind::AbsoluteMonthly | PatternKind::RelativeMonthly => {
                let months = start.month0().checked_add(steps)?;
                let year = start.year().checked_add(i32::try_from(months / 12).ok()?)?;
                self.in_month(year, months % 12 + 1)
            }
            PatternKind::AbsoluteYearly | PatternKind::RelativeYearly => {
                let year = start.year().checked_add(i32::try_from(steps).ok()?)?;
                self.in_month(year, self.month)
            }
        }
    }

    fn in_month(&self, year: i32, month: u32) -> Option<Vec<NaiveDate>> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let days: Vec<NaiveDate> = first.iter_days().take_while(|day| day.month() == month).collect();
        let last = days.last().copied()?;
        if matches!(self.kind, PatternKind::AbsoluteMonthly | PatternKind::AbsoluteYearly) {
            // A month without that day has its occurrence on the last one.
            return Some(vec![first.with_day(self.day_of_month).unwrap_or(last)]);
        }
        let mut fitting = days.into_iter().filter(|day| self.days.contains(&day.weekday()));
        let found = match self.index {
            WeekIndex::First => fitting.next(),
            WeekIndex::Second => fitting.nth(1),
            WeekIndex::Third => fitting.nth(2),
            WeekIndex::Fourth => fitting.nth(3),
            WeekIndex::Last => fitting.next_back(),
        };
        Some(found.into_iter().collect())
    }
}

impl Range {
    fn parse(value: &Value, start: NaiveDate) -> Result<Self, ApiError> {
        let date = |name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.map(|text| text.parse::<NaiveDate>().map_err(|_| refused(format!("{name} is not a date."))))
                .transpose()
        };
        let start = date("startDate")?.unwrap_or(start);
        let end = match value.get("type").and_then(Value::as_str) {
            Some("noEnd") => RangeEnd::Never,
            Some("endDate") => {
                let last = date("endDate")?.ok_or_else(|| refused("The recurrence needs endDate."))?;
                if last < start {
                    return Err(refused("The recurrence ends before it begins."));
                }
                RangeEnd::On(last)
            }
            Some("numbered") => {
                let count = value.get("numberOfOccurrences").and_then(Value::as_u64);
                let count = count.filter(|count| (1..=OCCURRENCES_MAX).contains(count));
                let count = count.and_then(|count| u32::try_from(count).ok());
                RangeEnd::After(count.ok_or_else(|| refused("The number of occurrences is out of range."))?)
            }
            _ => return Err(refused("The recurrence range type is unknown.")),
        };
        Ok(Self { start, end })
    }
}

pub(crate) fn day_name(day: Weekday) -> &'static str {
    DAYS.iter().find(|(known, _)| *known == day).map_or("sunday", |(_, name)| *name)
}

fn day_named(name: &str) -> Option<Weekday> {
    DAYS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(day, _)| *day)
}

fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "ErrorPropertyValidationFailure", message)
}
