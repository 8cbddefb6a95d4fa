//! Workflow time as Unix milliseconds, the only time that workflow code knows; and waiting.

use std::time::{Duration, UNIX_EPOCH};

use futures::future::FusedFuture;
use temporalio_workflow::{
    TimerOptions, TimerResult, WaitConditionOptions, WorkflowCancellationError, WorkflowCancellationToken,
    WorkflowContext, workflows,
};

/// Now, by the workflow's clock.
pub(crate) fn now_ms<W>(ctx: &WorkflowContext<W>) -> i64 {
    let since_epoch = ctx.workflow_time().and_then(|now| now.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// How long until an instant; zero when it has passed.
pub(crate) fn until(instant_ms: i64, now_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(instant_ms.saturating_sub(now_ms)).unwrap_or(0))
}

/// A condition on the state under a token of its own, since the workflow's cancellation must not end waits of the
/// clean-up.
pub(crate) fn condition<'a, W>(
    ctx: &'a WorkflowContext<W>,
    token: &WorkflowCancellationToken,
    condition: impl FnMut(&W) -> bool + Unpin + 'a,
) -> impl FusedFuture<Output = Result<(), WorkflowCancellationError>> + 'a {
    let options = WaitConditionOptions::builder().cancellation_token(token.clone()).build();
    ctx.wait_condition_with_options(condition, options)
}

/// Waits until an instant or until a condition holds, whichever comes first; true when the instant came. The losing timer
/// is cancelled, else it would stay in the history and wake the workflow later.
pub(crate) async fn sleep_unless<W>(
    ctx: &WorkflowContext<W>,
    token: &WorkflowCancellationToken,
    at_ms: i64,
    summary: &str,
    woken: impl FnMut(&W) -> bool + Unpin,
) -> bool {
    let timer_token = token.child_token();
    let options = TimerOptions::builder(until(at_ms, now_ms(ctx)))
        .summary(summary.to_owned())
        .cancellation_token(timer_token.clone())
        .build();
    let mut timer = ctx.timer(options);
    let mut woken = condition(ctx, token, woken);
    let fired = workflows::select! {
        _ = woken => false,
        result = timer => result == TimerResult::Fired,
    };
    if !fired {
        timer_token.cancel();
    }
    fired
}
