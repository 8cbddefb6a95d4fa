//! When a list of events is not read any further: it comes from outside, and may have no end.

use chrono::TimeDelta;
use evercal_domain::limits::{EMPTY_PAGES_IN_A_ROW_MAX, EVENTS_PER_PASS_MAX, PAGES_PER_PASS_MAX};
use evercal_workflows::contract::SyncCounts;

use crate::failure::PassLimit;

/// How long a pass may take from its first page on. One that takes longer is read anew.
const PASS_DURATION_MAX: TimeDelta = TimeDelta::hours(24);

/// The limit that a pass has reached which has read so much and is so old.
pub(super) fn reached(counts: &SyncCounts, age: TimeDelta) -> Option<PassLimit> {
    if counts.empty_pages >= i64::from(EMPTY_PAGES_IN_A_ROW_MAX) {
        Some(PassLimit::EmptyPages)
    } else if counts.pages >= i64::from(PAGES_PER_PASS_MAX) {
        Some(PassLimit::Pages)
    } else if counts.items >= EVENTS_PER_PASS_MAX {
        Some(PassLimit::Events)
    } else if age > PASS_DURATION_MAX {
        Some(PassLimit::Duration)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_has_a_limit_on_pages_on_events_and_on_time_and_none_below_them() {
        let pages = |pages| SyncCounts { pages, ..SyncCounts::default() };
        let empty_pages = |empty_pages| SyncCounts { empty_pages, ..SyncCounts::default() };
        let items = |items| SyncCounts { items, ..SyncCounts::default() };
        let day = TimeDelta::hours(24);
        let cases = [
            (SyncCounts { empty_pages: 99, pages: 9_999, items: 1_999_999, ..SyncCounts::default() }, day, None),
            (empty_pages(100), TimeDelta::zero(), Some(PassLimit::EmptyPages)),
            (pages(10_000), TimeDelta::zero(), Some(PassLimit::Pages)),
            (items(2_000_000), TimeDelta::zero(), Some(PassLimit::Events)),
            (SyncCounts::default(), day + TimeDelta::seconds(1), Some(PassLimit::Duration)),
        ];
        for (counts, age, expected) in cases {
            assert_eq!(reached(&counts, age), expected, "{counts:?} after {age}");
        }
    }
}
