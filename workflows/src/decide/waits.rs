//! How long a provider's wish to be left alone is kept (`Retry-After`), and from when on people have to see it.
//!
//! One rule for every call of an account: for a while a wish is kept without a word; what is longer is shown with its end; and
//! none is believed for longer than an hour unless the provider repeats it at the end of that hour. An operator, a user's sync
//! and a new consent do not wait at all; that is up to the caller.

/// A wait of up to this long is nobody's concern, in milliseconds.
pub const UNSPOKEN_MS: i64 = 15 * 60 * 1_000;
/// A wish is kept for this long before the provider is asked again whether it means it, in milliseconds.
pub const UNREPEATED_MAX_MS: i64 = 3_600_000;
/// However often it is repeated, no wish is kept for longer than this, in milliseconds.
pub const REPEATED_MAX_MS: i64 = 24 * 3_600_000;

/// How long a wish is kept, in milliseconds. It is a repeated one when the one before it was kept to its end.
pub fn kept_ms(wish_ms: i64, is_repeated: bool) -> i64 {
    wish_ms.clamp(0, if is_repeated { REPEATED_MAX_MS } else { UNREPEATED_MAX_MS })
}

/// Whether a wait has to be shown, with its end.
pub fn is_shown(wait_ms: i64) -> bool {
    wait_ms > UNSPOKEN_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn a_wish_is_kept_for_an_hour_at_most_unless_it_is_repeated() {
        for (wish_ms, is_repeated, kept) in [
            (-1, false, 0),
            (10 * MINUTE_MS, false, 10 * MINUTE_MS),
            (60 * MINUTE_MS, false, 60 * MINUTE_MS),
            (24 * 60 * MINUTE_MS, false, 60 * MINUTE_MS),
            (24 * 60 * MINUTE_MS, true, 24 * 60 * MINUTE_MS),
            (i64::MAX, true, 24 * 60 * MINUTE_MS),
        ] {
            assert_eq!(kept_ms(wish_ms, is_repeated), kept, "{wish_ms} {is_repeated}");
        }
    }

    #[test]
    fn what_is_longer_than_a_quarter_of_an_hour_is_shown() {
        assert!(!is_shown(15 * MINUTE_MS));
        assert!(is_shown(15 * MINUTE_MS + 1));
    }
}
