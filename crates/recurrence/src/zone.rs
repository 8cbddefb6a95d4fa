//! The clock of a zone: IANA's, or one that a calendar object defines itself.
//!
//! Not for: names of zones (`zone_names`), reading definitions (`own_zone`).

use std::sync::Arc;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::own_zone::OwnZone;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Zone {
    Iana(Tz),
    Own(Arc<OwnZone>),
}

impl Zone {
    /// What the domain can name; an own zone has no name outside of its object.
    pub(crate) fn iana(&self) -> Option<Tz> {
        match self {
            Self::Iana(zone) => Some(*zone),
            Self::Own(_) => None,
        }
    }

    /// A wall-clock time as an instant. One that does not exist counts with the offset before the gap (so 02:30 becomes
    /// 03:30), one that comes twice means the first (RFC 5545 §3.3.5).
    pub(crate) fn instant_of(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let zone = match self {
            Self::Iana(zone) => zone,
            Self::Own(zone) => return zone.instant_of(local).and_utc(),
        };
        match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(time) | MappedLocalTime::Ambiguous(time, _) => time.with_timezone(&Utc),
            MappedLocalTime::None => {
                // No zone is more than a day ahead of UTC, so this is before the gap; none has two gaps within two days.
                let before = local.checked_sub_signed(TimeDelta::days(1)).unwrap_or(local);
                let offset = zone.offset_from_utc_datetime(&before).fix();
                local.checked_sub_offset(offset).unwrap_or(local).and_utc()
            }
        }
    }

    pub(crate) fn wall_clock(&self, at: DateTime<Utc>) -> NaiveDateTime {
        let utc = at.naive_utc();
        let offset = match self {
            Self::Iana(zone) => zone.offset_from_utc_datetime(&utc).fix(),
            Self::Own(zone) => zone.offset_at(utc),
        };
        utc.checked_add_offset(offset).unwrap_or(utc)
    }
}
