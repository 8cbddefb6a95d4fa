//! What the sync lane makes of its reasons and outcomes.

use evercal_domain::{Priority, ProviderErrorKind, RetryClass, SyncReason, SyncStrategy, UnixMs};

use crate::contract::Cause;
use crate::retry::{
    ASKED_WAIT_MIN_MS, BACKOFF_DOUBLINGS_MAX, BACKOFF_MAX_MS, CONFIRM_REFUSAL_MS, REFUSED_PAUSE_MAX_MS, Timing,
};
use crate::shared::failure::FailedCall;
use crate::shared::jitter;
use crate::shared::waits::{self, Wait, WaitReason};

/// When the next look without a reason is due.
pub fn reconcile_due_at(timing: &Timing, id: &str, round: u64, now: UnixMs) -> UnixMs {
    now.plus_s(jitter::around(timing.reconcile_interval_s, 10, id, round))
}

/// Whether a waiting reason may push aside the sync that is running (or sits in its backoff): when it is more urgent, and
/// somebody waits for it or the provider said that something changed. Routine waits its turn; a first read in particular is
/// not restarted by the channel that opens beside it. Pages are committed with their cursor, so the new attempt goes on
/// where the old one was.
pub fn overtakes(waiting: Option<SyncReason>, running: Priority) -> bool {
    waiting.is_some_and(|reason| reason.priority() < running && reason.priority() <= Priority::High)
}

/// Whether a waiting reason passes a wait before the next attempt: it may push the job aside, or a person asks.
pub fn passes_wait(waiting: Option<SyncReason>, running: Priority) -> bool {
    waiting == Some(SyncReason::Operator) || overtakes(waiting, running)
}

/// What a failed attempt at a sync leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Another attempt.
    Repeat {
        /// Until then.
        wait: Wait,
        /// Whether it is one of the attempts that the job has.
        is_counted: bool,
    },
    /// The job has failed; the next look comes after a pause.
    GiveUp,
}

/// Decides what a failed attempt leads to. `failed_attempts` are those of this job that counted before it.
pub(crate) fn after_failure(
    failed: &FailedCall,
    reason: SyncReason,
    failed_attempts: u32,
    wish_until: Option<UnixMs>,
    timing: &Timing,
    id: &str,
    now: UnixMs,
) -> AfterFailure {
    let is_repeated = waits::is_repeated(wish_until, now);
    let wish_ms = failed.asked_wait_ms.map_or(0, |wish_ms| waits::kept_ms(wish_ms, is_repeated));
    match failed.cause() {
        cause if cause.is_wider() => {
            let until = now.plus_ms(waits::wider_pause_ms(cause, timing, id));
            AfterFailure::Repeat { wait: Wait { until, reason: WaitReason::Recovery }, is_counted: false }
        }
        Cause::EndlessList => AfterFailure::GiveUp,
        Cause::Provider(kind) if kind.retry_class() == RetryClass::Permanent => AfterFailure::GiveUp,
        // The provider says when: that is no failure of the job.
        Cause::Provider(_) if failed.asked_wait_ms.is_some_and(|wish_ms| wish_ms > ASKED_WAIT_MIN_MS) => {
            AfterFailure::Repeat {
                wait: Wait { until: now.plus_ms(wish_ms), reason: WaitReason::Asked },
                is_counted: false,
            }
        }
        _ if failed_attempts >= retries(timing, reason) => AfterFailure::GiveUp,
        _ => {
            let until = now.plus_ms(backoff_ms(timing, id, failed_attempts).max(wish_ms));
            AfterFailure::Repeat { wait: Wait { until, reason: wait_reason(failed) }, is_counted: true }
        }
    }
}

/// What ends the wait after a failed attempt: a limit of the provider's is not over because something else works again.
pub(crate) fn wait_reason(failed: &FailedCall) -> WaitReason {
    match failed.kind() {
        Some(ProviderErrorKind::RateLimited) => WaitReason::Asked,
        _ => WaitReason::Recovery,
    }
}

/// Attempts after the first one.
pub fn retries(timing: &Timing, reason: SyncReason) -> u32 {
    let retries = reason.job_type().retries();
    timing.sync_retries_max.map_or(retries, |cap| cap.min(retries))
}

/// The provider's backoff: doubled with each failed attempt, plus up to 10 % by id, in milliseconds.
pub fn backoff_ms(timing: &Timing, id: &str, failed_attempts: u32) -> i64 {
    let initial_ms = i64::try_from(timing.sync_backoff_initial_ms).unwrap_or(BACKOFF_MAX_MS);
    let doubled_ms = initial_ms.saturating_mul(1 << failed_attempts.min(BACKOFF_DOUBLINGS_MAX)).min(BACKOFF_MAX_MS);
    let span_ms = u64::try_from(doubled_ms / 10).unwrap_or(0) + 1;
    let jitter_ms = jitter::place(id, &format!("backoff {failed_attempts}"), span_ms);
    doubled_ms + i64::try_from(jitter_ms).unwrap_or(0)
}

/// The pause before what was refused for this calendar is tried again, in milliseconds: doubled each time, up to a day.
pub fn refused_pause_ms(timing: &Timing, refusals_before: u32) -> i64 {
    let first_ms = i64::from(timing.failed_sync_pause_s) * 1_000;
    first_ms.saturating_mul(1 << refusals_before.min(BACKOFF_DOUBLINGS_MAX)).min(REFUSED_PAUSE_MAX_MS)
}

/// Whether a row that is missing from the store since then is gone, such as after an older database was brought back: a store
/// that is only the wrong one for a while, or half restored, is not believed at once.
pub fn is_gone(missing_since: UnixMs, timing: &Timing, now: UnixMs) -> bool {
    now.since_ms(missing_since) >= i64::from(timing.failed_sync_pause_s) * 1_000
}

/// The pause before a first refusal is confirmed, in milliseconds.
pub fn confirm_pause_ms(timing: &Timing) -> i64 {
    CONFIRM_REFUSAL_MS.min(i64::from(timing.failed_sync_pause_s) * 1_000)
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

    const MINUTE_MS: i64 = 60_000;

    fn after(failed: &FailedCall, reason: SyncReason, failed_attempts: u32) -> AfterFailure {
        after_failure(failed, reason, failed_attempts, None, &Timing::default(), "cal_a", UnixMs::EPOCH)
    }

    /// How long a wait is that began at [`UnixMs::EPOCH`], in milliseconds.
    fn length_ms(wait: Wait) -> i64 {
        wait.until.since_ms(UnixMs::EPOCH)
    }

    fn provider(kind: ProviderErrorKind) -> FailedCall {
        FailedCall::of(Cause::Provider(kind))
    }

    #[test]
    fn a_provider_that_keeps_failing_is_asked_as_often_as_the_job_deserves_each_time_after_twice_the_pause() {
        for (reason, retries) in [
            (SyncReason::Connect, 3),
            (SyncReason::Operator, 5),
            (SyncReason::CatchUp, 5),
            (SyncReason::NewChannel, 5),
            (SyncReason::Reconcile, 5),
            (SyncReason::Notice, 7),
            (SyncReason::Poll, 2),
        ] {
            let failed = provider(ProviderErrorKind::TemporaryFailure);
            for attempt in 0..retries {
                let AfterFailure::Repeat { wait, is_counted: true } = after(&failed, reason, attempt) else {
                    panic!("{reason:?}: attempt {attempt} is repeated");
                };
                let least_ms = 30_000 << attempt;
                assert!((least_ms..=least_ms + least_ms / 10).contains(&length_ms(wait)), "{attempt}: {wait:?}");
                assert_eq!(wait.reason, WaitReason::Recovery, "it is cut short when the provider answers again");
            }
            assert_eq!(after(&failed, reason, retries), AfterFailure::GiveUp, "{reason:?}");
        }
    }

    #[test]
    fn an_operators_cap_lowers_the_retries_of_a_sync_and_never_raises_them() {
        for (cap, expected) in [(0, 0), (4, 4), (100, 7)] {
            let timing = Timing { sync_retries_max: Some(cap), ..Timing::default() };
            assert_eq!(retries(&timing, SyncReason::Notice), expected, "{cap}");
        }
    }

    #[test]
    fn a_wish_of_a_day_is_kept_for_an_hour_and_counts_for_nothing_unless_it_is_repeated() {
        let wish = FailedCall { asked_wait_ms: Some(86_400_000), ..provider(ProviderErrorKind::RateLimited) };
        let asked = |until_ms| AfterFailure::Repeat {
            wait: Wait { until: UnixMs::new(until_ms), reason: WaitReason::Asked },
            is_counted: false,
        };
        let at = |wish_until_ms: Option<i64>, now_ms| {
            let wish_until = wish_until_ms.map(UnixMs::new);
            let now = UnixMs::new(now_ms);
            after_failure(&wish, SyncReason::Notice, 7, wish_until, &Timing::default(), "cal_a", now)
        };
        assert_eq!(at(None, 0), asked(60 * MINUTE_MS));
        assert_eq!(
            at(Some(60 * MINUTE_MS), 5),
            asked(60 * MINUTE_MS + 5),
            "somebody passed: it was not kept to its end"
        );
        assert_eq!(at(Some(60 * MINUTE_MS), 60 * MINUTE_MS), asked(25 * 60 * MINUTE_MS));
    }

    #[test]
    fn nothing_about_the_store_is_final_and_it_is_tried_again_within_seconds() {
        for attempts in [0, 100] {
            let AfterFailure::Repeat { wait, is_counted: false } =
                after(&FailedCall::of(Cause::Store), SyncReason::Poll, attempts)
            else {
                panic!("it is repeated");
            };
            assert!((5_000..=20_000).contains(&length_ms(wait)), "{wait:?}");
        }
    }

    #[test]
    fn what_the_provider_refuses_to_everybody_is_tried_again_within_five_minutes_for_ever() {
        for kind in [ProviderErrorKind::ProjectRefused, ProviderErrorKind::AccountRefused] {
            let AfterFailure::Repeat { wait, is_counted: false } = after(&provider(kind), SyncReason::Poll, 100) else {
                panic!("{kind} is repeated");
            };
            assert!((2 * MINUTE_MS..5 * MINUTE_MS).contains(&length_ms(wait)), "{wait:?}");
        }
    }

    #[test]
    fn what_is_refused_for_one_calendar_is_tried_again_after_a_quarter_of_an_hour_doubling_to_a_day() {
        let pauses: Vec<i64> = (0..9).map(|before| refused_pause_ms(&Timing::default(), before) / MINUTE_MS).collect();
        assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 960, 1_440, 1_440]);
        assert_eq!(refused_pause_ms(&Timing::default(), u32::MAX) / MINUTE_MS, 1_440);
    }

    #[test]
    fn a_list_without_an_end_and_a_wrong_request_are_not_repeated_at_once() {
        assert_eq!(after(&FailedCall::of(Cause::EndlessList), SyncReason::Notice, 0), AfterFailure::GiveUp);
        assert_eq!(after(&provider(ProviderErrorKind::InvalidRequest), SyncReason::Notice, 0), AfterFailure::GiveUp);
    }

    #[test]
    fn a_person_passes_every_wait_and_a_notice_only_that_of_a_less_urgent_job() {
        assert!(passes_wait(Some(SyncReason::Operator), Priority::Critical));
        assert!(passes_wait(Some(SyncReason::Notice), Priority::Medium));
        assert!(!passes_wait(Some(SyncReason::Notice), Priority::High));
        assert!(!passes_wait(None, Priority::Low));
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
        let due: std::collections::BTreeSet<UnixMs> =
            (0..100).map(|n| reconcile_due_at(&timing, &format!("cal_{n}"), 0, UnixMs::EPOCH)).collect();
        assert!(due.len() > 90, "{} different moments", due.len());
    }
}
