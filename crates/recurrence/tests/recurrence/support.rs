//! Short ways to write events, windows and answers.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use evercal_domain::{Event, EventStatus, EventTime, ProviderEventId, SeriesPosition, event::Occurrence};
use evercal_recurrence::{Series, Window};

/// `2026-06-01` or `2026-06-01T08:00:00Z`.
pub fn time(text: &str) -> EventTime {
    match text.parse::<NaiveDate>() {
        Ok(date) => EventTime::Date { date },
        Err(_) => EventTime::Instant { at: text.parse().unwrap(), zone: None },
    }
}

pub fn time_in(zone: Tz, text: &str) -> EventTime {
    EventTime::Instant { at: text.parse().unwrap(), zone: Some(zone) }
}

pub fn event(id: &str, start: EventTime, end: EventTime) -> Event {
    Event {
        provider_id: ProviderEventId::new(id),
        ical_uid: None,
        etag: None,
        status: EventStatus::Confirmed,
        title: None,
        description: None,
        location: None,
        start,
        end,
        recurrence: vec![],
        series: None,
        busy: true,
        private: false,
        event_type: None,
        organizer: None,
        attendees: vec![],
        link: None,
        created_at: None,
        updated_at: None,
    }
}

pub fn master(start: EventTime, end: EventTime, lines: &[&str]) -> Event {
    Event { recurrence: lines.iter().map(ToString::to_string).collect(), ..event("master", start, end) }
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
