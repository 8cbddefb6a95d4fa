//! The clock of a series: that of a zone that has a name, or of one that a calendar object defines itself.
//!
//! Not for: names of zones (`zone_names`), reading definitions (`own_zone`).

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use evercal_domain::Zone;
use evercal_domain::zones::Clock;

use crate::own_zone::OwnZone;

/// A time zone with its clock, looked up once for all times of a series.
#[derive(Debug, Clone)]
pub(crate) enum WallClock {
    Named { zone: Zone, clock: Clock },
    Own(Arc<OwnZone>),
}

impl WallClock {
    pub(crate) fn of(zone: Zone) -> Self {
        Self::Named { zone, clock: zone.clock() }
    }

    /// What the domain can name; an own zone has no name outside of its object.
    pub(crate) fn zone(&self) -> Option<Zone> {
        match self {
            Self::Named { zone, .. } => Some(*zone),
            Self::Own(_) => None,
        }
    }

    /// A wall-clock time as an instant. One that does not exist counts with the offset before the gap (so 02:30 becomes
    /// 03:30), one that comes twice means the first (RFC 5545 §3.3.5).
    pub(crate) fn instant_of(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self {
            Self::Named { clock, .. } => clock.instant_of(local),
            Self::Own(zone) => zone.instant_of(local).and_utc(),
        }
    }

    /// What the clock on the wall shows at an instant.
    pub(crate) fn at(&self, at: DateTime<Utc>) -> NaiveDateTime {
        match self {
            Self::Named { clock, .. } => clock.wall_clock(at),
            Self::Own(zone) => {
                let utc = at.naive_utc();
                utc.checked_add_offset(zone.offset_at(utc)).unwrap_or(utc)
            }
        }
    }
}

impl PartialEq for WallClock {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named { zone, .. }, Self::Named { zone: other, .. }) => zone == other,
            (Self::Own(zone), Self::Own(other)) => zone == other,
            _ => false,
        }
    }
}

impl Eq for WallClock {}
