//! Recurring series: which occurrences a master has, and what an instance looks like. The rules are expanded by
//! calcard in wall-clock time and only then placed in the zone, so that its handling of daylight saving gaps does
//! not matter. Exceptions are rows of their own; the callers put them in the place of their occurrences.

use std::collections::BTreeSet;

use calcard::common::timezone::Tz as IcalTz;
use calcard::icalendar::ICalendar;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::times::EventPoint;

/// Occurrences that are looked at in one expansion, so that no rule can hang the simulator.
const EXPANSION_STEPS_MAX: usize = 100_000;
/// Lines of `recurrence`.
const RECURRENCE_LINES_MAX: usize = 100;

/// The wall-clock start times of a series, and how long each occurrence lasts.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) start: EventPoint,
    duration: TimeDelta,
    rules: Vec<String>,
    excluding_rules: Vec<String>,
    extra: BTreeSet<NaiveDateTime>,
    excluded: BTreeSet<NaiveDateTime>,
}

impl Series {
    /// Reads `start`, `end` and `recurrence` of a master.
    pub(crate) fn parse(master: &Map<String, Value>, calendar_zone: Tz) -> Result<Self, ApiError> {
        let point = |name: &str| {
            let value = master.get(name).ok_or_else(|| ApiError::required(format!("Missing {name} time.")))?;
            EventPoint::parse(value, calendar_zone)
        };
        let start = point("start")?;
        let mut series = Self {
            start,
            duration: point("end")?.local() - start.local(),
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
        let (head, value) = line.split_once(':')?;
        let mut head_parts = head.split(';');
        match head_parts.next()? {
            "RRULE" => self.rules.push(self.readable_rule(value)?),
            "EXRULE" => self.excluding_rules.push(self.readable_rule(value)?),
            name @ ("RDATE" | "EXDATE") => {
                let zone =
                    head_parts.find_map(|part| part.strip_prefix("TZID=")).map(str::parse::<Tz>).transpose().ok()?;
                for text in value.split(',') {
                    let local = self.local_time(text, zone)?;
                    if name == "RDATE" {
                        self.extra.insert(local);
                    } else {
                        self.excluded.insert(local);
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// The rule with its UNTIL as wall-clock time; nothing when calcard cannot read it.
    fn readable_rule(&self, value: &str) -> Option<String> {
        let mut parts = Vec::new();
        for part in value.split(';').filter(|part| !part.is_empty()) {
            match part.strip_prefix("UNTIL=") {
                Some(until) => {
                    let local = self.local_time(until, None)?;
                    parts.push(format!("UNTIL={}", ical_local(local)));
                }
                None => parts.push(part.to_owned()),
            }
        }
        if !parts.iter().any(|part| part.starts_with("FREQ=")) {
            return None;
        }
        let rule = parts.join(";");
        expand_rule(&rule, self.start.local(), 1)?;
        Some(rule)
    }

    /// Reads a date, a UTC time or a local time of a recurrence line as wall-clock time of the series.
    fn local_time(&self, text: &str, zone: Option<Tz>) -> Option<NaiveDateTime> {
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

    /// The start times up to `last` (all of them when absent), sorted; at most [`EXPANSION_STEPS_MAX`].
    pub(crate) fn local_starts(&self, last: Option<NaiveDateTime>) -> Vec<NaiveDateTime> {
        let mut starts = self.extra.clone();
        if self.rules.is_empty() {
            starts.insert(self.start.local());
        }
        for rule in &self.rules {
            starts.extend(expand_until(rule, self.start.local(), last));
        }
        for rule in &self.excluding_rules {
            for excluded in expand_until(rule, self.start.local(), last) {
                starts.remove(&excluded);
            }
        }
        starts
            .into_iter()
            .filter(|start| !self.excluded.contains(start))
            .filter(|start| last.is_none_or(|last| *start <= last))
            .collect()
    }

    /// True when the series has no end, so that only its beginning bounds it.
    pub(crate) fn is_endless(&self) -> bool {
        self.rules.iter().any(|rule| !rule.contains("UNTIL=") && !rule.contains("COUNT="))
    }

    /// The occurrence that starts at this wall-clock time.
    pub(crate) fn occurrence(&self, local: NaiveDateTime) -> Occurrence {
        Occurrence { start: self.start.at_local(local), end: self.start.at_local(local + self.duration) }
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
    pub(crate) fn resource(self, master: &Map<String, Value>, calendar_zone: Tz) -> Map<String, Value> {
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

fn ical_local(local: NaiveDateTime) -> String {
    local.format("%Y%m%dT%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Europe::Berlin;

    fn series(start: &Value, end: &Value, recurrence: &[&str]) -> Series {
        let master = json!({"id": "m", "start": start, "end": end, "recurrence": recurrence});
        Series::parse(master.as_object().unwrap(), Berlin).unwrap()
    }

    fn timed(recurrence: &[&str]) -> Series {
        series(
            &json!({"dateTime": "2026-03-23T09:00:00", "timeZone": "Europe/Berlin"}),
            &json!({"dateTime": "2026-03-23T10:00:00", "timeZone": "Europe/Berlin"}),
            recurrence,
        )
    }

    fn suffixes(series: &Series) -> Vec<String> {
        series.local_starts(None).into_iter().map(|local| series.occurrence(local).start.instance_suffix()).collect()
    }

    #[test]
    fn a_weekly_series_keeps_its_local_hour_over_the_change_to_summer_time() {
        let weekly = timed(&["RRULE:FREQ=WEEKLY;COUNT=2"]);
        assert_eq!(suffixes(&weekly), ["20260323T080000Z", "20260330T070000Z"]);
    }

    #[test]
    fn until_in_utc_includes_the_occurrence_at_that_instant() {
        let daily = timed(&["RRULE:FREQ=DAILY;UNTIL=20260325T080000Z"]);
        assert_eq!(suffixes(&daily).len(), 3);
    }

    #[test]
    fn dates_are_added_and_excluded_in_any_zone() {
        let daily = timed(&[
            "RRULE:FREQ=DAILY;COUNT=3",
            "EXDATE;TZID=America/New_York:20260324T040000",
            "RDATE:20260401T100000Z",
        ]);
        assert_eq!(suffixes(&daily), ["20260323T080000Z", "20260325T080000Z", "20260401T100000Z"]);
    }

    #[test]
    fn an_excluding_rule_takes_occurrences_away() {
        let daily = timed(&["RRULE:FREQ=DAILY;COUNT=4", "EXRULE:FREQ=DAILY;INTERVAL=2"]);
        assert_eq!(suffixes(&daily), ["20260324T080000Z", "20260326T080000Z"]);
    }

    #[test]
    fn an_all_day_series_has_dates() {
        let yearly = series(
            &json!({"date": "2026-02-01"}),
            &json!({"date": "2026-02-03"}),
            &["RRULE:FREQ=MONTHLY;UNTIL=20260401"],
        );
        assert_eq!(suffixes(&yearly), ["20260201", "20260301", "20260401"]);
        let second = yearly.find("20260301").unwrap();
        assert_eq!(second.end.to_value(Berlin), json!({"date": "2026-03-03"}));
        assert_eq!(yearly.find("20260302"), None);
    }

    #[test]
    fn an_unreadable_rule_is_refused() {
        let master = json!({
            "start": {"date": "2026-02-01"}, "end": {"date": "2026-02-02"},
            "recurrence": ["RRULE:INTERVAL=2"],
        });
        assert!(Series::parse(master.as_object().unwrap(), Berlin).is_err());
    }

    #[test]
    fn a_far_occurrence_of_an_endless_series_is_found() {
        let daily = timed(&["RRULE:FREQ=DAILY"]);
        assert!(daily.is_endless());
        assert!(daily.find("20360323T080000Z").is_some());
    }
}
