//! What a `TZID` means: an IANA name, a Windows name, a zone that the object defines itself, or another maker's name.
//!
//! In that order: the first two are exact, and IANA's rules are newer than those that old clients write out. The names
//! that `calcard` knows beside them ("Eastern", "Amsterdam, Berlin, …") are guesses, so a definition wins over them.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use calcard::common::timezone::Tz as CalendarTz;
use chrono_tz::Tz;

use crate::{ExpandError, own_zone::OwnZone, zone::Zone};

/// Zones that one object defines; it needs as many as its series have places, and each costs reading.
const OWN_ZONES_MAX: usize = 16;

/// The names that can be used in an object.
#[derive(Debug)]
pub(crate) struct Zones {
    /// By `TZID`, the lines of each `VTIMEZONE` that is defined; read when it is used, so that one nobody uses may be
    /// damaged.
    definitions: BTreeMap<String, Vec<String>>,
    read: BTreeMap<String, Arc<OwnZone>>,
    /// For which definitions are worked out.
    years: RangeInclusive<i32>,
}

impl Zones {
    /// Takes the `VTIMEZONE`s among the lines of an object.
    pub(crate) fn of(lines: &[String], years: RangeInclusive<i32>) -> Result<Self, ExpandError> {
        let mut definitions = BTreeMap::new();
        let mut rest = lines;
        while let Some(begin) = rest.iter().position(|line| line.eq_ignore_ascii_case("BEGIN:VTIMEZONE")) {
            let (_, block) = rest.split_at(begin);
            let end = block
                .iter()
                .position(|line| line.eq_ignore_ascii_case("END:VTIMEZONE"))
                .ok_or_else(|| ExpandError::unreadable("a time zone has no end"))?;
            let (block, after) = block.split_at(end + 1);
            if let Some(name) = OwnZone::name_in(block) {
                definitions.insert(name, block.to_vec());
            }
            if definitions.len() > OWN_ZONES_MAX {
                return Err(ExpandError::TooMany { what: "time zones of its own", limit: OWN_ZONES_MAX });
            }
            rest = after;
        }
        Ok(Self { definitions, read: BTreeMap::new(), years })
    }

    pub(crate) fn named(&mut self, name: &str) -> Result<Zone, ExpandError> {
        if let Some(zone) = exact(name) {
            return Ok(Zone::Iana(zone));
        }
        if let Some(zone) = self.read.get(name) {
            return Ok(Zone::Own(Arc::clone(zone)));
        }
        if let Some(definition) = self.definitions.get(name) {
            let zone = Arc::new(OwnZone::read(definition, &self.years)?);
            self.read.insert(name.to_owned(), Arc::clone(&zone));
            return Ok(Zone::Own(zone));
        }
        guess(name).map(Zone::Iana).ok_or_else(|| ExpandError::unreadable("a line of dates names an unknown time zone"))
    }

    /// The lines that define a zone, if its name means one that the object defines.
    pub(crate) fn definition(&self, name: &str) -> Option<&[String]> {
        self.definitions.get(name).filter(|_| exact(name).is_none()).map(Vec::as_slice)
    }
}

/// An IANA name, or one of Windows (CLDR `windowsZones`).
fn exact(name: &str) -> Option<Tz> {
    let name = name.trim();
    if let Ok(zone) = name.parse() {
        return Some(zone);
    }
    // What `calcard` 0.3 has wrong, or lacks. Two of its cities have left the zone since that Windows still means by it.
    match name {
        "Central Asia Standard Time" => return Some(Tz::Asia__Bishkek),
        "Mountain Standard Time (Mexico)" => return Some(Tz::America__Mazatlan),
        "South Sudan Standard Time" => return Some(Tz::Africa__Juba),
        _ => {}
    }
    let is_windows = name.contains(" Standard Time") || name.starts_with("Russia Time Zone") || name.starts_with("UTC");
    if is_windows && !name.starts_with(['(', '/']) { guess(name) } else { None }
}

/// One of the names of other makers that `calcard` knows.
fn guess(name: &str) -> Option<Tz> {
    let Ok(CalendarTz::Tz(zone)) = name.parse() else { return None };
    // From "(UTC+05:30) Anywhere" it takes five whole hours, the same all year, where it does not know the place.
    let is_of_offset_only = name.trim_start().starts_with('(') && zone.name().starts_with("Etc/GMT");
    (!is_of_offset_only).then_some(zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none_defined() -> Zones {
        Zones::of(&[], 2020..=2030).unwrap()
    }

    #[test]
    fn all_names_of_windows_mean_what_cldr_says() {
        // Made with `oracle/windows_zones.py`.
        let names: BTreeMap<String, String> =
            serde_json::from_str(include_str!("../tests/oracle/windows_zones.json")).unwrap();
        assert!(names.len() >= 139);
        for (name, expected) in names {
            let expected: Tz = expected.parse().unwrap();
            let found = none_defined().named(&name).unwrap().iana().unwrap();
            // CLDR keeps old names of some zones; the clock counts.
            assert!(have_one_clock(found, expected), "{name}: {found}, not {expected}");
        }
    }

    fn have_one_clock(one: Tz, other: Tz) -> bool {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_time(chrono::NaiveTime::MIN).and_utc();
        (0..365)
            .map(|days| day + chrono::TimeDelta::days(days))
            .all(|at| Zone::Iana(one).wall_clock(at) == Zone::Iana(other).wall_clock(at))
    }

    #[test]
    fn a_name_with_an_offset_is_known_by_its_place_not_by_its_offset() {
        let zone = none_defined().named("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna").unwrap();
        assert_eq!(zone.iana(), Some(Tz::Europe__Berlin));
        assert!(none_defined().named("(UTC+05:30) Somewhere else").is_err());
    }

    #[test]
    fn a_definition_is_stronger_than_a_guess_and_weaker_than_an_exact_name() {
        let define = |name: &str| {
            let lines = [
                "BEGIN:VTIMEZONE",
                &format!("TZID:{name}"),
                "BEGIN:STANDARD",
                "DTSTART:19700101T000000",
                "TZOFFSETFROM:+0700",
                "TZOFFSETTO:+0700",
                "END:STANDARD",
                "END:VTIMEZONE",
            ]
            .map(str::to_owned);
            Zones::of(&lines, 2020..=2030).unwrap().named(name).unwrap().iana()
        };
        assert_eq!(define("Eastern"), None);
        assert_eq!(define("/example.org/Europe/Berlin"), None);
        assert_eq!(define("Europe/Berlin"), Some(Tz::Europe__Berlin));
        assert_eq!(define("W. Europe Standard Time"), Some(Tz::Europe__Berlin));
        assert_eq!(none_defined().named("Eastern").unwrap().iana(), Some(Tz::America__New_York));
    }

    #[test]
    fn a_damaged_definition_harms_only_who_uses_it() {
        let lines = ["BEGIN:VTIMEZONE", "TZID:Broken", "END:VTIMEZONE"].map(str::to_owned);
        let mut zones = Zones::of(&lines, 2020..=2030).unwrap();
        assert!(zones.named("Europe/Berlin").is_ok());
        assert!(zones.named("Broken").is_err());
    }

    #[test]
    fn more_zones_than_the_limit_are_refused() {
        let lines: Vec<String> = (0..=OWN_ZONES_MAX)
            .flat_map(|number| ["BEGIN:VTIMEZONE".to_owned(), format!("TZID:{number}"), "END:VTIMEZONE".to_owned()])
            .collect();
        assert!(matches!(Zones::of(&lines, 2020..=2030), Err(ExpandError::TooMany { .. })));
    }
}
