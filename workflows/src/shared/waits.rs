//! Waits before the next attempt: how long a provider's `Retry-After` is kept, and from when on people have to see it.
//!
//! One rule for every call of an account: for a while a `Retry-After` is kept without a word; what is longer is shown with
//! its end; and none is kept for longer than an hour unless the provider repeats it at the end of that hour. An operator, a
//! user's sync and a new consent do not wait at all; that is up to the caller.

use evercal_domain::UnixMs;
use serde::{Deserialize, Serialize};

use super::jitter;
use crate::contract::Cause;
use crate::retry::{STORE_PAUSE_MS, Timing, WIDER_PAUSE_MS};

/// A wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Its end.
    pub until: UnixMs,
    /// Why.
    pub reason: WaitReason,
}

/// Why an attempt waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// What failed may work again at any moment: then the wait is cut short.
    #[default]
    Recovery,
    /// The provider asked for it.
    RetryAfter,
}

/// A wait of up to this long is nobody's concern, in milliseconds.
pub const UNSPOKEN_MS: i64 = 15 * 60 * 1_000;
/// A `Retry-After` is kept for this long before the provider is called again, in milliseconds.
pub const UNREPEATED_MAX_MS: i64 = 3_600_000;
/// However often it is repeated, no `Retry-After` is kept for longer than this, in milliseconds.
pub const REPEATED_MAX_MS: i64 = 24 * 3_600_000;

/// How long a `Retry-After` is kept, in milliseconds. It is a repeated one when the one before it was kept to its end.
pub fn kept_ms(retry_after_ms: i64, is_repeated: bool) -> i64 {
    retry_after_ms.clamp(0, if is_repeated { REPEATED_MAX_MS } else { UNREPEATED_MAX_MS })
}

/// Whether a wait has to be shown, with its end.
pub fn is_shown(wait_ms: i64) -> bool {
    wait_ms > UNSPOKEN_MS
}

/// Whether the provider repeats a `Retry-After`: the one before it was kept to its end.
pub fn is_repeated(retry_after_until: Option<UnixMs>, now: UnixMs) -> bool {
    retry_after_until.is_some_and(|until| until <= now)
}

/// The pause after what is refused whatever the calendar, in milliseconds: short for a store of ours, and such that a
/// provider's refusal of everything is over here within five minutes after its end.
pub(crate) fn wider_pause_ms(cause: Cause, timing: &Timing, id: &str) -> i64 {
    let longest_ms = if cause == Cause::Store { STORE_PAUSE_MS } else { WIDER_PAUSE_MS };
    let longest_ms = longest_ms.min(i64::from(timing.failed_sync_pause_s) * 1_000);
    let spread_ms = jitter::offset(id, "wider refusal", u64::try_from(longest_ms / 4).unwrap_or(0) + 1);
    longest_ms - i64::try_from(spread_ms).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn a_wish_is_kept_for_an_hour_at_most_unless_it_is_repeated() {
        for (retry_after_ms, is_repeated, kept) in [
            (-1, false, 0),
            (10 * MINUTE_MS, false, 10 * MINUTE_MS),
            (60 * MINUTE_MS, false, 60 * MINUTE_MS),
            (24 * 60 * MINUTE_MS, false, 60 * MINUTE_MS),
            (24 * 60 * MINUTE_MS, true, 24 * 60 * MINUTE_MS),
            (i64::MAX, true, 24 * 60 * MINUTE_MS),
        ] {
            assert_eq!(kept_ms(retry_after_ms, is_repeated), kept, "{retry_after_ms} {is_repeated}");
        }
    }

    #[test]
    fn what_is_longer_than_a_quarter_of_an_hour_is_shown() {
        assert!(!is_shown(15 * MINUTE_MS));
        assert!(is_shown(15 * MINUTE_MS + 1));
    }
}
