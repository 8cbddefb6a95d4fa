//! What the sync lane makes of its reasons and outcomes.

use evercal_domain::{Priority, SyncReason, SyncStrategy};

use super::jitter;
use crate::retry::Timing;

/// When the next look without a reason is due.
pub fn reconcile_due_ms(timing: &Timing, id: &str, round: u64, now_ms: i64) -> i64 {
    now_ms + i64::from(jitter::around(timing.reconcile_interval_s, 10, id, round)) * 1_000
}

/// Whether a waiting reason may push aside the sync that is running (or sits in its backoff): when it is more urgent, and
/// somebody waits for it or the provider said that something changed. Routine waits its turn; a first read in particular is
/// not restarted by the channel that opens beside it. Pages are committed with their cursor, so the new attempt goes on
/// where the old one was.
pub fn overtakes(waiting: Option<SyncReason>, running: Priority) -> bool {
    waiting.is_some_and(|reason| reason.priority() < running && reason.priority() <= Priority::High)
}

/// Looks in a row that found changes which no notice announced. Reconciles are such looks, and a sync for any other reason
/// proves nothing. Where a poller looks beside the channel, it finds first what a reconcile would: then its looks count
/// too, and one that finds nothing proves nothing, since most of them do not.
pub fn missed_pushes(
    before: u32,
    reason: SyncReason,
    strategy: SyncStrategy,
    has_channel: bool,
    unannounced: i64,
) -> u32 {
    let found = has_channel && unannounced > 0;
    match (reason, strategy) {
        (SyncReason::Reconcile | SyncReason::Poll, SyncStrategy::Hybrid) if has_channel => {
            before.saturating_add(u32::from(found))
        }
        (SyncReason::Reconcile, _) if found => before.saturating_add(1),
        (SyncReason::Reconcile | SyncReason::Notice, _) => 0,
        _ => before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_more_urgent_reason_overtakes() {
        assert!(overtakes(Some(SyncReason::Operator), Priority::High));
        assert!(overtakes(Some(SyncReason::Notice), Priority::Low));
        assert!(!overtakes(Some(SyncReason::Notice), Priority::High), "a flood of notices must not restart itself");
        assert!(!overtakes(Some(SyncReason::NewChannel), Priority::Low), "routine waits for the first read");
        assert!(!overtakes(None, Priority::Low));
    }

    #[test]
    fn a_notice_clears_the_suspicion_against_the_channel() {
        let after = |reason, has_channel, found| missed_pushes(2, reason, SyncStrategy::Webhook, has_channel, found);
        assert_eq!(after(SyncReason::Reconcile, true, 4), 3);
        assert_eq!(after(SyncReason::Reconcile, true, 0), 0);
        assert_eq!(after(SyncReason::Notice, true, 0), 0);
        assert_eq!(after(SyncReason::Operator, true, 9), 2, "an operator may be faster than a notice");
        assert_eq!(after(SyncReason::Poll, true, 9), 2, "the poller stands in: the channel is under suspicion already");
        assert_eq!(after(SyncReason::Reconcile, false, 9), 0, "no channel, nothing missed");
    }

    #[test]
    fn where_a_poller_looks_beside_the_channel_its_finds_are_missed_pushes() {
        let after = |reason, has_channel, found| missed_pushes(2, reason, SyncStrategy::Hybrid, has_channel, found);
        for reason in [SyncReason::Poll, SyncReason::Reconcile] {
            assert_eq!(after(reason, true, 4), 3, "{reason:?}");
            assert_eq!(after(reason, true, 0), 2, "{reason:?}: most looks find nothing, and prove nothing");
        }
        assert_eq!(after(SyncReason::Notice, true, 0), 0);
        assert_eq!(after(SyncReason::Poll, false, 9), 2, "no channel, nothing missed");
        assert_eq!(after(SyncReason::Reconcile, false, 9), 0, "no channel, nothing missed");
    }

    #[test]
    fn reconciles_of_a_fleet_do_not_fall_together() {
        let timing = Timing::default();
        let due: std::collections::BTreeSet<i64> =
            (0..100).map(|n| reconcile_due_ms(&timing, &format!("cal_{n}"), 0, 0)).collect();
        assert!(due.len() > 90, "{} different moments", due.len());
    }
}
