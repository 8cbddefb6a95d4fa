//! Short ways to write events, windows and answers.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use evercal_domain::{Event, EventTime, ProviderEventId, SeriesPosition, Zone, event::Occurrence};
use evercal_recurrence::{CalendarObject, ExpandError, Series, Window, expand_series, single_occurrence};

/// `2026-06-01` or `2026-06-01T08:00:00Z`.
pub fn time(text: &str) -> EventTime {
    match text.parse::<NaiveDate>() {
        Ok(date) => EventTime::Date { date },
        Err(_) => EventTime::Instant { at: text.parse().unwrap(), zone: None },
    }
}

/// A zone by its name.
pub fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

pub fn time_in(zone: Zone, text: &str) -> EventTime {
    EventTime::Instant { at: text.parse().unwrap(), zone: Some(zone) }
}

pub fn event(id: &str, start: EventTime, end: EventTime) -> Event {
    Event::minimal(ProviderEventId::new(id), start, end)
}

pub fn master(start: EventTime, end: EventTime, lines: &[&str]) -> Event {
    Event { recurrence: lines.iter().map(ToString::to_string).collect(), ..event("master", start, end) }
}

/// Mondays from 2026-06-01 on, 09:00 to 10:00 in Berlin.
pub fn mondays(lines: &[&str]) -> Event {
    let mut all = vec!["RRULE:FREQ=WEEKLY;BYDAY=MO"];
    all.extend(lines);
    master(
        time_in(zone("Europe/Berlin"), "2026-06-01T07:00:00Z"),
        time_in(zone("Europe/Berlin"), "2026-06-01T08:00:00Z"),
        &all,
    )
}

pub fn exception(id: &str, original_start: EventTime, start: EventTime, end: EventTime) -> Event {
    Event { series: Some(position(original_start)), ..event(id, start, end) }
}

pub fn position(original_start: EventTime) -> SeriesPosition {
    SeriesPosition { master_id: ProviderEventId::new("master"), original_start }
}

pub fn series_of(master: &Event) -> Series<'_> {
    Series { master, exceptions: vec![], cancelled: vec![], calendar_zone: None }
}

/// From one date to another, at midnight UTC.
pub fn window(start: &str, end: &str) -> Window {
    Window { start: instant(&time(start)), end: instant(&time(end)) }
}

pub fn instant(time: &EventTime) -> DateTime<Utc> {
    match time {
        EventTime::Date { date } => date.and_time(NaiveTime::MIN).and_utc(),
        EventTime::Instant { at, .. } => *at,
    }
}

/// As [`time`] reads it.
pub fn text(time: &EventTime) -> String {
    match time {
        EventTime::Date { date } => date.to_string(),
        EventTime::Instant { at, .. } => at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

pub fn starts(occurrences: &[Occurrence]) -> Vec<String> {
    occurrences.iter().map(|one| text(&one.start)).collect()
}

/// What becomes of a calendar object, as a provider does it that has read one. Occurrences come from `master` and from
/// `exception-0` on, in the order of the text.
pub fn expand_object(text: &str, zone: Option<Zone>, window: &Window) -> Result<Vec<Occurrence>, ExpandError> {
    expand_read(CalendarObject::read(text, zone)?, zone, window)
}

pub fn expand_read(
    object: CalendarObject,
    zone: Option<Zone>,
    window: &Window,
) -> Result<Vec<Occurrence>, ExpandError> {
    let mut masters = Vec::new();
    let mut exceptions = Vec::new();
    let mut cancelled = Vec::new();
    for read in object.events {
        match read.original_start {
            Some(original) if read.is_cancelled => cancelled.push(position(original)),
            Some(original) => {
                exceptions.push(exception(&format!("exception-{}", exceptions.len()), original, read.start, read.end));
            }
            None => masters.push(Event { recurrence: read.recurrence, ..event("master", read.start, read.end) }),
        }
    }
    match masters.as_slice() {
        [master] if master.is_master() => {
            let series = Series {
                master,
                exceptions: exceptions.iter().collect(),
                cancelled: cancelled.iter().collect(),
                calendar_zone: zone,
            };
            expand_series(&series, window)
        }
        singles => {
            let all = singles.iter().chain(&exceptions);
            let mut found: Vec<_> = all.filter_map(|event| single_occurrence(event, window)).collect();
            found.sort_by_key(|one| instant(&one.start));
            Ok(found)
        }
    }
}

/// iCalendar text of these lines, which `|` ends.
pub fn ical(lines: &str) -> String {
    format!("BEGIN:VCALENDAR|VERSION:2.0|{lines}|END:VCALENDAR|").replace('|', "\r\n")
}
