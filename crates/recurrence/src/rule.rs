//! Reads the value of an `RRULE` or `EXRULE` line (RFC 5545 §3.3.10) strictly.
//!
//! Why not with `calcard`'s own reader: it skips parts that it does not know and wraps numbers that are too large
//! (`BYMONTHDAY=257` is day 1, `COUNT=0` is no limit), so that a wrong rule becomes a wrong series instead of an error.
//! Not for: computing anything (`rule_starts`).

use std::str::FromStr;

use crate::{ExpandError, stamp::Stamp};
use calcard::icalendar::{ICalendarDay, ICalendarFrequency, ICalendarMonth, ICalendarRecurrenceRule, ICalendarWeekday};

/// Largest `INTERVAL`, in units of `FREQ`; more than any calendar can mean, and what `calcard` can hold.
pub const INTERVAL_MAX: u16 = 32_767;

/// A rule without its `UNTIL`, which cannot be parsed without the zone of the series.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// What `calcard` computes; its `until` is empty.
    pub(crate) recurrence: ICalendarRecurrenceRule,
    /// The last time that it may make, itself included.
    pub(crate) until: Option<Stamp>,
}

impl Rule {
    pub(crate) fn read(value: &str) -> Result<Self, ExpandError> {
        let mut rule = Self { recurrence: ICalendarRecurrenceRule::default(), until: None };
        let mut seen: Vec<Part> = Vec::new();
        // Some clients end a rule with a semicolon.
        for part in value.strip_suffix(';').unwrap_or(value).split(';') {
            let (name, value) =
                part.split_once('=').ok_or_else(|| ExpandError::unreadable("a part of the rule has no value"))?;
            let part = Part::named(name)?;
            if seen.contains(&part) {
                return Err(part.wrong("is there twice"));
            }
            seen.push(part);
            rule.set(part, value)?;
        }
        if !seen.contains(&Part::Freq) {
            return Err(ExpandError::unreadable("the rule has no FREQ"));
        }
        rule.check_combination()?;
        rule.number_mixed_weekdays();
        Ok(rule)
    }

    /// `BYDAY=MO,1TU` means every Monday too, but `calcard` wants a day to be both, plain and numbered.
    fn number_mixed_weekdays(&mut self) {
        let rule = &mut self.recurrence;
        let is_mixed =
            rule.byday.iter().any(|day| day.ordwk.is_some()) && rule.byday.iter().any(|day| day.ordwk.is_none());
        if !is_mixed {
            return;
        }
        let last = if rule.freq == ICalendarFrequency::Monthly || !rule.bymonth.is_empty() { 5 } else { 53 };
        rule.byday = rule
            .byday
            .iter()
            .flat_map(|day| {
                let numbers = day.ordwk.map_or(1..=last, |number| number..=number);
                numbers.map(|number| ICalendarDay { ordwk: Some(number), weekday: day.weekday })
            })
            .collect();
    }

    fn set(&mut self, part: Part, value: &str) -> Result<(), ExpandError> {
        let rule = &mut self.recurrence;
        match part {
            Part::Freq => rule.freq = frequency(value).ok_or_else(|| part.wrong("is unknown"))?,
            Part::Until => {
                let until = Stamp::read(value);
                self.until = Some(until.ok_or_else(|| part.wrong("is no date or time"))?);
            }
            Part::Count => rule.count = Some(number(part, value, 1, u32::MAX)?),
            Part::Interval => rule.interval = Some(number(part, value, 1, INTERVAL_MAX)?),
            Part::BySecond => rule.bysecond = list(value, |text| number(part, text, 0, 59))?,
            Part::ByMinute => rule.byminute = list(value, |text| number(part, text, 0, 59))?,
            Part::ByHour => rule.byhour = list(value, |text| number(part, text, 0, 23))?,
            Part::ByDay => rule.byday = list(value, day)?,
            Part::ByMonthDay => rule.bymonthday = list(value, |text| ordinal(part, text, 31))?,
            Part::ByYearDay => rule.byyearday = list(value, |text| ordinal(part, text, 366))?,
            Part::ByWeekNo => rule.byweekno = list(value, |text| ordinal(part, text, 53))?,
            Part::ByMonth => {
                rule.bymonth =
                    list(value, |text| number(part, text, 1, 12).map(|month| ICalendarMonth::new(month, false)))?;
            }
            Part::BySetPos => rule.bysetpos = list(value, |text| ordinal(part, text, 366))?,
            Part::Wkst => {
                rule.wkst = Some(weekday(value).ok_or_else(|| part.wrong("is no weekday"))?);
            }
            // RFC 7529: these two say what a rule without them means.
            Part::Rscale if value.eq_ignore_ascii_case("GREGORIAN") => {}
            Part::Skip if value.eq_ignore_ascii_case("OMIT") => {}
            Part::Rscale | Part::Skip => return Err(part.wrong("is not supported")),
        }
        Ok(())
    }

    /// The combinations that RFC 5545 §3.3.10 forbids and that have no agreed meaning, and two that it allows, that
    /// nobody writes and that `calcard` computes wrongly (`within_day`).
    fn check_combination(&self) -> Result<(), ExpandError> {
        use ICalendarFrequency::{Daily, Minutely, Monthly, Secondly, Weekly, Yearly};
        let rule = &self.recurrence;
        let is_limited_within_day = match rule.freq {
            Minutely => !(rule.byhour.is_empty() && rule.byminute.is_empty()),
            Secondly => !(rule.byhour.is_empty() && rule.byminute.is_empty() && rule.bysecond.is_empty()),
            _ => false,
        };
        let misplaced = [
            (!rule.bymonthday.is_empty() && rule.freq == Weekly, Part::ByMonthDay),
            (
                !rule.byyearday.is_empty() && (matches!(rule.freq, Daily | Weekly | Monthly) || is_limited_within_day),
                Part::ByYearDay,
            ),
            (!rule.bysetpos.is_empty() && is_limited_within_day, Part::BySetPos),
            (!rule.byweekno.is_empty() && rule.freq != Yearly, Part::ByWeekNo),
            (
                rule.byday.iter().any(|day| day.ordwk.is_some())
                    && (!matches!(rule.freq, Monthly | Yearly) || !rule.byweekno.is_empty()),
                Part::ByDay,
            ),
        ];
        misplaced
            .iter()
            .find(|(wrong, _)| *wrong)
            .map_or(Ok(()), |(_, part)| Err(part.wrong("does not go with the rest of the rule")))
    }
}

/// The parts of a rule that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Freq,
    Until,
    Count,
    Interval,
    BySecond,
    ByMinute,
    ByHour,
    ByDay,
    ByMonthDay,
    ByYearDay,
    ByWeekNo,
    ByMonth,
    BySetPos,
    Wkst,
    Rscale,
    Skip,
}

impl Part {
    const NAMES: [(&'static str, Self); 16] = [
        ("FREQ", Self::Freq),
        ("UNTIL", Self::Until),
        ("COUNT", Self::Count),
        ("INTERVAL", Self::Interval),
        ("BYSECOND", Self::BySecond),
        ("BYMINUTE", Self::ByMinute),
        ("BYHOUR", Self::ByHour),
        ("BYDAY", Self::ByDay),
        ("BYMONTHDAY", Self::ByMonthDay),
        ("BYYEARDAY", Self::ByYearDay),
        ("BYWEEKNO", Self::ByWeekNo),
        ("BYMONTH", Self::ByMonth),
        ("BYSETPOS", Self::BySetPos),
        ("WKST", Self::Wkst),
        ("RSCALE", Self::Rscale),
        ("SKIP", Self::Skip),
    ];

    fn named(name: &str) -> Result<Self, ExpandError> {
        Self::NAMES
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, part)| part)
            .ok_or_else(|| ExpandError::unreadable("the rule has an unknown part"))
    }

    fn wrong(self, what: &str) -> ExpandError {
        let name = Self::NAMES.into_iter().find(|(_, part)| *part == self).map_or("part", |(name, _)| name);
        ExpandError::unreadable(format!("{name} {what}"))
    }
}

fn list<T>(value: &str, read: impl Fn(&str) -> Result<T, ExpandError>) -> Result<Vec<T>, ExpandError> {
    value.split(',').map(read).collect()
}

fn number<T>(part: Part, text: &str, min: T, max: T) -> Result<T, ExpandError>
where
    T: FromStr + PartialOrd,
{
    text.parse().ok().filter(|number| (min..=max).contains(number)).ok_or_else(|| part.wrong("is out of range"))
}

/// A number from 1 to `max`, or from the end, from -1 to -`max`.
fn ordinal<T>(part: Part, text: &str, max: i16) -> Result<T, ExpandError>
where
    T: TryFrom<i16>,
{
    let number = number(part, text, -max, max)?;
    if number == 0 {
        return Err(part.wrong("is out of range"));
    }
    T::try_from(number).map_err(|_| part.wrong("is out of range"))
}

/// `MO`, `1MO`, `+2TU`, `-1SU`.
fn day(text: &str) -> Result<ICalendarDay, ExpandError> {
    let (position, name) = text
        .len()
        .checked_sub(2)
        .and_then(|middle| text.split_at_checked(middle))
        .ok_or_else(|| Part::ByDay.wrong("has no weekday"))?;
    Ok(ICalendarDay {
        ordwk: match position {
            "" => None,
            position => Some(ordinal(Part::ByDay, position, 53)?),
        },
        weekday: weekday(name).ok_or_else(|| Part::ByDay.wrong("has no weekday"))?,
    })
}

fn weekday(text: &str) -> Option<ICalendarWeekday> {
    use ICalendarWeekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    Some(match text.to_ascii_uppercase().as_str() {
        "MO" => Monday,
        "TU" => Tuesday,
        "WE" => Wednesday,
        "TH" => Thursday,
        "FR" => Friday,
        "SA" => Saturday,
        "SU" => Sunday,
        _ => return None,
    })
}

fn frequency(text: &str) -> Option<ICalendarFrequency> {
    use ICalendarFrequency::{Daily, Hourly, Minutely, Monthly, Secondly, Weekly, Yearly};
    Some(match text.to_ascii_uppercase().as_str() {
        "YEARLY" => Yearly,
        "MONTHLY" => Monthly,
        "WEEKLY" => Weekly,
        "DAILY" => Daily,
        "HOURLY" => Hourly,
        "MINUTELY" => Minutely,
        "SECONDLY" => Secondly,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
