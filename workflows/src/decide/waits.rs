//! How long a provider's wish to be left alone (`Retry-After`) is kept, the same for every call of every workflow.
//!
//! A wish is a number from outside: one of a day, said once by mistake, must not put an account to sleep for a day. It is kept
//! for up to an hour; then the call is made again, and a provider that means it repeats itself. What is longer than a quarter
//! of an hour is shown to people from the start, with its end. Not for: who may pass a wait (a person who asks for something).

/// A wish up to this is kept without a word, in milliseconds.
pub const SILENT_WAIT_MAX_MS: i64 = 15 * 60 * 1_000;
/// A wish is kept for at most this long before the provider is asked again, in milliseconds.
pub const WAIT_MAX_MS: i64 = 3_600 * 1_000;

/// A wait that a provider asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// When the call is made again, as Unix milliseconds.
    pub until_ms: i64,
    /// Whether people see it, with its end.
    pub is_shown: bool,
}

/// What becomes of a provider's wish to wait for `wish_ms` from now on. A wish of nothing is no wait.
pub fn kept(wish_ms: i64, now_ms: i64) -> Option<Wait> {
    let wait_ms = wish_ms.min(WAIT_MAX_MS);
    (wait_ms > 0).then(|| Wait { until_ms: now_ms.saturating_add(wait_ms), is_shown: wish_ms > SILENT_WAIT_MAX_MS })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn a_wish_up_to_a_quarter_of_an_hour_is_kept_without_a_word() {
        assert_eq!(kept(1_000, 7), Some(Wait { until_ms: 1_007, is_shown: false }));
        assert_eq!(kept(15 * MINUTE_MS, 0), Some(Wait { until_ms: 15 * MINUTE_MS, is_shown: false }));
    }

    #[test]
    fn a_longer_one_is_shown_and_one_of_a_day_is_asked_again_after_an_hour() {
        assert_eq!(kept(15 * MINUTE_MS + 1, 0), Some(Wait { until_ms: 15 * MINUTE_MS + 1, is_shown: true }));
        assert_eq!(kept(86_400_000, 5), Some(Wait { until_ms: WAIT_MAX_MS + 5, is_shown: true }));
        assert_eq!(kept(i64::MAX, i64::MAX), Some(Wait { until_ms: i64::MAX, is_shown: true }));
    }

    #[test]
    fn no_wish_is_no_wait() {
        assert_eq!(kept(0, 5), None);
        assert_eq!(kept(-1, 5), None);
    }
}
