//! Times as Microsoft writes them: a wall clock without an offset and the zone beside it
//! (<https://learn.microsoft.com/graph/api/resources/datetimetimezone>). All requests ask for UTC.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use evercal_domain::{EventTime, Zone};
use evercal_recurrence::zone_of_exact_name;
use serde::Deserialize;

/// A time of an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireTime {
    date_time: String,
    time_zone: Option<String>,
}

impl WireTime {
    /// The start or the end of an event. Those of whole days are dates, read as text and never converted: a day is the same day
    /// in every zone. `zone` is the zone in which the event repeats.
    pub(super) fn event_time(&self, is_all_day: bool, zone: Option<Zone>) -> Option<EventTime> {
        if is_all_day {
            return self.date_time.get(..DATE_BYTES)?.parse().ok().map(|date| EventTime::Date { date });
        }
        Some(EventTime::Instant { at: self.instant()?, zone })
    }

    /// The instant. A zone that nobody knows leaves none.
    fn instant(&self) -> Option<DateTime<Utc>> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(&self.date_time) {
            return Some(instant.to_utc());
        }
        let wall_clock = NaiveDateTime::parse_from_str(&self.date_time, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
        match self.time_zone.as_deref() {
            None | Some("UTC" | "Etc/UTC") => Some(wall_clock.and_utc()),
            Some(name) => Some(zone(Some(name))?.instant_of(wall_clock)),
        }
    }
}

/// The bytes of a date.
const DATE_BYTES: usize = "2026-01-01".len();

/// Where a rule put an occurrence, which Microsoft gives in UTC: of whole days, the midnight of whoever made the series. Where nobody
/// knows their zone, it is the nearest day.
pub(super) fn original_start(text: &str, is_all_day: bool, zone: Option<Zone>) -> Option<EventTime> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    if !is_all_day {
        return Some(EventTime::Instant { at, zone });
    }
    let local = match zone {
        Some(zone) => zone.clock().wall_clock(at),
        None => at.naive_utc().checked_add_signed(TimeDelta::hours(12))?,
    };
    Some(EventTime::Date { date: local.date() })
}

/// A zone by its name, of Windows or of IANA. `tzone://Microsoft/Custom`, which stands for rules that somebody made up, is none.
pub(super) fn zone(name: Option<&str>) -> Option<Zone> {
    name.and_then(zone_of_exact_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(date_time: &str, time_zone: &str) -> WireTime {
        WireTime { date_time: date_time.to_owned(), time_zone: Some(time_zone.to_owned()) }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn fractions_have_seven_digits_and_zones_have_names_of_windows_or_of_iana() {
        assert_eq!(time("2026-07-01T10:00:00.0000000", "UTC").instant(), Some(at("2026-07-01T10:00:00Z")));
        assert_eq!(time("2026-07-01T10:00:00.5000000", "UTC").instant(), Some(at("2026-07-01T10:00:00.5Z")));
        assert_eq!(
            time("2026-07-01T10:00:00.0000000", "W. Europe Standard Time").instant(),
            Some(at("2026-07-01T08:00:00Z"))
        );
        assert_eq!(time("2026-01-01T10:00:00", "Europe/Berlin").instant(), Some(at("2026-01-01T09:00:00Z")));
        assert_eq!(time("2026-07-01T10:00:00", "tzone://Microsoft/Custom").instant(), None);
        assert_eq!(time("soon", "UTC").instant(), None);
    }

    #[test]
    fn whole_days_are_dates_in_every_zone() {
        for zone in ["UTC", "Pacific Standard Time", "tzone://Microsoft/Custom", "nowhere"] {
            let date = time("2026-03-29T00:00:00.0000000", zone).event_time(true, None);
            assert_eq!(date, Some(EventTime::Date { date: "2026-03-29".parse().unwrap() }), "{zone}");
        }
        assert_eq!(time("2026", "UTC").event_time(true, None), None);
        let berlin = Zone::of_iana("Europe/Berlin");
        let los_angeles = Zone::of_iana("America/Los_Angeles");
        let kiritimati = Zone::of_iana("Pacific/Kiritimati");
        for (midnight, zone) in [
            ("2026-03-29T00:00:00Z", None),
            ("2026-03-28T23:00:00Z", berlin),
            ("2026-03-28T23:00:00Z", None),
            ("2026-03-29T07:00:00Z", los_angeles),
            ("2026-03-29T07:00:00Z", None),
            ("2026-03-28T10:00:00Z", kiritimati),
        ] {
            let slot = original_start(midnight, true, zone);
            assert_eq!(slot, Some(EventTime::Date { date: "2026-03-29".parse().unwrap() }), "{midnight} {zone:?}");
        }
    }

    #[test]
    fn zones_that_somebody_made_up_are_none() {
        assert_eq!(zone(Some("Pacific Standard Time")), Zone::of_iana("America/Los_Angeles"));
        assert_eq!(zone(Some("Europe/Berlin")), Zone::of_iana("Europe/Berlin"));
        for none in [Some("tzone://Microsoft/Custom"), Some("Eastern"), Some(""), None] {
            assert_eq!(zone(none), None, "{none:?}");
        }
    }
}
