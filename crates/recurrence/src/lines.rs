//! Reads the recurrence lines of a master: `RRULE`, `EXRULE`, `RDATE`, `EXDATE` (RFC 5545 §3.8.5).
//!
//! Three more come from calendar objects (`object`), which say what the domain's events have no field for: `DTSTART` as
//! it was written, `RECURRENCE-ID;RANGE=THISANDFUTURE` for each exception that also changes what follows it, and the
//! `VTIMEZONE`s that any of these lines name.
//!
//! What is unknown is an error, so that the caller can quarantine the series instead of showing a wrong one. Only a line of
//! dates in a zone that nobody knows costs no more than that line; [`warnings`] reports it.
//! Not for: what the dates mean in the series (`pattern`).

use std::ops::RangeInclusive;

use chrono::TimeDelta;
use evercal_domain::event::EventWarning;
use evercal_domain::{Event, limits::EVENT_BYTES_MAX};

use crate::{ExpandError, content_line::ContentLine, rule::Rule, stamp::Stamp, zone::WallClock, zone_names::Zones};

/// Most `RRULE` and `EXRULE` lines in one series. RFC 5545 wants one; each costs its own expansion.
pub const RULES_PER_SERIES_MAX: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) rules: Vec<Rule>,
    pub(crate) excluding_rules: Vec<Rule>,
    pub(crate) added: Vec<AddedTime>,
    pub(crate) excluded: Vec<ListedTime>,
    pub(crate) start: Option<ListedTime>,
    /// The original starts of exceptions that change what follows them.
    pub(crate) following: Vec<ListedTime>,
}

/// A value of a line of dates, with the zone that the line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedTime {
    pub(crate) stamp: Stamp,
    pub(crate) zone: Option<WallClock>,
}

/// A value of an `RDATE` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddedTime {
    pub(crate) start: ListedTime,
    /// Set for a period, which has a length of its own.
    pub(crate) period: Option<PeriodEnd>,
}

/// Where a period (RFC 5545 §3.3.9) ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeriodEnd {
    At(ListedTime),
    After(TimeDelta),
}

impl Lines {
    /// Own zones are worked out for these years.
    pub(crate) fn read(lines: &[String], years: RangeInclusive<i32>) -> Result<Self, ExpandError> {
        if lines.iter().map(String::len).sum::<usize>() > EVENT_BYTES_MAX {
            return Err(ExpandError::TooMany { what: "bytes of rules and dates", limit: EVENT_BYTES_MAX });
        }
        let mut zones = Zones::of(lines, years)?;
        let mut read = Self::default();
        let mut is_zone = false;
        for line in lines {
            let line = ContentLine::read(line)?;
            let is_edge = line.value.eq_ignore_ascii_case("VTIMEZONE");
            if line.is("BEGIN") && is_edge {
                is_zone = true;
            } else if line.is("END") && is_edge {
                is_zone = false;
            } else if !is_zone {
                read.add(&line, &mut zones)?;
            }
        }
        if read.rules.len() + read.excluding_rules.len() > RULES_PER_SERIES_MAX {
            return Err(ExpandError::TooMany { what: "rules", limit: RULES_PER_SERIES_MAX });
        }
        Ok(read)
    }

    fn add(&mut self, line: &ContentLine, zones: &mut Zones) -> Result<(), ExpandError> {
        if line.is("RRULE") && line.has_only(&[]) {
            self.rules.push(Rule::read(line.value)?);
        } else if line.is("EXRULE") && line.has_only(&[]) {
            self.excluding_rules.push(Rule::read(line.value)?);
        } else if line.is("RDATE") {
            let Named::Known(zone) = named_zone(line, zones)? else { return Ok(()) };
            for value in line.value.split(',') {
                self.added.push(added_time(value, zone.as_ref())?);
            }
        } else if line.is("EXDATE") {
            let Named::Known(zone) = named_zone(line, zones)? else { return Ok(()) };
            for value in line.value.split(',') {
                self.excluded.push(listed_time(value, zone.as_ref())?);
            }
        } else if line.is("DTSTART") && self.start.is_none() {
            self.start = Some(listed_time(line.value, zone_of(line, zones)?.as_ref())?);
        } else if line.is("RECURRENCE-ID") && is_for_what_follows(line) {
            self.following.push(listed_time(line.value, zone_of(line, zones)?.as_ref())?);
        } else {
            return Err(ExpandError::unreadable("a recurrence line is unknown"));
        }
        Ok(())
    }
}

/// Whether a `RECURRENCE-ID` is one of an exception that changes what follows too (RFC 5545 §3.2.13).
pub(crate) fn is_for_what_follows(line: &ContentLine) -> bool {
    line.parameter("RANGE").is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"))
}

/// What is odd about a master's lines without being wrong enough to lose the series.
pub fn warnings(master: &Event) -> Vec<EventWarning> {
    let Ok(zones) = Zones::of(&master.recurrence, 0..=0) else { return Vec::new() };
    let is_lost = |text: &String| {
        ContentLine::read(text).is_ok_and(|line| {
            let name = line.parameter("TZID").filter(|_| line.is("RDATE") || line.is("EXDATE"));
            name.is_some_and(|name| !zones.knows(name))
        })
    };
    if master.recurrence.iter().any(is_lost) { vec![EventWarning::DatesInUnknownZone] } else { Vec::new() }
}

/// The zone that `TZID` names, if one is named.
fn zone_of(line: &ContentLine, zones: &mut Zones) -> Result<Option<WallClock>, ExpandError> {
    match named_zone(line, zones)? {
        Named::Known(zone) => Ok(zone),
        Named::Unknown => Err(ExpandError::unreadable("a line of dates names an unknown time zone")),
    }
}

/// What the `TZID` of a line is.
enum Named {
    /// A zone, or not there.
    Known(Option<WallClock>),
    /// A name that nobody knows.
    Unknown,
}

/// `VALUE` is not needed: the three kinds of values differ in form.
fn named_zone(line: &ContentLine, zones: &mut Zones) -> Result<Named, ExpandError> {
    if !line.has_only(&["TZID", "VALUE", "RANGE"]) {
        return Err(ExpandError::unreadable("a line of dates has an unknown parameter"));
    }
    let Some(name) = line.parameter("TZID") else { return Ok(Named::Known(None)) };
    Ok(zones.named(name)?.map_or(Named::Unknown, |zone| Named::Known(Some(zone))))
}

pub(crate) fn listed_time(text: &str, zone: Option<&WallClock>) -> Result<ListedTime, ExpandError> {
    Stamp::read(text)
        .map(|stamp| ListedTime { stamp, zone: zone.cloned() })
        .ok_or_else(|| ExpandError::unreadable("a line of dates has something that is no date"))
}

fn added_time(text: &str, zone: Option<&WallClock>) -> Result<AddedTime, ExpandError> {
    let (start, end) = match text.split_once('/') {
        Some((start, end)) => (start, Some(end)),
        None => (text, None),
    };
    let period = match end {
        None => None,
        Some(end) => Some(match duration(end) {
            Some(duration) => PeriodEnd::After(duration),
            None => PeriodEnd::At(listed_time(end, zone)?),
        }),
    };
    Ok(AddedTime { start: listed_time(start, zone)?, period })
}

/// A positive duration (RFC 5545 §3.3.6), such as `PT1H30M` or `P2W`.
pub(crate) fn duration(text: &str) -> Option<TimeDelta> {
    let text = text.strip_prefix('+').unwrap_or(text).strip_prefix('P')?;
    let mut seconds: i64 = 0;
    let mut number = String::new();
    let mut is_time = false;
    for character in text.chars() {
        let unit_seconds = match character {
            '0'..='9' => {
                number.push(character);
                continue;
            }
            'T' if !is_time && number.is_empty() => {
                is_time = true;
                continue;
            }
            'W' if !is_time => 7 * 24 * 60 * 60,
            'D' if !is_time => 24 * 60 * 60,
            'H' if is_time => 60 * 60,
            'M' if is_time => 60,
            'S' if is_time => 1,
            _ => return None,
        };
        let units: i64 = number.parse().ok()?;
        seconds = seconds.checked_add(units.checked_mul(unit_seconds)?)?;
        number.clear();
    }
    TimeDelta::try_seconds(seconds).filter(|_| number.is_empty())
}

#[cfg(test)]
mod tests;
