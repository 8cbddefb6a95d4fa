//! Recurring series: which occurrences a master has, and what an instance looks like. The rules are expanded by
//! calcard in wall-clock time and only then placed in the zone, so that its handling of daylight saving gaps does
//! not matter. Exceptions are rows of their own; the callers put them in the place of their occurrences.

use std::collections::{BTreeSet, HashSet};

use crate::core::zones::Zone;
use calcard::common::timezone::Tz as IcalTz;
use calcard::icalendar::ICalendar;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::rule_parts;
use super::times::EventPoint;

/// Occurrences that one expansion examines, so that no rule can hang the simulator.
const EXPANSION_STEPS_MAX: usize = 100_000;
const RECURRENCE_LINES_MAX: usize = 100;
const LAST_SECOND_OF_DAY: TimeDelta = TimeDelta::seconds(24 * 60 * 60 - 1);

/// The wall-clock start times of a series, and how long each occurrence lasts.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) start: EventPoint,
    end: EventPoint,
    rules: Vec<Rule>,
    excluding_rules: Vec<Rule>,
    extra: BTreeSet<NaiveDateTime>,
    excluded: BTreeSet<NaiveDateTime>,
}

/// A rule without its `UNTIL`, and that.
#[derive(Debug)]
struct Rule {
    text: String,
    until: Option<Until>,
}

/// The last time that a rule may make, itself included.
#[derive(Debug, Clone, Copy)]
enum Until {
    Local(NaiveDateTime),
    Instant(DateTime<Utc>),
}

impl Series {
    /// Reads `start`, `end` and `recurrence` of a master.
    pub(crate) fn parse(master: &Map<String, Value>, calendar_zone: Zone) -> Result<Self, ApiError> {
        let point = |name: &str| {
            let value = master.get(name).ok_or_else(|| ApiError::required(format!("Missing {name} time.")))?;
            EventPoint::parse(value, calendar_zone)
        };
        let mut series = Self {
            start: point("start")?,
            end: point("end")?,
            rules: Vec::new(),
            excluding_rules: Vec::new(),
            extra: BTreeSet::new(),
            excluded: BTreeSet::new(),
        };
        let lines = master.get("recurrence").and_then(Value::as_array);
        let lines = lines.map_or(&[][..], Vec::as_slice);
        if lines.len() > RECURRENCE_LINES_MAX {
            return Err(ApiError::invalid("Too many recurrence lines."));
        }
        for line in lines {
            let text = line.as_str().unwrap_or_default();
            series.add_line(text).ok_or_else(|| ApiError::invalid(format!("Invalid recurrence rule: {text}.")))?;
        }
        Ok(series)
    }

    fn add_line(&mut self, line: &str) -> Option<()> {
        // Dates have no colon in them; the zone before them may (`TZID=GMT+02:00`).
        let has_dates = line.starts_with("RDATE") || line.starts_with("EXDATE");
        let (head, value) = if has_dates { line.rsplit_once(':') } else { line.split_once(':') }?;
        let mut head_parts = head.split(';');
        match head_parts.next()? {
            "RRULE" => self.rules.push(self.readable_rule(value)?),
            "EXRULE" => self.excluding_rules.push(self.readable_rule(value)?),
            name @ ("RDATE" | "EXDATE") => {
                let zone = head_parts.find_map(|part| part.strip_prefix("TZID=")).map(str::parse::<Zone>);
                // A line in a zone that nobody knows is kept, and has no effect.
                let Ok(zone) = zone.transpose() else { return Some(()) };
                for text in value.split(',') {
                    let local = self.local_time(text, zone)?;
                    if name == "RDATE" {
                        self.extra.insert(local);
                    } else if self.start.is_date() || !is_date(text) {
                        self.excluded.insert(local);
                    }
                    // A date is no time of a timed series: Google takes the line, and shows the occurrence.
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// The rule; nothing when it is not a legal one, or calcard cannot read it.
    fn readable_rule(&self, value: &str) -> Option<Rule> {
        rule_parts::are_legal(value).then_some(())?;
        let is_until = |part: &&str| part.starts_with("UNTIL=");
        let until = value.split(';').find(is_until).map(|part| self.until(part.trim_start_matches("UNTIL=")));
        let until = match until {
            Some(until) => Some(until?),
            None => None,
        };
        let parts: Vec<&str> = value.split(';').filter(|part| !part.is_empty() && !is_until(part)).collect();
        let rule = Rule { text: parts.join(";"), until };
        expand_rule(&rule.text, self.start.local(), 1)?;
        Some(rule)
    }

    /// A date means all of that day.
    fn until(&self, text: &str) -> Option<Until> {
        let local = self.local_time(text, None)?;
        Some(match self.start {
            EventPoint::Instant { .. } if is_date(text) => Until::Local(local + LAST_SECOND_OF_DAY),
            EventPoint::Instant { .. } if text.ends_with('Z') => Until::Instant(utc_time(text)?),
            _ => Until::Local(local),
        })
    }

    /// Reads a date, a UTC time or a local time of a recurrence line as wall-clock time of the series.
    fn local_time(&self, text: &str, zone: Option<Zone>) -> Option<NaiveDateTime> {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y%m%d") {
            return Some(date.and_time(NaiveTime::MIN));
        }
        let (digits, is_utc) = text.strip_suffix('Z').map_or((text, false), |digits| (digits, true));
        let written = NaiveDateTime::parse_from_str(digits, "%Y%m%dT%H%M%S").ok()?;
        let EventPoint::Instant { zone: own, .. } = self.start else {
            return Some(written.date().and_time(NaiveTime::MIN));
        };
        let at = match (is_utc, zone) {
            (true, _) => written.and_utc(),
            (false, Some(zone)) => super::times::resolve_local(written, zone),
            (false, None) => return Some(written),
        };
        Some(at.with_timezone(&own).naive_local())
    }

    /// The start times up to `last` (all of them when absent), sorted; at most [`EXPANSION_STEPS_MAX`] of a rule.
    ///
    /// The master's own start is one of them also where its rules do not make it, and then `COUNT` does not count it
    /// (<https://github.com/googleapis/google-api-nodejs-client/issues/2214>); not when all rules have ended before it.
    pub(crate) fn local_starts(&self, last: Option<NaiveDateTime>) -> Vec<NaiveDateTime> {
        let first = self.start.local();
        let mut starts = self.extra.clone();
        if self.rules.is_empty() || self.rules.iter().any(|rule| self.is_within(rule, first)) {
            starts.insert(first);
        }
        for rule in &self.rules {
            starts.extend(self.starts_of(rule, last));
        }
        for rule in &self.excluding_rules {
            for excluded in self.starts_of(rule, last) {
                starts.remove(&excluded);
            }
        }
        // Two wall-clock times are one instant where one of them does not exist.
        let mut seen = HashSet::new();
        starts
            .into_iter()
            .filter(|start| !self.excluded.contains(start))
            .filter(|start| last.is_none_or(|last| *start <= last))
            .filter(|start| seen.insert(self.start_at(*start)))
            .collect()
    }

    fn starts_of(&self, rule: &Rule, last: Option<NaiveDateTime>) -> Vec<NaiveDateTime> {
        // calcard knows no zones: it gets a day more, and what is beyond is taken out by the instant.
        let until = rule.until.map(|until| match until {
            Until::Local(local) => local,
            Until::Instant(at) => at.naive_utc() + TimeDelta::days(1),
        });
        let text = match until {
            Some(until) => format!("{};UNTIL={}", rule.text, ical_local(until)),
            None => rule.text.clone(),
        };
        let mut starts = expand_until(&text, self.start.local(), last);
        starts.retain(|start| self.is_within(rule, *start));
        starts
    }

    fn is_within(&self, rule: &Rule, local: NaiveDateTime) -> bool {
        match rule.until {
            None => true,
            Some(Until::Local(last)) => local <= last,
            Some(Until::Instant(last)) => match self.start_at(local) {
                EventPoint::Instant { at, .. } => at <= last,
                EventPoint::Date(_) => true,
            },
        }
    }

    /// True when the series has no end, so that only its beginning bounds it.
    pub(crate) fn is_endless(&self) -> bool {
        self.rules.iter().any(|rule| rule.until.is_none() && !rule.text.contains("COUNT="))
    }

    /// The occurrence that starts at this wall-clock time. It lasts exactly as long as the first one.
    pub(crate) fn occurrence(&self, local: NaiveDateTime) -> Occurrence {
        let start = self.start_at(local);
        let end = match (start, self.start, self.end) {
            (EventPoint::Date(start), EventPoint::Date(first), EventPoint::Date(end)) => {
                EventPoint::Date(start + (end - first))
            }
            (
                EventPoint::Instant { at: start, .. },
                EventPoint::Instant { at: first, .. },
                EventPoint::Instant { at: end, zone },
            ) => EventPoint::Instant { at: start + (end - first), zone },
            // One is a date, the other a time: only an event that was stored unchecked.
            _ => self.end,
        };
        Occurrence { start, end }
    }

    /// The master's own start is what it is, also in an hour that comes twice.
    fn start_at(&self, local: NaiveDateTime) -> EventPoint {
        if local == self.start.local() { self.start } else { self.start.at_local(local) }
    }

    /// The occurrence that an instance id's suffix names, if the series has it.
    pub(crate) fn find(&self, suffix: &str) -> Option<Occurrence> {
        let local = match (self.start, suffix.strip_suffix('Z')) {
            (EventPoint::Date(_), None) => NaiveDate::parse_from_str(suffix, "%Y%m%d").ok()?.and_time(NaiveTime::MIN),
            (EventPoint::Instant { zone, .. }, Some(digits)) => NaiveDateTime::parse_from_str(digits, "%Y%m%dT%H%M%S")
                .ok()?
                .and_utc()
                .with_timezone(&zone)
                .naive_local(),
            _ => return None,
        };
        let candidates = self.local_starts(Some(local + TimeDelta::hours(3)));
        candidates
            .into_iter()
            .map(|local| self.occurrence(local))
            .find(|occurrence| occurrence.start.instance_suffix() == suffix)
    }
}

/// One occurrence of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occurrence {
    pub(crate) start: EventPoint,
    pub(crate) end: EventPoint,
}

impl Occurrence {
    /// The generated instance: the master's fields with its own id and times.
    pub(crate) fn resource(self, master: &Map<String, Value>, calendar_zone: Zone) -> Map<String, Value> {
        let master_id = master.get("id").and_then(Value::as_str).unwrap_or_default();
        let mut instance = master.clone();
        instance.remove("recurrence");
        instance.insert("id".to_owned(), json!(instance_id(master_id, self.start)));
        instance.insert("recurringEventId".to_owned(), json!(master_id));
        let start = self.start.to_value(calendar_zone);
        instance.insert("originalStartTime".to_owned(), start.clone());
        instance.insert("start".to_owned(), start);
        instance.insert("end".to_owned(), self.end.to_value(calendar_zone));
        instance
    }
}

/// `{master}_{original start}`.
pub(crate) fn instance_id(master_id: &str, original_start: EventPoint) -> String {
    format!("{master_id}_{}", original_start.instance_suffix())
}

/// Takes an instance id apart; nothing when it does not look like one.
pub(crate) fn split_instance_id(id: &str) -> Option<(&str, &str)> {
    let (master, suffix) = id.rsplit_once('_')?;
    let digits = suffix.bytes().filter(u8::is_ascii_digit).count();
    let is_date = suffix.len() == 8 && digits == 8;
    let is_time = suffix.len() == 16 && digits == 14 && suffix.ends_with('Z');
    (is_date || is_time).then_some((master, suffix))
}

fn expand_until(rule: &str, start: NaiveDateTime, last: Option<NaiveDateTime>) -> Vec<NaiveDateTime> {
    let mut limit = 1_000;
    loop {
        let starts = expand_rule(rule, start, limit).unwrap_or_default();
        let complete = starts.len() < limit;
        let far_enough = last.is_some_and(|last| starts.last().is_some_and(|end| *end > last));
        if complete || far_enough || limit >= EXPANSION_STEPS_MAX {
            return starts;
        }
        limit = (limit * 10).min(EXPANSION_STEPS_MAX);
    }
}

fn expand_rule(rule: &str, start: NaiveDateTime, limit: usize) -> Option<Vec<NaiveDateTime>> {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:series\r\nDTSTART:{}\r\nDURATION:PT0S\r\nRRULE:{rule}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        ical_local(start)
    );
    let calendar = ICalendar::parse(&text).ok()?;
    let expanded = calendar.expand_dates(IcalTz::Floating, limit);
    if !expanded.errors.is_empty() {
        return None;
    }
    let mut starts: Vec<NaiveDateTime> =
        expanded.events.iter().map(|event| DateTime::naive_local(&event.start)).collect();
    starts.sort_unstable();
    Some(starts)
}

fn is_date(text: &str) -> bool {
    text.len() == 8
}

fn utc_time(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok().map(|time| time.and_utc())
}

fn ical_local(local: NaiveDateTime) -> String {
    local.format("%Y%m%dT%H%M%S").to_string()
}

#[cfg(test)]
mod tests;
