//! When something is due: at once, or at an instant.

use evercal_domain::UnixMs;
use serde::{Deserialize, Serialize};

/// When something is to be done. What is due at once comes before every instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// At once.
    #[default]
    Now,
    /// From this instant on.
    At(UnixMs),
}

impl Due {
    /// Whether it is to be done by now.
    pub fn has_come(self, now: UnixMs) -> bool {
        match self {
            Self::Now => true,
            Self::At(at) => at <= now,
        }
    }

    /// The instant that has to be waited for, where it is not due at once.
    pub fn instant(self) -> Option<UnixMs> {
        match self {
            Self::Now => None,
            Self::At(at) => Some(at),
        }
    }

    /// How long it takes until then, in milliseconds; zero when it is due by now.
    pub fn left_ms(self, now: UnixMs) -> i64 {
        self.instant().map_or(0, |at| at.since_ms(now).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixMs = UnixMs::new(43_200_000);

    #[test]
    fn what_is_due_at_once_comes_before_every_instant() {
        assert!(Due::Now < Due::At(UnixMs::new(i64::MIN)));
        assert!(Due::At(NOON) < Due::At(NOON.plus_ms(1)));
    }

    #[test]
    fn an_instant_has_come_when_it_is_reached_and_until_then_time_is_left() {
        for (due, has_come, left_ms) in [
            (Due::Now, true, 0),
            (Due::At(NOON), true, 0),
            (Due::At(NOON.minus_ms(5)), true, 0),
            (Due::At(NOON.plus_ms(5)), false, 5),
        ] {
            assert_eq!((due.has_come(NOON), due.left_ms(NOON)), (has_come, left_ms), "{due:?}");
        }
    }
}
