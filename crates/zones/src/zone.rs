//! A time zone by its name.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Clock;
use crate::{data, fixed};

/// A time zone that can be named: one of IANA's, or a fixed offset, whose name is as in `+02:00`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zone(pub(crate) &'static str);

/// There is no zone of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone of this name")]
pub struct UnknownZone;

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self("UTC");

    /// A zone of IANA, as IANA writes it; letter case makes no difference.
    pub fn of_iana(name: &str) -> Option<Self> {
        data::current().canonical(name).map(Self)
    }

    /// A fixed offset: `+02:00`, `GMT+2`, `UTC-05:30`. East of Greenwich is plus, as in the names that providers send.
    pub fn of_offset(name: &str) -> Option<Self> {
        let offset = fixed::read(name)?;
        Some(if offset.local_minus_utc() == 0 { Self::UTC } else { Self(fixed::name(offset)) })
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Its clock by the data of this moment; for many conversions, taken once.
    pub fn clock(self) -> Clock {
        data::current().clock(self.0)
    }

    /// A wall-clock time as an instant. One that does not exist counts with the offset before the gap (so 02:30 becomes
    /// 03:30), one that comes twice means the first (RFC 5545 §3.3.5).
    pub fn instant_of(self, local: NaiveDateTime) -> DateTime<Utc> {
        self.clock().instant_of(local)
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        Self::of_iana(name).or_else(|| Self::of_offset(name)).ok_or(UnknownZone)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
