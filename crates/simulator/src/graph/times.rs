//! When an event is. Outlook keeps the wall-clock time with the zone that the author named, and whole days without any; on the
//! wire a time has a zone beside it instead of an offset, by default UTC.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike as _, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::zone_names::zone_named;
use crate::core::zones::{Zone, resolve_local};

/// When an event is, in its author's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventTime {
    /// By the clocks of `start_zone`.
    pub(crate) start: NaiveDateTime,
    /// By the clocks of `end_zone`.
    pub(crate) end: NaiveDateTime,
    /// As the author named it.
    pub(crate) start_zone: String,
    pub(crate) end_zone: String,
    /// Whole days, wherever one is.
    pub(crate) is_all_day: bool,
}

impl EventTime {
    /// Reads `start`, `end` and `isAllDay` of a body; what it lacks stays as in `before`.
    pub(crate) fn parse(body: &Map<String, Value>, before: Option<&Self>) -> Result<Self, ApiError> {
        let (start, start_zone) = match body.get("start") {
            Some(value) => parse_point(value, "start")?,
            None => {
                before.map(|time| (time.start, time.start_zone.clone())).ok_or_else(|| ApiError::missing("Start"))?
            }
        };
        let (end, end_zone) = match body.get("end") {
            Some(value) => parse_point(value, "end")?,
            None => before.map(|time| (time.end, time.end_zone.clone())).ok_or_else(|| ApiError::missing("End"))?,
        };
        let is_all_day =
            body.get("isAllDay").and_then(Value::as_bool).or(before.map(|time| time.is_all_day)).unwrap_or(false);
        let time = Self { start, end, start_zone, end_zone, is_all_day };
        time.check()?;
        Ok(time)
    }

    fn check(&self) -> Result<(), ApiError> {
        if self.is_all_day {
            if self.start.time() != NaiveTime::MIN || self.end.time() != NaiveTime::MIN {
                return Err(ApiError::invalid_request(
                    "The Event.Start property for an all-day event needs to be set to midnight.",
                ));
            }
            if self.zone() != self.zone_of_end() {
                return Err(ApiError::invalid_request(
                    "The Event.Start and Event.End properties of an all-day event need the same time zone.",
                ));
            }
            if self.end <= self.start {
                return Err(ApiError::invalid_request("The duration of an all-day event must be at least 24 hours."));
            }
        }
        if self.end_at() < self.start_at() {
            return Err(ApiError::new(
                400,
                "ErrorCalendarEndDateIsEarlierThanStartDate",
                "The end date must be later than the start date.",
            ));
        }
        Ok(())
    }

    /// The zone in which a series repeats.
    pub(crate) fn zone(&self) -> Zone {
        zone_named(&self.start_zone).unwrap_or(Zone::UTC)
    }

    fn zone_of_end(&self) -> Zone {
        zone_named(&self.end_zone).unwrap_or(Zone::UTC)
    }

    pub(crate) fn start_at(&self) -> DateTime<Utc> {
        resolve_local(self.start, self.zone())
    }

    pub(crate) fn end_at(&self) -> DateTime<Utc> {
        resolve_local(self.end, self.zone_of_end())
    }

    /// The same time of day on another day: an occurrence. It ends by the same clocks, whatever daylight saving does.
    pub(crate) fn on(&self, day: NaiveDate) -> Self {
        let start = day.and_time(self.start.time());
        let zone = self.zone();
        let end = self.end_at().with_timezone(&zone).naive_local();
        let lasts = if self.zone_of_end() == zone { self.end - self.start } else { end - self.start };
        Self {
            start,
            end: start + lasts,
            start_zone: self.start_zone.clone(),
            end_zone: self.start_zone.clone(),
            is_all_day: self.is_all_day,
        }
    }

    /// The same event so many minutes later by the clocks.
    pub(crate) fn later_by(&self, minutes: i64) -> Self {
        let pause = TimeDelta::minutes(minutes);
        Self { start: self.start + pause, end: self.end + pause, ..self.clone() }
    }

    pub(crate) fn overlaps(&self, window: Window) -> bool {
        let (start, end) = (self.start_at(), self.end_at());
        start < window.to && (end > window.from || (start == end && start >= window.from))
    }

    /// The two values on the wire.
    pub(crate) fn shown(&self, display: &DisplayZone) -> (Value, Value) {
        if self.is_all_day {
            // Whole days are nobody's time: they are shown as such in every zone.
            return (point(self.start, &display.name), point(self.end, &display.name));
        }
        let local = |at: DateTime<Utc>| at.with_timezone(&display.zone).naive_local();
        (point(local(self.start_at()), &display.name), point(local(self.end_at()), &display.name))
    }

    /// As a request body has them.
    pub(crate) fn as_body(&self) -> Map<String, Value> {
        Map::from_iter([
            ("start".to_owned(), point(self.start, &self.start_zone)),
            ("end".to_owned(), point(self.end, &self.end_zone)),
        ])
    }

    /// The start as mirrors compare it: a date, or an instant of UTC.
    pub(crate) fn true_start(&self) -> String {
        if self.is_all_day { self.start.date().to_string() } else { self.start_at().to_rfc3339() }
    }

    pub(crate) fn true_end(&self) -> String {
        if self.is_all_day { self.end.date().to_string() } else { self.end_at().to_rfc3339() }
    }
}

/// A stretch of time that a client asks for: the beginning is in it, the end is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    #[serde(rename = "f")]
    pub(crate) from: DateTime<Utc>,
    #[serde(rename = "t")]
    pub(crate) to: DateTime<Utc>,
}

/// The zone in which a client wants to see times, by the name that it used.
#[derive(Debug, Clone)]
pub(crate) struct DisplayZone {
    pub(crate) name: String,
    pub(crate) zone: Zone,
}

impl DisplayZone {
    pub(crate) fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: Zone::UTC }
    }
}

/// Reads `{"dateTime","timeZone"}`. An offset in the time counts, and the zone is then that of the display.
fn parse_point(value: &Value, name: &str) -> Result<(NaiveDateTime, String), ApiError> {
    let malformed = || ApiError::invalid_request(format!("The property '{name}' is not a valid DateTimeTimeZone."));
    let text = value.get("dateTime").and_then(Value::as_str).ok_or_else(malformed)?;
    let zone_name = value.get("timeZone").and_then(Value::as_str).unwrap_or("UTC");
    let zone = zone_named(zone_name).ok_or_else(|| ApiError::unknown_time_zone(zone_name))?;
    let local = match DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.with_timezone(&zone).naive_local(),
        Err(_) => parse_local(text).ok_or_else(malformed)?,
    };
    Ok((local.with_nanosecond(0).unwrap_or(local), zone_name.to_owned()))
}

fn parse_local(text: &str) -> Option<NaiveDateTime> {
    if let Ok(local) = text.parse::<NaiveDateTime>() {
        return Some(local);
    }
    text.parse::<NaiveDate>().ok().map(|date| date.and_time(NaiveTime::MIN))
}

/// An instant of a query: with an offset, or else of UTC.
pub(crate) fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    // A plus that nobody encoded arrives as a space.
    let text = text.replace(' ', "+");
    DateTime::parse_from_rfc3339(&text)
        .map(|at| at.to_utc())
        .ok()
        .or_else(|| parse_local(&text).map(|local| local.and_utc()))
}

/// `{"dateTime":"2026-11-30T10:00:00.0000000","timeZone":"UTC"}`.
fn point(local: NaiveDateTime, zone: &str) -> Value {
    json!({"dateTime": local.format("%Y-%m-%dT%H:%M:%S.0000000").to_string(), "timeZone": zone})
}

/// `createdDateTime` and its like, with seven digits and `Z`.
pub(crate) fn timestamp(at: DateTime<Utc>) -> String {
    format!("{}{:04}Z", at.format("%Y-%m-%dT%H:%M:%S.%3f"), 0)
}

/// The expiry of a subscription and its like.
pub(crate) fn plain_timestamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(value: Value) -> Result<EventTime, ApiError> {
        EventTime::parse(value.as_object().unwrap(), None)
    }

    fn berlin() -> EventTime {
        time(json!({
            "start": {"dateTime": "2026-11-30T10:00:00", "timeZone": "W. Europe Standard Time"},
            "end": {"dateTime": "2026-11-30T11:00:00.5", "timeZone": "Europe/Berlin"},
        }))
        .unwrap()
    }

    #[test]
    fn times_are_shown_in_the_zone_that_the_client_wants() {
        let (start, end) = berlin().shown(&DisplayZone::utc());
        assert_eq!(start, json!({"dateTime": "2026-11-30T09:00:00.0000000", "timeZone": "UTC"}));
        assert_eq!(end, json!({"dateTime": "2026-11-30T10:00:00.0000000", "timeZone": "UTC"}));
        let tokyo = DisplayZone { name: "Tokyo Standard Time".to_owned(), zone: Zone::TOKYO };
        let (start, _) = berlin().shown(&tokyo);
        assert_eq!(start, json!({"dateTime": "2026-11-30T18:00:00.0000000", "timeZone": "Tokyo Standard Time"}));
    }

    #[test]
    fn whole_days_are_midnights_in_every_zone() {
        let whole = |from: &str, to: &str| {
            time(json!({"isAllDay": true, "start": {"dateTime": from, "timeZone": "Europe/Berlin"},
                "end": {"dateTime": to, "timeZone": "Europe/Berlin"}}))
        };
        let (start, _) = whole("2026-11-30T00:00:00", "2026-12-01T00:00:00").unwrap().shown(&DisplayZone::utc());
        assert_eq!(start["dateTime"], "2026-11-30T00:00:00.0000000");
        assert!(whole("2026-11-30T01:00:00", "2026-12-01T00:00:00").is_err());
        assert!(whole("2026-11-30T00:00:00", "2026-11-30T00:00:00").is_err());
    }

    #[test]
    fn an_end_before_the_start_and_an_unknown_zone_are_refused() {
        let refused = |value| time(value).unwrap_err().code;
        let utc = |text: &str| json!({"dateTime": text, "timeZone": "UTC"});
        let backwards = json!({"start": utc("2026-11-30T10:00:00"), "end": utc("2026-11-30T09:00:00")});
        assert_eq!(refused(backwards), "ErrorCalendarEndDateIsEarlierThanStartDate");
        let nowhere = json!({"dateTime": "2026-11-30T10:00:00", "timeZone": "Middle Earth Standard Time"});
        assert_eq!(refused(json!({"start": nowhere, "end": nowhere})), "TimeZoneNotSupportedException");
    }

    #[test]
    fn an_occurrence_keeps_its_clocks_over_the_change_of_daylight_saving() {
        let day = "2027-03-28".parse().unwrap();
        let occurrence = berlin().on(day);
        assert_eq!(occurrence.start_at().to_rfc3339(), "2027-03-28T08:00:00+00:00");
        assert_eq!(occurrence.end_at().to_rfc3339(), "2027-03-28T09:00:00+00:00");
    }

    #[test]
    fn instants_of_a_query_are_of_utc_where_they_say_nothing() {
        let expected = "2026-11-30T10:00:00+00:00";
        for text in ["2026-11-30T10:00:00", "2026-11-30T10:00:00.000Z", "2026-11-30T11:00:00+01:00"] {
            assert_eq!(parse_instant(text).unwrap().to_rfc3339(), expected);
        }
        assert_eq!(timestamp(parse_instant(expected).unwrap()), "2026-11-30T10:00:00.0000000Z");
    }
}
