//! `subscription/<calendar>`: keeps one calendar's mirror fresh, for years.
//!
//! Two lanes run side by side, so that a slow sync never delays a renewal and a failing renewal never delays a sync:
//! `channel` owns the push channel, `sync` owns the reading, each with its lane, its part of the state and its decisions.
//! Handlers only change the state; every activity is called from a lane. Not for durations (`retry`).

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

mod channel;
mod life;
mod publish;
mod signals;
mod state;
mod sync;
mod trouble;
mod wakeups;

use evercal_domain::{SyncStrategy, UnixMs, Watched};
use serde::{Deserialize, Serialize};
use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext, WorkflowContextView,
    WorkflowResult, WorkflowTermination, workflows,
};

pub use channel::{
    ChannelProgress, Cover, EarlyExtension, FailedAttempts, NextAttempt, Poller, Push, RunningAttempt, StopReason,
    ToStop, WantedChannel,
};
pub use life::{EndingStage, Life};
pub use publish::Published;
pub use sync::{PendingSync, SyncProgress};
pub use trouble::{Refusal, RefusedCall, Trouble};

use wakeups::Wakeups;

use crate::contract::{
    AccountChanged, Begins, Close, Ended, Grant, Lifecycle, Notify, SubscriptionInput, SubscriptionStatus, SyncEnd,
    SyncNowResult, unpack,
};
use crate::shared::time::{condition, instant};
use crate::{names, retry};

type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// Waiters of `sync_now` at a time: Temporal takes ten updates of a workflow at once, the gateway joins its callers.
const WAITERS_MAX: u32 = 8;

/// One calendar's subscription.
#[workflow]
pub struct SubscriptionWorkflow {
    input: SubscriptionInput<SubscriptionState>,
    state: SubscriptionState,
    /// Set when this run continues as new: lanes return at their next safe point.
    continues_as_new: bool,
    waiters: u32,
    wakeups: Wakeups,
    /// Whether this run has written the state down: each does so once, since a store may have lost it.
    published_in_run: bool,
}

/// All that a subscription knows: a plain value that signals change, that lanes read, and that is carried when it continues
/// as new.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    /// Whether it goes on.
    pub life: Life,
    /// The channel lane's part.
    pub channel: ChannelProgress,
    /// The sync lane's part.
    pub sync: SyncProgress,
    /// How changes are found.
    pub strategy: SyncStrategy,
    /// An operator paused it.
    pub paused: bool,
    /// Whether the account's grant can be used.
    pub grant: Grant,
    /// Not shared any more, or forbidden, and confirmed.
    pub refusal: Option<Refusal>,
    /// Refusals one after the other: each is waited for twice as long as the one before.
    pub refusals_confirmed: u32,
    /// Until when the provider's last `Retry-After` was kept: one that comes after that is a repeated one.
    pub retry_after_until: Option<UnixMs>,
    /// What was last written down for readers.
    pub published: Option<Published>,
}

#[workflow_methods]
impl SubscriptionWorkflow {
    /// Takes the state of the run before, or begins.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: SubscriptionInput<SubscriptionState>) -> Self {
        let state = match std::mem::replace(&mut input.begins, Begins::First) {
            Begins::First => SubscriptionState::first(input.strategy),
            Begins::Closing { reason } => SubscriptionState::closing(input.strategy, reason),
            Begins::Carried(state) => state.in_next_run(),
        };
        Self { input, state, continues_as_new: false, waiters: 0, wakeups: Wakeups::default(), published_in_run: false }
    }

    /// Runs both lanes until the subscription ends or continues as new.
    #[run(name = names::SUBSCRIPTION)]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Ended> {
        // Cancelling the workflow means "end in order": nothing below inherits the cancellation itself.
        let detached = WorkflowCancellationToken::new();
        workflows::join!(
            channel::lane::run(ctx.clone(), detached.clone()),
            sync::lane::run(ctx.clone(), detached.clone()),
            Self::close_when_cancelled(ctx.clone()),
        );
        let handlers = ctx.clone();
        // Waiters see `continues_as_new` or the end and answer; only then is nothing of theirs lost.
        condition(ctx, move |_| handlers.all_handlers_finished()).await;
        if let Some(reason) = ctx.state(|s| s.state.life.closed_for().map(str::to_owned)) {
            if ctx.cancellation_token().is_cancelled() {
                return Err(WorkflowTermination::cancelled());
            }
            return Ok(Ended { reason });
        }
        // A cancellation that came while it continues as new: the next run begins with its end.
        if ctx.cancellation_token().is_cancelled() {
            ctx.state_mut(Self::close_as_cancelled);
        }
        let next = ctx.state(|s| SubscriptionInput { begins: Begins::Carried(s.state.clone()), ..s.input.clone() });
        let options = ContinueAsNewOptions::builder().task_timeout(retry::WORKFLOW_TASK).build();
        let never = ctx.continue_as_new(next, options)?;
        match never {}
    }

    async fn close_when_cancelled(ctx: WorkflowContext<Self>) {
        let token = ctx.cancellation_token();
        condition(&ctx, |s: &Self| token.is_cancelled() || s.continues_as_new || s.state.life.is_closed()).await;
        // Where this run continues as new already, no lane of it is left to close.
        if token.is_cancelled() && ctx.state(|s| !s.continues_as_new && !s.state.life.is_closed()) {
            ctx.state_mut(Self::close_as_cancelled);
        }
    }

    /// Something may have changed ([`Notify`]).
    #[signal(name = names::SIGNAL_NOTIFY)]
    pub fn notify(&mut self, _ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        self.state.receive(&unpack::<Notify>(&payload));
    }

    /// The provider says something of the channel itself ([`Lifecycle`]).
    #[signal(name = names::SIGNAL_LIFECYCLE)]
    pub fn lifecycle(&mut self, ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        self.state.lifecycle(&unpack::<Lifecycle>(&payload), instant(ctx.workflow_time()));
    }

    /// The account changed ([`AccountChanged`]).
    #[signal(name = names::SIGNAL_ACCOUNT_CHANGED)]
    pub fn account_changed(&mut self, _ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        let change: AccountChanged = unpack(&payload);
        self.state.account_changed(&change);
        if change.grant == Some(Grant::Works) {
            self.wakeups.consents += 1;
        }
        if let Some(timing) = change.timing {
            self.input.timing = timing;
        }
    }

    /// The provider was seen to answer again: what failed is retried now.
    #[signal(name = names::SIGNAL_RETRY_NOW)]
    pub fn retry_now(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) {
        self.wakeups.recoveries += 1;
        self.state.retry_now();
    }

    /// End ([`Close`]).
    #[signal(name = names::SIGNAL_CLOSE)]
    pub fn close(&mut self, _ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        let close: Close = unpack(&payload);
        self.state.life.end(close.reason);
    }

    #[update_validator(sync_now)]
    fn validate_sync_now(&self, _ctx: &WorkflowContextView, _payload: &RawValue) -> Result<(), HandlerError> {
        if self.waiters >= WAITERS_MAX {
            return Err("too many callers wait for this calendar already".into());
        }
        if self.state.paused || self.state.grant == Grant::Dead {
            return Err(format!("the calendar is {}", self.state.state().as_str()).into());
        }
        self.validate_open()
    }

    /// Syncs, and answers when a sync that began after this call has ended.
    #[update(name = names::UPDATE_SYNC_NOW)]
    pub async fn sync_now(ctx: &mut WorkflowContext<Self>, _payload: RawValue) -> Result<SyncNowResult, HandlerError> {
        let ticket = ctx.state_mut(|s| {
            s.waiters += 1;
            s.state.sync_asked();
            s.state.sync.begun + 1
        });
        let served = move |s: &Self| s.state.sync.ended >= ticket || s.continues_as_new || s.state.life.is_closed();
        condition(ctx, served).await;
        Ok(ctx.state_mut(|s| {
            s.waiters -= 1;
            match &s.state.sync.last_end {
                Some(end) if s.state.sync.ended >= ticket => match end {
                    SyncEnd::Done { changes } => SyncNowResult::Done { changes: *changes },
                    SyncEnd::Failed(failure) => SyncNowResult::Failed(failure.clone()),
                },
                _ => SyncNowResult::AskAgain,
            }
        }))
    }

    #[update_validator(pause)]
    fn validate_pause(&self, _ctx: &WorkflowContextView, _payload: &RawValue) -> Result<(), HandlerError> {
        self.validate_open()
    }

    /// Keeps the channel and skips syncs.
    #[update(name = names::UPDATE_PAUSE)]
    pub fn pause(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) -> Result<(), HandlerError> {
        self.state.paused = true;
        Ok(())
    }

    #[update_validator(resume)]
    fn validate_resume(&self, _ctx: &WorkflowContextView, _payload: &RawValue) -> Result<(), HandlerError> {
        self.validate_open()
    }

    /// Goes on after a pause, or after somebody mended what needed action.
    #[update(name = names::UPDATE_RESUME)]
    pub fn resume(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) -> Result<(), HandlerError> {
        self.state.resume();
        Ok(())
    }

    /// The state, for people and tests. Readers of the API get it from the store, without a worker.
    #[query(name = names::QUERY_STATUS)]
    pub fn status(&self, _ctx: &WorkflowContextView) -> SubscriptionStatus {
        let id = self.input.calendar_id.to_string();
        SubscriptionStatus {
            state: self.state.state(),
            strategy: self.state.strategy,
            summary: publish::sentence(&self.state),
            channel_expires_at: self.state.channel.push.live().map(|live| live.expires_at),
            next_channel_attempt: channel::decide::attempt_due(&self.state, &self.input.timing, &id),
            failed_attempts: self.state.channel.push.failed().map_or(0, |failed| failed.count),
            last_sync_at: self.state.sync.last_done_at,
            syncing: self.state.sync.running,
        }
    }

    fn validate_open(&self) -> Result<(), HandlerError> {
        if self.continues_as_new {
            return Err("the subscription is continuing as new: ask again".into());
        }
        if !self.state.life.is_open() {
            return Err("the subscription is closing".into());
        }
        Ok(())
    }
}

impl SubscriptionWorkflow {
    /// What its channels watch.
    fn watched(&self) -> Watched {
        Watched::Calendar { account_id: self.input.account_id, calendar_id: self.input.calendar_id }
    }

    /// Whether lanes should return: the subscription continues as new, or ends.
    fn ends(&self) -> bool {
        self.continues_as_new || !self.state.life.is_open()
    }

    fn close_as_cancelled(&mut self) {
        self.state.life.end("cancelled by an operator".to_owned());
    }
}

/// Makes the run continue as new when the server suggests it or the history is long enough; answers whether it does.
fn continue_as_new_if_due(ctx: &WorkflowContext<SubscriptionWorkflow>) -> bool {
    if ctx.state(|s| is_long(ctx, s)) {
        ctx.state_mut(|s| s.continues_as_new = true);
    }
    ctx.state(|s| s.continues_as_new)
}

/// Whether a run should continue as new although its lanes only wait: signals make a history longer too, and one that grew
/// without end would be ended by the server.
fn is_long(ctx: &WorkflowContext<SubscriptionWorkflow>, workflow: &SubscriptionWorkflow) -> bool {
    ctx.continue_as_new_suggested() || ctx.history_length() >= workflow.input.timing.history_events_max
}

#[cfg(test)]
mod tests;
