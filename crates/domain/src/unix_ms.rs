//! An instant as payloads and workflows know it: whole milliseconds, equal after every trip through JSON.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z; on the wire a plain number. Computing with it stops at the ends of `i64`, where
/// others would panic: a workflow that panics stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(i64);

impl UnixMs {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// Later than everything that happens.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant so many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn new(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// So many milliseconds later, or earlier where they are negative.
    #[must_use]
    pub const fn plus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// So many seconds later.
    #[must_use]
    pub fn plus_s(self, seconds: u32) -> Self {
        self.plus_ms(i64::from(seconds) * 1_000)
    }

    /// So many milliseconds earlier, or later where they are negative.
    #[must_use]
    pub const fn minus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_sub(milliseconds))
    }

    /// Milliseconds that have passed since `earlier`; negative where that comes after this one.
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long it takes from `now` until this instant; zero when it has come.
    pub fn time_left(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.since_ms(now)).unwrap_or(0))
    }

    /// The same instant for a store or a provider. One outside of what chrono knows, some 262,000 years from now, becomes the
    /// end of that range.
    pub fn to_datetime(self) -> DateTime<Utc> {
        let end = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        DateTime::from_timestamp_millis(self.0).unwrap_or(end)
    }
}

/// What is finer than a millisecond is cut off.
impl From<DateTime<Utc>> for UnixMs {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_millis())
    }
}

/// For people, by the minute.
impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_datetime().format("%Y-%m-%d %H:%M UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_wire_it_is_a_number_of_milliseconds() {
        let at = UnixMs::new(1_764_489_600_123);
        assert_eq!(serde_json::to_string(&at).unwrap(), "1764489600123");
        assert_eq!(serde_json::from_str::<UnixMs>("1764489600123").unwrap(), at);
    }

    #[test]
    fn it_is_the_same_instant_as_a_datetime_to_the_millisecond_and_people_read_it_by_the_minute() {
        let at = UnixMs::new(1_764_489_600_123);
        assert_eq!(UnixMs::from(at.to_datetime()), at);
        assert_eq!(at.to_string(), "2025-11-30 08:00 UTC");
    }

    #[test]
    fn computing_with_it_stops_at_the_ends_of_time() {
        assert_eq!(UnixMs::MAX.plus_ms(1), UnixMs::MAX);
        assert_eq!(UnixMs::MAX.plus_s(u32::MAX), UnixMs::MAX);
        assert_eq!(UnixMs::new(i64::MIN).minus_ms(1), UnixMs::new(i64::MIN));
        assert_eq!(UnixMs::MAX.since_ms(UnixMs::new(-1)), i64::MAX);
        assert_eq!(UnixMs::MAX.to_datetime(), DateTime::<Utc>::MAX_UTC);
    }

    #[test]
    fn what_has_come_leaves_no_time() {
        assert_eq!(UnixMs::new(5).time_left(UnixMs::new(7)), Duration::ZERO);
        assert_eq!(UnixMs::new(7).time_left(UnixMs::new(5)), Duration::from_millis(2));
    }
}
