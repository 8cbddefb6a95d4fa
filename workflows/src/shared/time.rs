//! Workflow time, the only time that workflow code knows; and waiting.

use std::task::Poll;
use std::time::{SystemTime, UNIX_EPOCH};

use evercal_domain::UnixMs;
use futures::future::{self, FusedFuture, FutureExt as _};
use temporalio_workflow::{TimerOptions, TimerResult, WorkflowCancellationToken, WorkflowContext, workflows};

/// Now, by the workflow's clock.
pub(crate) fn now<W>(ctx: &WorkflowContext<W>) -> UnixMs {
    instant(ctx.workflow_time())
}

/// What the workflow's clock says; before its first task it says nothing, and nothing is asked of it.
pub(crate) fn instant(workflow_time: Option<SystemTime>) -> UnixMs {
    let since_epoch = workflow_time.and_then(|now| now.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    UnixMs::new(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A condition on the state that no cancellation ends, since the workflow's own must not end waits of the clean-up.
///
/// The SDK's own `wait_condition` keeps a waker of each poll for as long as it waits (1.1.1): a wait of days would grow with
/// all that happens meanwhile. Whoever waits is polled with each task and after each change of the state in any case.
pub(crate) fn condition<'a, W>(
    ctx: &'a WorkflowContext<W>,
    mut condition: impl FnMut(&W) -> bool + Unpin + 'a,
) -> impl FusedFuture<Output = ()> + Unpin + 'a {
    future::poll_fn(move |_context| if ctx.state(&mut condition) { Poll::Ready(()) } else { Poll::Pending }).fuse()
}

/// Waits until an instant, until a condition holds, or until the token is cancelled, whichever comes first; true when the
/// instant came. The losing timer is cancelled, else it would stay in the history and wake the workflow later.
pub(crate) async fn sleep_unless<W>(
    ctx: &WorkflowContext<W>,
    token: &WorkflowCancellationToken,
    at: UnixMs,
    summary: &str,
    mut woken: impl FnMut(&W) -> bool + Unpin,
) -> bool {
    // Not a child of the token, which would remember it for as long as it lives itself.
    let timer_token = WorkflowCancellationToken::new();
    let options = TimerOptions::builder(at.time_left(now(ctx)))
        .summary(summary.to_owned())
        .cancellation_token(timer_token.clone())
        .build();
    let mut timer = ctx.timer(options);
    let mut woken = condition(ctx, move |s| token.is_cancelled() || woken(s));
    let fired = workflows::select! {
        () = woken => false,
        result = timer => result == TimerResult::Fired,
    };
    if !fired {
        timer_token.cancel();
    }
    fired
}
