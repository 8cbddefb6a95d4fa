//! What holds for an entry of any provider's list. Whatever is wrong with one stays with it.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Utc};
use evercal_domain::limits::{EVENT_BYTES_MAX, PROVIDER_ID_BYTES_MAX, YEARS};
use evercal_domain::{EventTime, ProviderEventId, RemoteItem};
use serde::Deserialize;

/// Guests of one event; more are beyond what providers allow and beyond what we keep in memory.
pub(crate) const ATTENDEES_MAX: usize = 2_000;

/// Whether an id can be a key in any database: an index has a limit, and PostgreSQL takes no NUL.
pub(crate) fn is_usable_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= PROVIDER_ID_BYTES_MAX && !id.contains('\0')
}

/// RFC 5545 section 3.6.1: a date alone lasts that day, an instant alone takes no time. "For ever", which some write as
/// the last day that their calendar knows, is the last one that we do.
pub(crate) fn end_in_years(start: EventTime, end: EventTime) -> EventTime {
    let last_day = NaiveDate::from_ymd_opt(*YEARS.end(), 12, 31).unwrap_or(NaiveDate::MAX);
    match (start, end) {
        (EventTime::Date { date: start }, EventTime::Date { date: end }) => {
            let next = start.checked_add_days(Days::new(1)).unwrap_or(last_day);
            EventTime::Date { date: end.max(next).min(last_day.max(next)) }
        }
        (_, EventTime::Instant { at, zone }) => {
            let last = last_day.and_time(NaiveTime::MIN).and_utc();
            EventTime::Instant { at: if is_beyond_years(end) { last } else { at }, zone }
        }
        _ => end,
    }
}

/// Whether the year of a time may have other than four digits in some zone.
pub(crate) fn is_beyond_years(time: EventTime) -> bool {
    let year = match time {
        EventTime::Date { date } => date.year(),
        EventTime::Instant { at, .. } => at.year(),
    };
    !YEARS.contains(&year)
}

/// That an event does not end before it starts, and is either of days or of times.
pub(crate) fn check_order(start: EventTime, end: EventTime) -> Result<(), &'static str> {
    let in_order = match (start, end) {
        (EventTime::Date { date: start }, EventTime::Date { date: end }) => start <= end,
        (EventTime::Instant { at: start, .. }, EventTime::Instant { at: end, .. }) => start <= end,
        _ => return Err("one of start and end is a date, the other one a time"),
    };
    if in_order { Ok(()) } else { Err("the event ends before it starts") }
}

/// When something was made or changed is good to know, but an event is not lost over it.
pub(crate) fn informational(instant: Option<&str>) -> Option<DateTime<Utc>> {
    // Some have events from imports that were made in the year 0.
    let instant = DateTime::parse_from_rfc3339(instant?).ok()?.to_utc();
    YEARS.contains(&instant.year()).then_some(instant)
}

/// An entry that could not be read, by its own JSON text.
pub(crate) fn unreadable(raw: &str, reason: String) -> RemoteItem {
    #[derive(Deserialize)]
    struct OnlyId {
        id: String,
    }
    let provider_id = serde_json::from_str::<OnlyId>(raw).ok().filter(|only| is_usable_id(&only.id));
    RemoteItem::Unreadable {
        provider_id: provider_id.map(|only| ProviderEventId::new(only.id)),
        reason,
        raw: raw.get(..raw.floor_char_boundary(EVENT_BYTES_MAX)).unwrap_or_default().to_owned(),
    }
}

/// Why an entry is not of the form. Only the position: the parser's own words can repeat what somebody wrote into the event.
pub(crate) fn misformed(error: &serde_json::Error) -> String {
    format!("a field is missing or of the wrong type near line {}, column {}", error.line(), error.column())
}
