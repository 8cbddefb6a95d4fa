//! Times as people write and read them: `--from` and `--to`, starts and ends in the event's own zone, ages.

use std::str::FromStr;

use chrono::{DateTime, Days, Duration, FixedOffset, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc};
use evercal_domain::Zone;
use serde::Deserialize;

use super::error::CliError;

/// Days that are shown when nobody says how many.
const WINDOW_DAYS_DEFAULT: u64 = 7;
/// How far behind a midnight that a change of clocks skips the day's beginning may be; the longest gap known is a whole day.
const GAP_HOURS_MAX: i64 = 48;

/// A start or an end, as the API has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Moment {
    /// All day; as an end it is exclusive.
    Date { date: NaiveDate },
    /// An instant, in the event's own zone where it has one.
    Instant { date_time: DateTime<FixedOffset>, time_zone: Option<String> },
}

/// When an occurrence is, in three pieces that make columns.
#[derive(Debug, PartialEq, Eq)]
pub struct Span {
    /// Such as `Mon 2026-11-23 09:00`, or the day alone.
    pub starts: String,
    /// The time alone when it is on the same day; `all day` for a whole one.
    pub ends: String,
    /// The zone of both; empty for days, which are the same everywhere.
    pub zone: String,
}

impl Span {
    /// From `start` to `end`, both in the zone of `start`.
    pub fn of(start: &Moment, end: &Moment) -> Self {
        match (start, end) {
            (Moment::Date { date: first }, Moment::Date { date: end }) => {
                let last = end.pred_opt().unwrap_or(*end);
                let ends = if last <= *first { "all day".to_owned() } else { day(last) };
                Self { starts: day(*first), ends, zone: String::new() }
            }
            (Moment::Instant { date_time, time_zone }, Moment::Instant { date_time: end, .. }) => {
                let end = match time_zone.as_deref().and_then(|name| name.parse::<Zone>().ok()) {
                    Some(zone) => end.with_timezone(&zone).naive_local(),
                    None => end.with_timezone(date_time.offset()).naive_local(),
                };
                let start = date_time.naive_local();
                let time = end.format("%H:%M");
                let ends =
                    if end.date() == start.date() { time.to_string() } else { format!("{} {time}", day(end.date())) };
                let zone = time_zone.clone().unwrap_or_else(|| match date_time.offset().local_minus_utc() {
                    0 => "UTC".to_owned(),
                    _ => date_time.offset().to_string(),
                });
                Self { starts: format!("{} {}", day(start.date()), start.format("%H:%M")), ends, zone }
            }
            // No calendar does this; what is known is shown all the same.
            (start, end) => Self { starts: start.plain(), ends: end.plain(), zone: String::new() },
        }
    }
}

impl Moment {
    fn plain(&self) -> String {
        match self {
            Self::Date { date } => day(*date),
            Self::Instant { date_time, .. } => format!("{} {}", day(date_time.date_naive()), date_time.format("%H:%M")),
        }
    }
}

fn day(date: NaiveDate) -> String {
    date.format("%a %Y-%m-%d").to_string()
}

/// An end of a window, as somebody typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowEdge {
    /// The beginning of a day in the calendar's zone.
    Date(NaiveDate),
    /// An instant.
    Instant(DateTime<Utc>),
}

/// A text that is neither a date nor a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a date as in 2026-11-23, or a time as in 2026-11-23T09:00:00+01:00 (RFC 3339)")]
pub struct InvalidWindowEdge;

impl FromStr for WindowEdge {
    type Err = InvalidWindowEdge;

    fn from_str(text: &str) -> Result<Self, InvalidWindowEdge> {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Self::Date(date));
        }
        DateTime::parse_from_rfc3339(text).map(|time| Self::Instant(time.to_utc())).map_err(|_| InvalidWindowEdge)
    }
}

/// Which events are read: from `from` until before `to`.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    zone: Zone,
}

impl Window {
    /// The window that was asked for; by default a week from the beginning of today. Dates are days in `zone`, the
    /// calendar's IANA name, or in UTC where that is unknown.
    pub fn new(
        from: Option<WindowEdge>,
        to: Option<WindowEdge>,
        zone: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Self, CliError> {
        let zone = zone.and_then(|name| name.parse().ok()).unwrap_or(Zone::UTC);
        let from = from.unwrap_or_else(|| WindowEdge::Date(now.with_timezone(&zone).date_naive()));
        let to = to.or_else(|| a_week_after(from)).ok_or_else(too_far)?;
        let window = Self { from: instant(from, zone)?, to: instant(to, zone)?, zone };
        if window.from >= window.to {
            return Err(CliError::usage(
                format!("the window {window} is empty"),
                "give a --to after --from; a date is the beginning of that day in the calendar's zone",
            ));
        }
        Ok(window)
    }

    /// The beginning and the end for the API (RFC 3339).
    pub fn edges(&self) -> (String, String) {
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        (text(self.from), text(self.to))
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |at: DateTime<Utc>| {
            let local = at.with_timezone(&self.zone);
            let whole_day = local.time() == NaiveTime::MIN;
            local.format(if whole_day { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" }).to_string()
        };
        write!(f, "{} to {} ({})", text(self.from), text(self.to), self.zone)
    }
}

fn a_week_after(from: WindowEdge) -> Option<WindowEdge> {
    let days = Days::new(WINDOW_DAYS_DEFAULT);
    match from {
        WindowEdge::Date(date) => date.checked_add_days(days).map(WindowEdge::Date),
        WindowEdge::Instant(at) => at.checked_add_days(days).map(WindowEdge::Instant),
    }
}

fn instant(edge: WindowEdge, zone: Zone) -> Result<DateTime<Utc>, CliError> {
    match edge {
        WindowEdge::Instant(at) => Ok(at),
        WindowEdge::Date(date) => {
            let midnight = date.and_time(NaiveTime::MIN);
            // Where clocks jump over midnight, the day begins at the first hour that exists.
            (0..=GAP_HOURS_MAX)
                .filter_map(|hours| midnight.checked_add_signed(Duration::hours(hours)))
                .find_map(|time| zone.from_local_datetime(&time).earliest())
                .map(|time| time.to_utc())
                .ok_or_else(too_far)
        }
    }
}

fn too_far() -> CliError {
    CliError::usage("the window ends where calendars end", "give nearer dates with --from and --to")
}

/// How far `at` is from `now`: `3 min ago`, `in 6 d`. Whole units, rounded down.
pub fn relative(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let distance = (at - now).abs();
    let text = match distance.num_seconds() {
        0 => return "now".to_owned(),
        seconds @ ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", distance.num_minutes()),
        3_600..86_400 => format!("{} h", distance.num_hours()),
        _ => format!("{} d", distance.num_days()),
    };
    if at < now { format!("{text} ago") } else { format!("in {text}") }
}

/// An instant in full, for people.
pub fn in_full(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests;
