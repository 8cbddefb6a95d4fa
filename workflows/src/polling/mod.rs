//! `polling/<calendar>`: the fallback while a subscription has no channel; where that was chosen, it polls beside one. It only
//! asks the subscription for a sync, and never reads anything itself, so that there is one path from reason to commit.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SignalWorkflowOptions, SyncWorkflowContext, WorkflowContext, WorkflowContextView,
    WorkflowResult, WorkflowSignalError,
};

use crate::contract::{Ended, Notify, NotifySignal, PollingInput, PollingInterval, unpack};
use crate::names;
use crate::shared::jitter;
use crate::shared::time::{now, sleep_unless};

/// Polls per run; each is about ten events of history.
const ROUNDS_PER_RUN: u64 = 150;

const NOT_NEEDED: &str = "a channel is live, or the subscription has ended";

/// The poller of one calendar.
#[workflow]
pub struct PollingWorkflow {
    input: PollingInput,
    stop: bool,
}

#[workflow_methods]
impl PollingWorkflow {
    /// Begins.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: PollingInput) -> Self {
        Self { input, stop: false }
    }

    /// Asks the subscription for a sync, again and again, until it is stopped or the subscription is gone.
    #[run(name = names::POLLING)]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Ended> {
        let calendar_id = ctx.state(|s| s.input.calendar_id);
        let id = calendar_id.to_string();
        let token = ctx.cancellation_token();
        for round in 0..ROUNDS_PER_RUN {
            let notify = Notify { reason: evercal_domain::SyncReason::Poll, ..Notify::default() };
            let signalled = ctx
                .external_workflow(names::subscription_id(calendar_id), None)
                .signal(NotifySignal, notify, SignalWorkflowOptions::default())
                .await;
            if matches!(signalled, Err(WorkflowSignalError::NotFound(..))) {
                return Ok(Ended { reason: "the subscription is gone".into() });
            }
            // The phase is by id and the length by round, so that a fleet that lost its channels together spreads out.
            let interval_s = ctx.state(|s| s.input.interval_s);
            let pause_s = jitter::around(interval_s, 10, &id, round);
            let at = now(ctx).plus_s(pause_s);
            let changed = move |s: &Self| s.stop || s.input.interval_s != interval_s;
            let fired = sleep_unless(ctx, &token, at, "next poll", changed).await;
            if ctx.cancellation_token().is_cancelled() {
                return Ok(Ended { reason: "cancelled".into() });
            }
            if !fired && ctx.state(|s| s.stop) {
                return Ok(Ended { reason: NOT_NEEDED.into() });
            }
        }
        // The signal to stop may have come together with the last timer; the next run would not know of it.
        if ctx.state(|s| s.stop) {
            return Ok(Ended { reason: NOT_NEEDED.into() });
        }
        let next = ctx.state(|s| s.input.clone());
        let never = ctx.continue_as_new(next, ContinueAsNewOptions::default())?;
        match never {}
    }

    /// The channel is back, only notices are wanted from now on, or the subscription has ended.
    #[signal(name = names::SIGNAL_STOP)]
    pub fn stop(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) {
        self.stop = true;
    }

    /// Poll this often from now on ([`PollingInterval`]), and once at once.
    #[signal(name = names::SIGNAL_INTERVAL)]
    pub fn interval(&mut self, _ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        if let PollingInterval { interval_s: Some(interval_s) } = unpack(&payload) {
            self.input.interval_s = interval_s.get();
        }
    }
}
