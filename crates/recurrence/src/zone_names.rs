//! What a `TZID` means: an IANA name, a Windows name, a zone that the object defines itself, a fixed offset (`GMT+02:00`),
//! or another maker's name.
//!
//! In that order: the first two are exact, and IANA's rules are newer than those that old clients write out; some of them
//! call a zone with summer time "GMT+0100", and define it. The names that `calcard` knows beside them ("Eastern",
//! "Amsterdam, Berlin, …") are guesses. Of `calcard` only names are taken: its own data of zones are older than ours.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use calcard::common::timezone::Tz as CalendarTz;
use evercal_domain::Zone;

use crate::{ExpandError, own_zone::OwnZone, zone::WallClock};

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

    /// `None` for a name that nobody knows.
    pub(crate) fn named(&mut self, name: &str) -> Result<Option<WallClock>, ExpandError> {
        if let Some(zone) = exact(name) {
            return Ok(Some(WallClock::of(zone)));
        }
        if let Some(zone) = self.read.get(name) {
            return Ok(Some(WallClock::Own(Arc::clone(zone))));
        }
        if let Some(definition) = self.definitions.get(name) {
            let zone = Arc::new(OwnZone::read(definition, &self.years)?);
            self.read.insert(name.to_owned(), Arc::clone(&zone));
            return Ok(Some(WallClock::Own(zone)));
        }
        Ok(Zone::of_offset(name).or_else(|| guess(name)).map(WallClock::of))
    }

    /// Whether a name means something, without reading definitions.
    pub(crate) fn knows(&self, name: &str) -> bool {
        exact(name).or_else(|| Zone::of_offset(name)).or_else(|| guess(name)).is_some()
            || self.definitions.contains_key(name)
    }

    /// The lines that define a zone, if its name means one that the object defines.
    pub(crate) fn definition(&self, name: &str) -> Option<&[String]> {
        self.definitions.get(name).filter(|_| exact(name).is_none()).map(Vec::as_slice)
    }
}

/// An IANA name, or one of Windows (CLDR `windowsZones`).
fn exact(name: &str) -> Option<Zone> {
    let name = name.trim();
    if let Some(zone) = Zone::of_iana(name) {
        return Some(zone);
    }
    // What `calcard` 0.3 has wrong, or lacks. Two of its cities have left the zone since that Windows still means by it.
    match name {
        "Central Asia Standard Time" => return Zone::of_iana("Asia/Bishkek"),
        "Mountain Standard Time (Mexico)" => return Zone::of_iana("America/Mazatlan"),
        "South Sudan Standard Time" => return Zone::of_iana("Africa/Juba"),
        _ => {}
    }
    // The names that begin with UTC are fixed offsets.
    let is_windows = name.contains(" Standard Time") || name.starts_with("Russia Time Zone");
    if is_windows && !name.starts_with(['(', '/']) { guess(name) } else { None }
}

/// One of the names of other makers that `calcard` knows.
fn guess(name: &str) -> Option<Zone> {
    let Ok(CalendarTz::Tz(zone)) = name.parse() else { return None };
    // From "(UTC+05:30) Anywhere" it takes five whole hours, the same all year, where it does not know the place.
    let is_of_offset_only = name.trim_start().starts_with('(') && zone.name().starts_with("Etc/GMT");
    if is_of_offset_only { None } else { Zone::of_iana(zone.name()) }
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
            let expected: Zone = expected.parse().unwrap();
            let found = named(&name).unwrap();
            // CLDR keeps old names of some zones; the clock counts.
            assert!(have_one_clock(found, expected), "{name}: {found}, not {expected}");
        }
    }

    fn named(name: &str) -> Option<Zone> {
        none_defined().named(name).unwrap().and_then(|clock| clock.zone())
    }

    fn zone(name: &str) -> Option<Zone> {
        Zone::of_iana(name)
    }

    fn have_one_clock(one: Zone, other: Zone) -> bool {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_time(chrono::NaiveTime::MIN).and_utc();
        (0..365).map(|days| day + chrono::TimeDelta::days(days)).all(|at| one.wall_clock(at) == other.wall_clock(at))
    }

    #[test]
    fn a_name_with_an_offset_is_known_by_its_place_not_by_its_offset() {
        assert_eq!(named("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"), zone("Europe/Berlin"));
        assert_eq!(named("(UTC+05:30) Somewhere else"), None);
    }

    #[test]
    fn fixed_offsets_are_read_as_they_are_meant() {
        for (name, hours) in [("GMT+02:00", 2), ("UTC-5", -5), ("UTC-11", -11), ("UTC+13", 13), ("Etc/GMT+3", -3)] {
            let offset = named(name).unwrap().offset_at(chrono::DateTime::UNIX_EPOCH);
            assert_eq!(offset.local_minus_utc(), hours * 3_600, "{name}");
        }
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
            Zones::of(&lines, 2020..=2030).unwrap().named(name).unwrap().unwrap().zone()
        };
        assert_eq!(define("Eastern"), None);
        assert_eq!(define("/example.org/Europe/Berlin"), None);
        assert_eq!(define("GMT+0100"), None);
        assert_eq!(define("Europe/Berlin"), zone("Europe/Berlin"));
        assert_eq!(define("W. Europe Standard Time"), zone("Europe/Berlin"));
        assert_eq!(named("Eastern"), zone("America/New_York"));
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
