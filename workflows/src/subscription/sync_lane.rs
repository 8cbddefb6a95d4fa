//! The sync lane: waits for a reason, reads in slices, records how it went. One sync at a time; whatever comes in
//! meanwhile is exactly one more.

use evercal_domain::{Priority, ProviderErrorKind, SyncReason};
use temporalio_workflow::{TimerOptions, TimerResult, WorkflowCancellationToken, WorkflowContext, workflows};

use super::channel_lane::tell_account_of_lost_grant;
use super::publish::{publish, publish_last_sync};
use super::{PendingSync, SubscriptionWorkflow, is_long, rotate_if_due};
use crate::contract::{SyncActivities, SyncCounts, SyncInput, SyncOutcome};
use crate::decide;
use crate::failure::FailedCall;
use crate::retry;
use crate::time::{condition, now_ms, sleep_unless, until};

type Context = WorkflowContext<SubscriptionWorkflow>;

/// Runs until the subscription ends or hands over.
pub(super) async fn run(ctx: Context, detached: WorkflowCancellationToken) {
    loop {
        plan_reconcile(&ctx);
        let due_ms = ctx.state(|s| s.state.sync.reconcile_due_at_ms);
        // One timer serves many syncs: making a new one for each would double the history of a busy calendar.
        let timer_token = detached.child_token();
        let options = TimerOptions::builder(until(due_ms, now_ms(&ctx)))
            .summary("look although all seems healthy".to_owned())
            .cancellation_token(timer_token.clone())
            .build();
        let mut timer = ctx.timer(options);
        loop {
            let wakes = |s: &SubscriptionWorkflow| s.ends() || s.state.sync_wanted() || is_long(&ctx, s);
            let mut woken = condition(&ctx, &detached, wakes);
            let fired = workflows::select! {
                _ = woken => false,
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
            if ctx.state(SubscriptionWorkflow::ends) || rotate_if_due(&ctx) {
                timer_token.cancel();
                return;
            }
            // After a failed sync the next look is due earlier than this timer.
            if ctx.state(|s| s.state.sync.reconcile_due_at_ms) < due_ms {
                timer_token.cancel();
                break;
            }
        }
    }
}

/// Adds the reason "reconcile" when it is due, or the one of a sync that failed, and says when the next look is.
fn plan_reconcile(ctx: &Context) {
    let at_ms = now_ms(ctx);
    ctx.state_mut(|s| {
        let id = s.input.calendar_id.to_string();
        let sync = &mut s.state.sync;
        if sync.reconcile_due_at_ms > at_ms {
            return;
        }
        if sync.reconcile_due_at_ms != 0 {
            match sync.failed.take() {
                Some(failed) => sync.merge(failed),
                None => sync.add(SyncReason::Reconcile, 0, 0),
            }
        }
        sync.reconcile_due_at_ms = decide::sync::reconcile_due_ms(&s.input.timing, &id, sync.begun, at_ms);
    });
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
    let outcome = loop {
        let slice =
            if may_go_on(ctx, detached, &mut job).await { slice(ctx, detached, &job).await } else { Slice::Overtaken };
        match slice {
            Slice::Over(outcome) => break outcome,
            Slice::Overtaken => {
                // Both are one sync from now on, under the more urgent name; pages already read stay read.
                ctx.state_mut(|s| {
                    s.state.sync.merge(job.clone());
                    s.state.sync.running = false;
                });
                return;
            }
            Slice::Continue { so_far, not_before_ms } => {
                job.so_far = so_far;
                job.not_before_ms = not_before_ms;
            }
        }
    };
    conclude(ctx, job, outcome);
    publish(ctx, detached).await;
}

/// Waits for as long as the provider asked; false when something else has to happen first, and the rest of the wait is left.
async fn may_go_on(ctx: &Context, detached: &WorkflowCancellationToken, job: &mut PendingSync) -> bool {
    if job.not_before_ms == 0 {
        return true;
    }
    let priority = job.reason.priority();
    let urgent = move |s: &SubscriptionWorkflow| s.rotate || is_overtaken(s, priority);
    let is_over = sleep_unless(ctx, detached, job.not_before_ms, "wait for the provider's quota", urgent).await;
    if is_over {
        job.not_before_ms = 0;
        return true;
    }
    false
}

enum Slice {
    /// The sync has ended: the changes that it found, or the kind of failure.
    Over(Result<i64, String>),
    /// There is more to read.
    Continue {
        /// The sync so far.
        so_far: SyncCounts,
        /// When to go on; 0 means now.
        not_before_ms: i64,
    },
    /// Something else has to happen first.
    Overtaken,
}

async fn slice(ctx: &Context, detached: &WorkflowCancellationToken, job: &PendingSync) -> Slice {
    let (timing, calendar_id, tenant_id) =
        ctx.state(|s| (s.input.timing.clone(), s.input.calendar_id, s.input.tenant_id));
    let priority = job.reason.priority();
    let input = SyncInput {
        calendar_id,
        reason: job.reason,
        notice_at_ms: job.received_at_ms,
        so_far: job.so_far,
        backoff_initial_ms: timing.sync_backoff_initial_ms,
        slice_ms: timing.sync_slice_ms,
    };
    let attempt_token = detached.child_token();
    let options = retry::sync_slice(&timing, job.reason, priority, tenant_id, &attempt_token);
    let mut running = ctx.execute_activity(SyncActivities::sync_calendar, input, options);
    let mut overtaken = condition(ctx, detached, move |s: &SubscriptionWorkflow| is_overtaken(s, priority));
    let result = workflows::select! {
        result = running => Some(result),
        _ = overtaken => None,
    };
    let Some(result) = result else {
        attempt_token.cancel();
        return Slice::Overtaken;
    };
    drop(overtaken);
    match result {
        Ok(SyncOutcome::Done { counts, finished_at_ms }) => {
            finished(ctx, job, counts.unannounced, finished_at_ms);
            Slice::Over(Ok(counts.changes))
        }
        Ok(SyncOutcome::More { counts }) => Slice::Continue { so_far: counts, not_before_ms: 0 },
        Ok(SyncOutcome::Deferred { counts, not_before_ms }) => Slice::Continue { so_far: counts, not_before_ms },
        Ok(SyncOutcome::Gone) => {
            refused(ctx);
            Slice::Over(Err(ProviderErrorKind::NotFound.as_str().to_owned()))
        }
        Ok(SyncOutcome::NeedsReauth) => {
            ctx.state_mut(|s| s.state.needs_reauth = true);
            tell_account_of_lost_grant(ctx).await;
            Slice::Over(Err(ProviderErrorKind::GrantRevoked.as_str().to_owned()))
        }
        Ok(SyncOutcome::Unknown) => Slice::Over(Err("unknown_outcome".to_owned())),
        Err(error) => Slice::Over(Err(FailedCall::from_error(&error).word().to_owned())),
    }
}

/// Whether something must not wait for this slice: a more urgent reason, the end of the subscription, or the hand-over, for
/// which the channel lane waits without renewing anything.
fn is_overtaken(workflow: &SubscriptionWorkflow, running: Priority) -> bool {
    let pending = workflow.state.sync.pending.as_ref().map(|pending| pending.reason);
    workflow.rotate || workflow.state.close.is_some() || decide::sync::overtakes(pending, running)
}

/// A sync has read everything.
fn finished(ctx: &Context, job: &PendingSync, unannounced: i64, finished_at_ms: i64) {
    let previous_ms = ctx.state_mut(|s| {
        let sync = &mut s.state.sync;
        let has_channel = s.state.channel.live.is_some();
        sync.refusals = 0;
        let (before, strategy) = (sync.missed_pushes, s.state.strategy);
        sync.missed_pushes = decide::sync::missed_pushes(before, job.reason, strategy, has_channel, unannounced);
        if has_channel && sync.missed_pushes >= s.input.timing.missed_pushes_max {
            s.state.channel.renew_requested = true;
        }
        sync.last_done_at_ms.replace(finished_at_ms)
    });
    publish_last_sync(ctx, previous_ms, finished_at_ms);
}

/// The provider says that the calendar is gone. Once may be a mistake; twice in a row is not.
fn refused(ctx: &Context) {
    ctx.state_mut(|s| {
        s.state.sync.refusals = s.state.sync.refusals.saturating_add(1);
        if s.state.sync.refusals >= 2 {
            s.state.action_required = true;
        }
    });
}

fn conclude(ctx: &Context, job: PendingSync, outcome: Result<i64, String>) {
    let at_ms = now_ms(ctx);
    ctx.state_mut(|s| {
        let pause_ms = i64::from(s.input.timing.failed_sync_pause_s) * 1_000;
        let sync = &mut s.state.sync;
        sync.running = false;
        sync.ended = sync.begun;
        if outcome.is_ok() {
            sync.failures = 0;
        } else {
            sync.failures = sync.failures.saturating_add(1);
            // The reason is not forgotten: the next look comes soon, for the same one, whatever newer one joins it.
            sync.failed = Some(job.after_failure());
            sync.reconcile_due_at_ms = sync.reconcile_due_at_ms.min(at_ms + pause_ms);
        }
        sync.last_outcome = Some(outcome);
    });
}
