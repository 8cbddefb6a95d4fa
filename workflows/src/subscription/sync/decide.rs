//! What the sync lane makes of its reasons and outcomes.

use evercal_domain::{Priority, ProviderErrorKind, RetryClass, SyncReason, SyncStrategy, UnixMs};

use crate::contract::Cause;
use crate::retry::{
    BACKOFF_DOUBLINGS_MAX, BACKOFF_MAX_MS, CONFIRM_REFUSAL_MS, LONG_RETRY_AFTER_MS, REFUSED_PAUSE_MAX_MS, Timing,
};
use crate::shared::failure::FailedCall;
use crate::shared::jitter;
use crate::shared::waits::{self, Wait, WaitReason};

/// When the next reconcile is due.
pub fn reconcile_due_at(timing: &Timing, id: &str, round: u64, now: UnixMs) -> UnixMs {
    now.plus_s(jitter::around(timing.reconcile_interval_s, 10, id, round))
}

/// Whether a reason that waits, so urgent, may push aside the sync that is running (or sits in its backoff): when it is more urgent, and
/// somebody waits for it or the provider said that something changed. Routine waits its turn; a first read in particular is
/// not restarted by the channel that opens beside it. Pages are committed with their cursor, so the new attempt goes on
/// where the old one was.
pub fn overtakes(waiting: Option<Priority>, running: Priority) -> bool {
    waiting.is_some_and(|waiting| waiting < running && waiting <= Priority::High)
}

/// Whether a waiting reason passes a wait before the next attempt: it may push the job aside, or a person asks.
pub fn passes_wait(waiting: Option<Priority>, running: Priority) -> bool {
    waiting == Some(Priority::Critical) || overtakes(waiting, running)
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
    /// The job has failed; the next reconcile comes after a pause.
    GiveUp,
}

/// Decides what a failed attempt leads to. `failed_attempts` are those of this job that counted before it.
pub(crate) fn after_failure(
    failed: &FailedCall,
    reason: SyncReason,
    failed_attempts: u32,
    retry_after_until: Option<UnixMs>,
    timing: &Timing,
    id: &str,
    now: UnixMs,
) -> AfterFailure {
    let is_repeated = waits::is_repeated(retry_after_until, now);
    let retry_after_ms = failed.retry_after_ms.map_or(0, |retry_after_ms| waits::kept_ms(retry_after_ms, is_repeated));
    match failed.cause() {
        cause if cause.is_wider() => {
            let until = now.plus_ms(waits::wider_pause_ms(cause, timing, id));
            AfterFailure::Repeat { wait: Wait { until, reason: WaitReason::Recovery }, is_counted: false }
        }
        Cause::EndlessList => AfterFailure::GiveUp,
        Cause::Provider(kind) if kind.retry_class() == RetryClass::Permanent => AfterFailure::GiveUp,
        // The provider says when: that is no failure of the job.
        Cause::Provider(_)
            if failed.retry_after_ms.is_some_and(|retry_after_ms| retry_after_ms > LONG_RETRY_AFTER_MS) =>
        {
            AfterFailure::Repeat {
                wait: Wait { until: now.plus_ms(retry_after_ms), reason: WaitReason::RetryAfter },
                is_counted: false,
            }
        }
        _ if failed_attempts >= retries(timing, reason) => AfterFailure::GiveUp,
        _ => {
            let until = now.plus_ms(backoff_ms(timing, id, failed_attempts).max(retry_after_ms));
            AfterFailure::Repeat { wait: Wait { until, reason: wait_reason(failed) }, is_counted: true }
        }
    }
}

/// What ends the wait after a failed attempt: a limit of the provider's is not over because something else works again.
pub(crate) fn wait_reason(failed: &FailedCall) -> WaitReason {
    match failed.kind() {
        Some(ProviderErrorKind::RateLimited) => WaitReason::RetryAfter,
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
    let jitter_ms = jitter::offset(id, &format!("backoff {failed_attempts}"), span_ms);
    doubled_ms + i64::try_from(jitter_ms).unwrap_or(0)
}

/// The pause before what was refused for this calendar is tried again, in milliseconds: doubled each time, up to a day.
pub fn refused_pause_ms(timing: &Timing, refusals_before: u32) -> i64 {
    let first_ms = i64::from(timing.failed_sync_pause_s) * 1_000;
    first_ms.saturating_mul(1 << refusals_before.min(BACKOFF_DOUBLINGS_MAX)).min(REFUSED_PAUSE_MAX_MS)
}

/// Whether a row that is missing from the store since then is gone, such as after an older database was brought back: a store
/// that is only the wrong one for a while, or half restored, ends nothing at once.
pub fn is_gone(missing_since: UnixMs, timing: &Timing, now: UnixMs) -> bool {
    now.since_ms(missing_since) >= i64::from(timing.failed_sync_pause_s) * 1_000
}

/// The pause before a first refusal is confirmed, in milliseconds.
pub fn confirm_pause_ms(timing: &Timing) -> i64 {
    CONFIRM_REFUSAL_MS.min(i64::from(timing.failed_sync_pause_s) * 1_000)
}

/// Reconciles in a row that found changes which no notice announced; a sync for any other reason proves nothing. Where a
/// poller runs beside the channel, it finds first what a reconcile would: then its polls count too, and one that finds
/// nothing proves nothing, since most of them do not.
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
mod tests;
