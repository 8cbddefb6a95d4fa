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

/// An IANA name, or one of Windows (CLDR `windowsZones`); none for any other.
pub fn exact(name: &str) -> Option<Zone> {
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
mod tests;
