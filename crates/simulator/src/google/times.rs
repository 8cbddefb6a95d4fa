//! The `start`, `end` and `originalStartTime` of an event: a date, or an instant in a named zone. Dates are never
//! turned into instants except to compare them with a window.

use crate::core::zones::Zone;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::errors::ApiError;

pub(crate) use crate::core::zones::resolve_local;

/// A point in a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EventPoint {
    Date(NaiveDate),
    /// An instant, and the zone in which a series repeats.
    Instant {
        at: DateTime<Utc>,
        zone: Zone,
    },
}

impl EventPoint {
    /// Reads a value that a client sent. A `dateTime` without offset needs its `timeZone`.
    pub(crate) fn parse(value: &Value, default_zone: Zone) -> Result<Self, ApiError> {
        if value.get("date").is_some() && value.get("dateTime").is_some() {
            return Err(ApiError::invalid("Invalid start or end time."));
        }
        if let Some(text) = value.get("date").and_then(Value::as_str) {
            let date = text.parse().map_err(|_| ApiError::invalid("Invalid start or end date."))?;
            return Ok(Self::Date(date));
        }
        let text = value
            .get("dateTime")
            .and_then(Value::as_str)
            .ok_or_else(|| ApiError::required("Missing start or end time."))?;
        let zone = match value.get("timeZone").and_then(Value::as_str) {
            None => None,
            Some(name) => Some(
                name.parse::<Zone>()
                    .map_err(|_| ApiError::invalid(format!("Invalid time zone definition: {name}.")))?,
            ),
        };
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Instant { at: at.to_utc(), zone: zone.unwrap_or(default_zone) });
        }
        let local: NaiveDateTime = text.parse().map_err(|_| ApiError::invalid("Invalid start or end time."))?;
        let zone = zone.ok_or_else(|| ApiError::required("Missing time zone definition."))?;
        Ok(Self::Instant { at: resolve_local(local, zone), zone })
    }

    /// Reads a value that the simulator itself has stored.
    pub(crate) fn stored(value: Option<&Value>, calendar_zone: Zone) -> Option<Self> {
        Self::parse(value?, calendar_zone).ok()
    }

    /// The JSON form, with the offset of `display_zone`.
    pub(crate) fn to_value(self, display_zone: Zone) -> Value {
        match self {
            Self::Date(date) => json!({"date": date.to_string()}),
            Self::Instant { at, zone } => json!({
                "dateTime": at.with_timezone(&display_zone).to_rfc3339_opts(SecondsFormat::Secs, true),
                "timeZone": zone.name(),
            }),
        }
    }

    pub(crate) fn is_date(self) -> bool {
        matches!(self, Self::Date(_))
    }

    /// Seconds since 1970; a date begins at midnight of the calendar's zone.
    pub(crate) fn unix_seconds(self, calendar_zone: Zone) -> i64 {
        match self {
            Self::Date(date) => resolve_local(date.and_time(NaiveTime::MIN), calendar_zone).timestamp(),
            Self::Instant { at, .. } => at.timestamp(),
        }
    }

    /// The wall-clock time that a series repeats.
    pub(crate) fn local(self) -> NaiveDateTime {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN),
            Self::Instant { at, zone } => at.with_timezone(&zone).naive_local(),
        }
    }

    /// The point of the same kind and zone at another wall-clock time.
    pub(crate) fn at_local(self, local: NaiveDateTime) -> Self {
        match self {
            Self::Date(_) => Self::Date(local.date()),
            Self::Instant { zone, .. } => Self::Instant { at: resolve_local(local, zone), zone },
        }
    }

    /// The end of an instance id: `20260101` or `20260101T090000Z`.
    pub(crate) fn instance_suffix(self) -> String {
        match self {
            Self::Date(date) => date.format("%Y%m%d").to_string(),
            Self::Instant { at, .. } => at.format("%Y%m%dT%H%M%SZ").to_string(),
        }
    }
}

/// Milliseconds and `Z`, as `created` and `updated` are written.
pub(crate) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_in_the_spring_gap_takes_the_offset_before_it() {
        let at = resolve_local(local("2026-03-29T02:30:00"), Zone::BERLIN);
        assert_eq!(at.to_rfc3339(), "2026-03-29T01:30:00+00:00");
    }

    #[test]
    fn a_time_in_the_autumn_overlap_is_the_first_of_the_two() {
        let at = resolve_local(local("2026-10-25T02:30:00"), Zone::BERLIN);
        assert_eq!(at.to_rfc3339(), "2026-10-25T00:30:00+00:00");
    }

    #[test]
    fn an_instant_is_shown_with_the_offset_of_the_calendar_and_keeps_its_zone() {
        let value = json!({"dateTime": "2026-01-01T09:00:00", "timeZone": "America/New_York"});
        let point = EventPoint::parse(&value, Zone::BERLIN).unwrap();
        assert_eq!(
            point.to_value(Zone::BERLIN),
            json!({"dateTime": "2026-01-01T15:00:00+01:00", "timeZone": "America/New_York"})
        );
        assert_eq!(point.instance_suffix(), "20260101T140000Z");
    }
}
