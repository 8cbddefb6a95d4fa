//! The provider's time zones. Neither their data (`crates/simulator/zones/generate.py`) nor the code that reads them are
//! the product's: a test would not see a fault that both have.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::{
    DateTime, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc,
};

static DATA: &[u8] = include_bytes!("../../zones/zones.bin");
/// Hours of a fixed offset to both sides.
const HOURS_MAX: i32 = 18;

static ZONES: LazyLock<BTreeMap<&'static str, tz::TimeZone>> = LazyLock::new(|| {
    let Some(end) = DATA.windows(2).position(|pair| pair == b"\n\n") else { return BTreeMap::new() };
    let (index, data) = DATA.split_at(end + 2);
    let index = std::str::from_utf8(index).unwrap_or_default();
    let read = |line: &'static str| {
        let mut fields = line.split('\t');
        let (name, start, length) = (fields.next()?, fields.next()?, fields.next()?);
        let (start, length): (usize, usize) = (start.parse().ok()?, length.parse().ok()?);
        let zone = tz::TimeZone::from_tz_data(data.get(start..start + length)?).ok()?;
        Some((name, zone))
    };
    index.lines().filter_map(read).collect()
});

/// A zone: IANA's, or a fixed offset with a name such as `GMT+02:00`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Zone(&'static str);

/// There is no zone of this name.
#[derive(Debug)]
pub(crate) struct UnknownZone;

impl Zone {
    pub(crate) const UTC: Self = Self("UTC");
    pub(crate) const BERLIN: Self = Self("Europe/Berlin");
    pub(crate) const LONDON: Self = Self("Europe/London");
    pub(crate) const NEW_YORK: Self = Self("America/New_York");
    pub(crate) const TOKYO: Self = Self("Asia/Tokyo");

    pub(crate) fn name(self) -> &'static str {
        self.0
    }

    fn seconds_at(self, utc: NaiveDateTime) -> i32 {
        match ZONES.get(self.0) {
            Some(zone) => zone.find_local_time_type(utc.and_utc().timestamp()).map_or(0, tz::LocalTimeType::ut_offset),
            None => fixed_seconds(self.0).unwrap_or(0),
        }
    }

    fn offset_at(self, utc: NaiveDateTime) -> ZoneOffset {
        let offset = FixedOffset::east_opt(self.seconds_at(utc)).unwrap_or(chrono::Utc.fix());
        ZoneOffset { zone: self, offset }
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        if let Some((name, _)) = ZONES.get_key_value(name) {
            return Ok(Self(name));
        }
        fixed_seconds(name).and_then(fixed_name).map(Self).ok_or(UnknownZone)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// `GMT+02:00`, `UTC-5`, `+05:30`.
fn fixed_seconds(name: &str) -> Option<i32> {
    let offset = name.strip_prefix("GMT").or_else(|| name.strip_prefix("UTC")).unwrap_or(name);
    let sign = match offset.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = offset.get(1..)?.split_once(':').unwrap_or((offset.get(1..)?, "0"));
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds = i32::from(hours) * 3_600 + i32::from(minutes) * 60;
    (minutes < 60 && seconds <= HOURS_MAX * 3_600).then_some(sign * seconds)
}

fn fixed_name(seconds: i32) -> Option<&'static str> {
    static NAMES: LazyLock<BTreeMap<i32, String>> = LazyLock::new(|| {
        let of = |minutes: i32| {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("GMT{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        };
        (-HOURS_MAX * 60..=HOURS_MAX * 60).map(|minutes| (minutes * 60, of(minutes))).collect()
    });
    NAMES.get(&seconds).map(String::as_str)
}

/// An offset, with the zone that has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ZoneOffset {
    zone: Zone,
    offset: FixedOffset,
}

impl Offset for ZoneOffset {
    fn fix(&self) -> FixedOffset {
        self.offset
    }
}

impl fmt::Display for ZoneOffset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.offset.fmt(formatter)
    }
}

impl TimeZone for Zone {
    type Offset = ZoneOffset;

    fn from_offset(offset: &ZoneOffset) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<ZoneOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<ZoneOffset> {
        // The offsets of the days around it; each is right where it leads to an instant that has it.
        let day = TimeDelta::days(1);
        let near = |utc: Option<NaiveDateTime>| self.offset_at(utc.unwrap_or(*local));
        let (before, after) = (near(local.checked_sub_signed(day)), near(local.checked_add_signed(day)));
        let is_right = |candidate: &ZoneOffset| {
            local.checked_sub_offset(candidate.offset).is_some_and(|utc| self.offset_at(utc).offset == candidate.offset)
        };
        match (is_right(&before), is_right(&after)) {
            (true, true) if before.offset == after.offset => MappedLocalTime::Single(before),
            (true, true) => MappedLocalTime::Ambiguous(before, after),
            (true, false) => MappedLocalTime::Single(before),
            (false, true) => MappedLocalTime::Single(after),
            (false, false) => MappedLocalTime::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset {
        self.offset_at(utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset {
        self.offset_at(*utc)
    }
}

/// The instant of a wall-clock time. In a gap the offset before the gap counts, in an overlap the first instant.
pub(crate) fn resolve_local(local: NaiveDateTime, zone: Zone) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => at.to_utc(),
        MappedLocalTime::None => {
            // No gap of the time zone database is longer than a day.
            let before = zone.offset_from_utc_datetime(&(local - TimeDelta::days(1)));
            let offset = before.fix().local_minus_utc();
            (local - TimeDelta::seconds(i64::from(offset))).and_utc()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(name: &str, at: &str) -> i32 {
        let at: DateTime<chrono::Utc> = at.parse().unwrap();
        at.with_timezone(&name.parse::<Zone>().unwrap()).offset().fix().local_minus_utc() / 3_600
    }

    #[test]
    fn all_zones_can_be_read_and_are_of_today() {
        assert!(ZONES.len() > 590, "{} zones", ZONES.len());
        assert_eq!(hours("America/Vancouver", "2026-12-07T12:00:00Z"), -7);
        assert_eq!(hours("Africa/Casablanca", "2027-06-07T12:00:00Z"), 0);
        assert_eq!(hours("Europe/Berlin", "2099-07-01T12:00:00Z"), 2);
    }

    #[test]
    fn fixed_offsets_have_one_name_each() {
        for (name, shown, expected) in
            [("GMT+02:00", "GMT+02:00", 2), ("UTC-5", "GMT-05:00", -5), ("Etc/GMT+3", "Etc/GMT+3", -3)]
        {
            assert_eq!(name.parse::<Zone>().unwrap().name(), shown);
            assert_eq!(hours(name, "2026-06-01T12:00:00Z"), expected);
        }
        assert!("Mars/Olympus".parse::<Zone>().is_err() && "GMT+19:00".parse::<Zone>().is_err());
    }
}
