//! The sync lane: waits for a reason, reads in slices, records how it went. One sync at a time; whatever comes in
//! meanwhile is exactly one more.

use evercal_domain::{Priority, ProviderErrorKind, SyncReason, UnixMs};
use temporalio_workflow::{TimerOptions, TimerResult, WorkflowCancellationToken, WorkflowContext, workflows};

use super::decide::{self, AfterFailure};
use super::progress::PendingSync;
use crate::contract::{Cause, Failure, Grant, SyncActivities, SyncCounts, SyncEnd, SyncInput, SyncOutcome};
use crate::due::Due;
use crate::retry;
use crate::shared::failure::FailedCall;
use crate::shared::time::{condition, now, sleep_unless};
use crate::shared::waits::{Wait, WaitReason};
use crate::subscription::publish::{publish, publish_last_sync};
use crate::subscription::signals::signal_grant_lost;
use crate::subscription::trouble::{Attempts, RefusedCall, Trouble};
use crate::subscription::wakeups::Wakeups;
use crate::subscription::{SubscriptionWorkflow, continue_as_new_if_due, is_long};

type Context = WorkflowContext<SubscriptionWorkflow>;

/// Runs until the subscription ends or continues as new.
pub(in crate::subscription) async fn run(ctx: Context, detached: WorkflowCancellationToken) {
    loop {
        let due_at = plan_reconcile(&ctx);
        // One timer serves many syncs: making a new one for each would double the history of a busy calendar.
        let timer_token = WorkflowCancellationToken::new();
        let options = TimerOptions::builder(due_at.time_left(now(&ctx)))
            .summary("next reconcile".to_owned())
            .cancellation_token(timer_token.clone())
            .build();
        let mut timer = ctx.timer(options);
        loop {
            let wakes = |s: &SubscriptionWorkflow| {
                let is_due_earlier = s.state.sync.reconcile_is_due_before(due_at);
                s.ends() || s.state.sync_wanted() || is_due_earlier || is_long(&ctx, s)
            };
            let mut woken = condition(&ctx, wakes);
            let fired = workflows::select! {
                () = woken => false,
                result = timer => result == TimerResult::Fired,
            };
            drop(woken);
            if fired {
                break;
            }
            if ctx.state(SubscriptionWorkflow::ends) {
                timer_token.cancel();
                return;
            }
            if ctx.state(|s| s.state.sync_wanted()) {
                sync(&ctx, &detached).await;
            }
            if ctx.state(SubscriptionWorkflow::ends) || continue_as_new_if_due(&ctx) {
                timer_token.cancel();
                return;
            }
            // After a failed sync the next reconcile is due earlier than this timer.
            if ctx.state(|s| s.state.sync.reconcile_is_due_before(due_at)) {
                timer_token.cancel();
                break;
            }
        }
    }
}

/// Adds the reason "reconcile" when it is due, or the one of a sync that failed, and answers when the next reconcile is. A
/// calendar that the provider refuses is tried once more when that is due.
fn plan_reconcile(ctx: &Context) -> UnixMs {
    let at = now(ctx);
    ctx.state_mut(|s| {
        let id = s.input.calendar_id.to_string();
        if let Some(Due::At(due_at)) = s.state.sync.reconcile_due
            && due_at > at
        {
            return due_at;
        }
        if s.state.refusal.as_ref().is_some_and(|refusal| refusal.next_try_at <= at) {
            s.state.try_refused_again(SyncReason::Reconcile);
        }
        let next_try_at = s.state.refusal.as_ref().filter(|refusal| !refusal.trying).map(|next| next.next_try_at);
        let sync = &mut s.state.sync;
        if sync.reconcile_due.is_some() {
            match sync.failed.take() {
                Some(failed) => sync.merge(failed),
                None => sync.add(SyncReason::Reconcile, 0, None),
            }
        }
        let due_at = decide::reconcile_due_at(&s.input.timing, &id, sync.begun, at);
        let due_at = next_try_at.map_or(due_at, |next_try_at| next_try_at.min(due_at));
        sync.reconcile_due = Some(Due::At(due_at));
        due_at
    })
}

/// One sync: slices until all is read, or until something else has to happen first.
async fn sync(ctx: &Context, detached: &WorkflowCancellationToken) {
    let Some(mut job) = ctx.state_mut(|s| {
        let job = s.state.sync.take()?;
        s.state.sync.running = true;
        s.state.sync.begun += 1;
        Some(job)
    }) else {
        return;
    };
    let mut wakeups_before = ctx.state(|s| s.wakeups);
    let mut given_up = None;
    let end = loop {
        let slice = if may_go_on(ctx, detached, &mut job, wakeups_before).await {
            // A signal that what failed works again counts too when it comes while the slice runs or its end is shown.
            wakeups_before = ctx.state(|s| s.wakeups);
            slice(ctx, &job).await
        } else {
            Slice::Overtaken
        };
        match slice {
            Slice::Over(end) => break end,
            Slice::Overtaken => {
                // Both are one sync from now on, under the more urgent name; pages already read stay read.
                ctx.state_mut(|s| {
                    s.state.sync.merge(job.clone());
                    s.state.sync.running = false;
                });
                return;
            }
            Slice::Continue { so_far, priority } => {
                (job.so_far, job.priority) = (so_far, priority);
                job.failed_attempts = 0;
            }
            Slice::Failed(failed) => match after_failure(ctx, &mut job, &failed) {
                // Where it is shown, readers see it before the wait.
                AfterFailure::Repeat { .. } => publish(ctx, detached).await,
                AfterFailure::GiveUp => {
                    given_up = Some(decide::wait_reason(&failed));
                    break SyncEnd::Failed(failed.failure);
                }
            },
        }
    };
    conclude(ctx, job, end);
    if given_up.is_some_and(|reason| ctx.state(|s| s.wakeups.end_wait(reason, wakeups_before))) {
        // The signal came during the last attempt: there is no reason for a pause.
        ctx.state_mut(|s| s.state.retry_sync_now());
    }
    publish(ctx, detached).await;
}

/// Waits before the next attempt; false when something else has to happen first, and the rest of the wait is left.
async fn may_go_on(
    ctx: &Context,
    detached: &WorkflowCancellationToken,
    job: &mut PendingSync,
    wakeups_before: Wakeups,
) -> bool {
    let Some(wait) = job.wait else { return true };
    let priority = job.priority;
    let is_woken = move |s: &SubscriptionWorkflow| s.wakeups.end_wait(wait.reason, wakeups_before) && !s.ends();
    let is_passed = move |s: &SubscriptionWorkflow| {
        let pending = s.state.sync.pending.as_ref().map(|pending| pending.priority);
        s.ends() || decide::passes_wait(pending, priority)
    };
    let summary = match wait.reason {
        WaitReason::RetryAfter => "wait for as long as the provider asked",
        WaitReason::Recovery => "wait before the next attempt",
    };
    let is_over = sleep_unless(ctx, detached, wait.until, summary, move |s| is_woken(s) || is_passed(s)).await;
    if is_over || ctx.state(is_woken) {
        job.wait = None;
        return true;
    }
    false
}

enum Slice {
    /// The sync has ended.
    Over(SyncEnd),
    /// There is more to read.
    Continue {
        /// The sync so far.
        so_far: SyncCounts,
        /// How urgent the rest is.
        priority: Priority,
    },
    /// The attempt failed.
    Failed(FailedCall),
    /// Something else has to happen first.
    Overtaken,
}

async fn slice(ctx: &Context, job: &PendingSync) -> Slice {
    let (provider, timing, calendar_id, tenant_id) =
        ctx.state(|s| (s.input.provider, s.input.timing.clone(), s.input.calendar_id, s.input.tenant_id));
    let priority = job.priority;
    let input = SyncInput {
        calendar_id,
        reason: job.reason,
        notice_at: job.received_at,
        so_far: job.so_far,
        slice_ms: timing.sync_slice_ms,
    };
    let attempt_token = WorkflowCancellationToken::new();
    let options = retry::sync_slice(provider, &timing, job.reason, priority, tenant_id, &attempt_token);
    let mut running = ctx.execute_activity(SyncActivities::sync_calendar, input, options);
    let mut overtaken = condition(ctx, move |s: &SubscriptionWorkflow| is_overtaken(s, priority));
    let result = workflows::select! {
        result = running => Some(result),
        () = overtaken => None,
    };
    let Some(result) = result else {
        attempt_token.cancel();
        return Slice::Overtaken;
    };
    drop(overtaken);
    if !matches!(result, Ok(SyncOutcome::NoRow) | Err(_)) {
        ctx.state_mut(|s| s.state.sync.row_missing_since = None);
    }
    match result {
        Ok(SyncOutcome::Done { counts, finished_at }) => {
            finished(ctx, job, counts.unannounced, finished_at);
            Slice::Over(SyncEnd::Done { changes: counts.changes })
        }
        Ok(SyncOutcome::More { counts, priority: rest }) => {
            Slice::Continue { so_far: counts, priority: rest.map_or(priority, |rest| rest.max(priority)) }
        }
        Ok(SyncOutcome::Refused { error, reason, advice }) => {
            let failure = Failure { cause: Cause::Provider(error), reason, advice };
            refused(ctx, &failure);
            Slice::Over(SyncEnd::Failed(failure))
        }
        Ok(SyncOutcome::NeedsReauth { why }) => grant_lost(ctx, why).await,
        Ok(SyncOutcome::NoRow) => {
            let at = now(ctx);
            ctx.state_mut(|s| s.state.row_missing(&s.input.timing, at));
            Slice::Failed(FailedCall::of(Cause::Store))
        }
        Ok(SyncOutcome::Unknown) => Slice::Over(SyncEnd::Failed(Failure::of(Cause::UnknownOutcome))),
        Err(error) => match FailedCall::from_error(&error) {
            failed if failed.kind() == Some(ProviderErrorKind::GrantRevoked) => {
                grant_lost(ctx, failed.failure.advice).await
            }
            failed => Slice::Failed(failed),
        },
    }
}

async fn grant_lost(ctx: &Context, why: Option<String>) -> Slice {
    ctx.state_mut(|s| s.state.grant = Grant::Dead);
    signal_grant_lost(ctx, why).await;
    Slice::Over(SyncEnd::Failed(Failure::of(Cause::Provider(ProviderErrorKind::GrantRevoked))))
}

/// Whether something must not wait for this slice: a more urgent reason, the end of the subscription, or that it
/// continues as new, for which the channel lane waits without renewing anything.
fn is_overtaken(workflow: &SubscriptionWorkflow, running: Priority) -> bool {
    let pending = workflow.state.sync.pending.as_ref().map(|pending| pending.priority);
    workflow.ends() || decide::overtakes(pending, running)
}

/// Counts a failed attempt, and says what the job waits for, to itself and to people.
fn after_failure(ctx: &Context, job: &mut PendingSync, failed: &FailedCall) -> AfterFailure {
    let at = now(ctx);
    job.so_far = failed.counts.unwrap_or(job.so_far);
    let (after, failures) = ctx.state(|s| {
        let (timing, id) = (&s.input.timing, s.input.calendar_id.to_string());
        let before = job.failed_attempts;
        let after = decide::after_failure(failed, job.reason, before, s.state.retry_after_until, timing, &id, at);
        (after, before.saturating_add(1))
    });
    let wait = match after {
        AfterFailure::Repeat { wait, is_counted } => {
            job.failed_attempts += u32::from(is_counted);
            job.wait = Some(wait);
            wait
        }
        AfterFailure::GiveUp => Wait { until: at, reason: WaitReason::Recovery },
    };
    let attempts = match after {
        AfterFailure::Repeat { .. } => Attempts::Failed(failures),
        AfterFailure::GiveUp => Attempts::GivenUp,
    };
    ctx.state_mut(|s| {
        s.state.sync.trouble = Trouble::of(failed, attempts, &wait, at);
        if wait.reason == WaitReason::RetryAfter {
            s.state.retry_after_until = Some(wait.until);
        }
    });
    after
}

/// A sync has read everything.
fn finished(ctx: &Context, job: &PendingSync, unannounced: i64, finished_at: UnixMs) {
    ctx.state_mut(|s| {
        s.state.read_works();
        let sync = &mut s.state.sync;
        let has_channel = s.state.channel.push.live().is_some();
        let (before, strategy) = (sync.missed_pushes, s.state.strategy);
        sync.missed_pushes = decide::missed_pushes(before, job.reason, strategy, has_channel, unannounced);
        if sync.missed_pushes >= s.input.timing.missed_pushes_max {
            s.state.channel.push.suspect();
        }
        sync.last_done_at = Some(finished_at);
    });
    publish_last_sync(ctx, finished_at);
}

/// The provider refuses this calendar. Once may be a mistake; twice in a row is not.
fn refused(ctx: &Context, failure: &Failure) {
    let at = now(ctx);
    ctx.state_mut(|s| {
        s.state.sync.refusals = s.state.sync.refusals.saturating_add(1);
        if s.state.sync.refusals >= 2 || s.state.refusal.is_some() {
            s.state.refused(RefusedCall::Reading, failure.clone(), &s.input.timing, at);
        }
    });
}

fn conclude(ctx: &Context, job: PendingSync, end: SyncEnd) {
    let at = now(ctx);
    let has_failed = matches!(end, SyncEnd::Failed(_));
    ctx.state_mut(|s| {
        let pause_ms = match s.state.sync.refusals {
            1 => decide::confirm_pause_ms(&s.input.timing),
            _ => i64::from(s.input.timing.failed_sync_pause_s) * 1_000,
        };
        if let Some(refusal) = s.state.refusal.as_mut().filter(|refusal| refusal.trying && has_failed) {
            // What else failed says nothing about the refusal: it is tried again, and until then stays as it was.
            refusal.trying = false;
            refusal.next_try_at = at.plus_ms(pause_ms);
        }
        let sync = &mut s.state.sync;
        sync.running = false;
        sync.ended = sync.begun;
        if has_failed {
            // The reason is not forgotten: the next reconcile comes soon, for the same reason, whatever newer one joins it.
            sync.failed = Some(job.after_failure());
            sync.reconcile_due_by(Due::At(at.plus_ms(pause_ms)));
        }
        sync.last_end = Some(end);
    });
}
