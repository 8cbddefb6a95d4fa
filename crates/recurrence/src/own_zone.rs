//! A zone that a calendar object defines itself (`VTIMEZONE`, RFC 5545 §3.6.5): its changes of offset over some years.
//!
//! Not for: which name means which zone (`zone_names`).

use std::{collections::BTreeMap, ops::RangeInclusive};

use calcard::icalendar::ICalendarFrequency;
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use crate::{
    ExpandError,
    content_line::ContentLine,
    possible::largest_set,
    rule::Rule,
    rule_starts::{Steps, rule_starts},
    stamp::Stamp,
};

/// Changes of offset of one zone within the years that are asked for; real ones change twice a year at most, but for
/// Morocco's Ramadan.
pub(crate) const CHANGES_PER_ZONE_MAX: usize = 4_000;
/// Times a year that one rule may change an offset.
const CHANGES_PER_YEAR_MAX: usize = 31;

/// The changes of a zone, by time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OwnZone {
    before: FixedOffset,
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    utc: NaiveDateTime,
    offset: FixedOffset,
}

/// One `STANDARD` or `DAYLIGHT`; which of them it is makes no difference.
#[derive(Debug, Default)]
struct Observance {
    start: Option<NaiveDateTime>,
    from: Option<FixedOffset>,
    to: Option<FixedOffset>,
    rules: Vec<Rule>,
    dates: Vec<NaiveDateTime>,
}

impl OwnZone {
    /// The `TZID` of a definition.
    pub(crate) fn name_in(definition: &[String]) -> Option<String> {
        let lines = definition.iter().filter_map(|line| ContentLine::read(line).ok());
        lines.filter(|line| line.is("TZID")).map(|line| line.value.to_owned()).next()
    }

    /// Before and after the years it keeps the first and the last offset that it has within them.
    pub(crate) fn read(definition: &[String], years: &RangeInclusive<i32>) -> Result<Self, ExpandError> {
        let mut observance: Option<Observance> = None;
        // By instant, with both offsets: of two changes at once the later one in the text counts.
        let mut changes = BTreeMap::new();
        for line in definition {
            let line = ContentLine::read(line)?;
            if line.is("BEGIN") && !line.value.eq_ignore_ascii_case("VTIMEZONE") {
                observance = Some(Observance::default());
            } else if line.is("END") {
                if let Some(observance) = observance.take() {
                    observance.add_changes(years, &mut changes)?;
                }
            } else if let Some(observance) = &mut observance {
                observance.add(&line)?;
            }
        }
        debug_assert!(changes.len() <= CHANGES_PER_ZONE_MAX, "a part was added without being counted");
        let before = changes.first_key_value().map(|(_, (from, _))| *from);
        Ok(Self {
            before: before.ok_or_else(|| ExpandError::unreadable("a time zone of its own has no offset"))?,
            changes: changes.into_iter().map(|(utc, (_, offset))| Change { utc, offset }).collect(),
        })
    }

    pub(crate) fn offset_at(&self, utc: NaiveDateTime) -> FixedOffset {
        let later = self.changes.partition_point(|change| change.utc <= utc);
        later.checked_sub(1).and_then(|last| self.changes.get(last)).map_or(self.before, |change| change.offset)
    }

    /// A wall-clock time in UTC: with the offset before a gap, and the first of two.
    pub(crate) fn instant_of(&self, local: NaiveDateTime) -> NaiveDateTime {
        let with = |offset| local.checked_sub_offset(offset).unwrap_or(local);
        // No offset is as long as a day, so only changes near it matter.
        let day_before = local.checked_sub_signed(TimeDelta::days(1)).unwrap_or(local);
        let mut offset = self.offset_at(day_before);
        let later = self.changes.partition_point(|change| change.utc <= day_before);
        for change in self.changes.iter().skip(later) {
            if with(offset) < change.utc {
                return with(offset);
            }
            if with(change.offset) < change.utc {
                // The clock jumped over it.
                return with(offset);
            }
            offset = change.offset;
        }
        with(offset)
    }
}

impl Observance {
    fn add(&mut self, line: &ContentLine) -> Result<(), ExpandError> {
        let wrong = || ExpandError::unreadable("a time zone of its own has something that is no time or offset");
        if line.is("DTSTART") {
            self.start = Some(local(line.value).ok_or_else(wrong)?);
        } else if line.is("TZOFFSETFROM") {
            self.from = Some(offset(line.value).ok_or_else(wrong)?);
        } else if line.is("TZOFFSETTO") {
            self.to = Some(offset(line.value).ok_or_else(wrong)?);
        } else if line.is("RRULE") {
            self.rules.push(Rule::read(line.value)?);
        } else if line.is("RDATE") {
            for value in line.value.split(',') {
                self.dates.push(local(value).ok_or_else(wrong)?);
            }
        }
        // Names and comments do not matter.
        Ok(())
    }

    fn add_changes(
        self,
        years: &RangeInclusive<i32>,
        changes: &mut BTreeMap<NaiveDateTime, (FixedOffset, FixedOffset)>,
    ) -> Result<(), ExpandError> {
        let (Some(start), Some(from), Some(to)) = (self.start, self.from, self.to) else {
            return Err(ExpandError::unreadable("a part of a time zone has no start or no offset"));
        };
        let mut locals = self.dates;
        locals.push(start);
        for rule in &self.rules {
            locals.extend(rule_changes(rule, start, from, years)?);
        }
        if changes.len() + locals.len() > CHANGES_PER_ZONE_MAX {
            return Err(ExpandError::TooMany { what: "changes in a time zone", limit: CHANGES_PER_ZONE_MAX });
        }
        changes.extend(locals.into_iter().filter_map(|local| Some((local.checked_sub_offset(from)?, (from, to)))));
        Ok(())
    }
}

/// The wall-clock times at which a rule changes the offset, in the time before each change.
fn rule_changes(
    rule: &Rule,
    start: NaiveDateTime,
    before: FixedOffset,
    years: &RangeInclusive<i32>,
) -> Result<Vec<NaiveDateTime>, ExpandError> {
    if rule.recurrence.freq != ICalendarFrequency::Yearly || largest_set(&rule.recurrence) > CHANGES_PER_YEAR_MAX {
        return Err(ExpandError::unreadable("a time zone changes by a rule that is not yearly"));
    }
    let first_of = |year| NaiveDate::from_ymd_opt(year, 1, 1).map(|date| date.and_time(NaiveTime::MIN));
    // The last year that a rule can be in (RFC 5545 has four digits for it).
    let end = first_of((*years.end()).min(9_998) + 1).unwrap_or(NaiveDateTime::MAX);
    // A rule that has ended counts with its last change, which may hold on; one without end changed the year before.
    let is_endless = rule.until.is_none() && rule.recurrence.count.is_none();
    let interval = i32::from(rule.recurrence.interval.unwrap_or(1));
    let from = if is_endless { first_of(years.start().saturating_sub(interval)) } else { None };
    let until = match rule.until {
        None => end,
        Some(Stamp::Instant(last)) => {
            let last = last.naive_utc();
            last.checked_add_offset(before).unwrap_or(last)
        }
        Some(Stamp::Local(last)) => last,
        Some(Stamp::Date(last)) => last.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::days(1)).unwrap_or(end),
    };
    rule_starts(&rule.recurrence, start, from.unwrap_or(start), until.min(end), &mut Steps::at_most(usize::MAX / 2))
}

fn local(text: &str) -> Option<NaiveDateTime> {
    match Stamp::read(text)? {
        Stamp::Local(local) => Some(local),
        // Some write a zone's start as a date, or mark it as UTC: it is a wall-clock time all the same (§3.6.5).
        Stamp::Date(date) => Some(date.and_time(NaiveTime::MIN)),
        Stamp::Instant(at) => Some(at.naive_utc()),
    }
}

/// `+0130`, `-043056` (RFC 5545 §3.3.14).
fn offset(text: &str) -> Option<FixedOffset> {
    let (is_west, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    // As a time of day: it has to be shorter than a day.
    let digits = if digits.len() == 4 { format!("{digits}00") } else { digits.to_owned() };
    let Some(Stamp::Local(time)) = Stamp::read(&format!("20000101T{digits}")) else { return None };
    let seconds = i32::try_from((time.time() - NaiveTime::MIN).num_seconds()).ok()?;
    FixedOffset::east_opt(if is_west { -seconds } else { seconds })
}

/// The years from one time to another with one more on each side, for which a zone has to be known.
pub(crate) fn years_of(first: NaiveDateTime, last: NaiveDateTime) -> RangeInclusive<i32> {
    first.year().saturating_sub(1)..=last.year().saturating_add(1)
}

#[cfg(test)]
mod tests;
