use super::*;
use crate::shared::waits::WaitReason;

fn at(ms: i64) -> UnixMs {
    UnixMs::new(ms)
}

#[test]
fn what_is_merged_keeps_the_most_urgent_reason_the_first_arrival_and_what_was_done() {
    let mut sync = SyncProgress::default();
    sync.add(SyncReason::Reconcile, 0, None);
    sync.add(SyncReason::Notice, 3, Some(at(70)));
    sync.add(SyncReason::Notice, 2, Some(at(50)));
    let so_far = SyncCounts { started_at: Some(at(9)), pages: 2, ..SyncCounts::default() };
    sync.merge(PendingSync { so_far, ..PendingSync::of(SyncReason::Connect, 0, None) });
    let pending = sync.pending.unwrap();
    assert_eq!((pending.reason, pending.notices, pending.received_at), (SyncReason::Notice, 5, Some(at(50))));
    assert_eq!(pending.so_far, so_far);
}

fn deferred(reason: SyncReason, until: UnixMs) -> PendingSync {
    let wait = Some(Wait { until, reason: WaitReason::RetryAfter });
    PendingSync { wait, failed_attempts: 2, ..PendingSync::of(reason, 0, None) }
}

#[test]
fn a_wait_ends_early_only_for_a_person_and_for_what_is_more_urgent() {
    for (paused, joined_by, waits_on) in [
        (SyncReason::Notice, SyncReason::Notice, true),
        (SyncReason::Notice, SyncReason::Reconcile, true),
        (SyncReason::Notice, SyncReason::Operator, false),
        (SyncReason::Operator, SyncReason::Operator, false),
        (SyncReason::Connect, SyncReason::NewChannel, true),
        (SyncReason::Connect, SyncReason::Notice, false),
    ] {
        let (mut late, mut early) = (SyncProgress::default(), SyncProgress::default());
        late.merge(deferred(paused, at(70)));
        late.add(joined_by, 1, None);
        early.add(joined_by, 1, None);
        early.merge(deferred(paused, at(70)));
        for sync in [late, early] {
            let pending = sync.pending.unwrap();
            let until = pending.wait.map(|wait| wait.until);
            assert_eq!(until, waits_on.then_some(at(70)), "{paused:?} joined by {joined_by:?}");
            assert_eq!(pending.failed_attempts, if waits_on { 2 } else { 0 }, "who passes begins anew");
        }
    }
}

#[test]
fn the_next_sync_serves_what_failed_before_it_too() {
    let failed = PendingSync::of(SyncReason::Notice, 2, Some(at(50))).after_failure();
    let mut sync = SyncProgress { failed: Some(failed), ..SyncProgress::default() };
    assert_eq!(sync.take(), None, "not before the next reconcile");
    sync.add(SyncReason::Poll, 0, None);
    assert_eq!(sync.take(), Some(PendingSync::of(SyncReason::Notice, 2, Some(at(50)))));
    sync.add(SyncReason::Poll, 0, None);
    assert_eq!(sync.take().unwrap().reason, SyncReason::Poll, "once");
}

#[test]
fn a_failed_sync_that_somebody_asked_for_is_repeated_as_one_that_nobody_waits_for() {
    let repeated = |notices| PendingSync::of(SyncReason::Operator, notices, None).after_failure().reason;
    assert_eq!(repeated(0), SyncReason::Reconcile);
    assert_eq!(repeated(1), SyncReason::Notice, "the change was announced");
}
