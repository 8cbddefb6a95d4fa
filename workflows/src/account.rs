//! `account/<account>`: connects, finds the calendars at connect and daily, starts and ends their subscriptions, and
//! takes everything down at the end, also when it was cancelled. Not for reading events.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

mod calendars;
mod ending;
mod progress;

use evercal_domain::AccountState;
use temporalio_common::ActivityDefinition;
use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityExecutionError, ContinueAsNewOptions, SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, WorkflowTermination, workflows,
};

pub use progress::AccountProgress;

use crate::contract::{
    AccountActivities, AccountChanged, AccountInput, AccountRef, AccountStateFact, AccountStatus, Close, CodeRedeemed,
    Ended, RecordActivities, SubscriptionClosed, SubscriptionMissing, unpack,
};
use crate::decide::account::{AccountStep, next_step};
use crate::failure::FailedCall;
use crate::time::{condition, now_ms, sleep_unless};
use crate::{names, retry};

/// One connected account.
#[workflow]
pub struct AccountWorkflow {
    input: AccountInput,
    progress: AccountProgress,
    /// Nothing follows any more but the end or the next run.
    ended: bool,
    /// Everything was taken down. A cancellation that comes with the hand-over is left to the next run.
    taken_down: bool,
}

#[workflow_methods]
impl AccountWorkflow {
    /// Takes the progress of the run before, or begins with the code that the consent brought.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: AccountInput) -> Self {
        let begin = || AccountProgress { code_waits: true, ..AccountProgress::default() };
        let progress = input.carried.take().unwrap_or_else(begin);
        Self { input, progress, ended: false, taken_down: false }
    }

    /// Runs until the account is disconnected or hands over.
    #[run(name = names::ACCOUNT)]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Ended> {
        let detached = WorkflowCancellationToken::new();
        workflows::join!(
            live(ctx.clone(), detached.clone()),
            Self::disconnect_when_cancelled(ctx.clone(), detached.clone()),
        );
        if ctx.state(|s| s.taken_down) {
            if ctx.cancellation_token().is_cancelled() {
                return Err(WorkflowTermination::cancelled());
            }
            return Ok(Ended { reason: ctx.state(|s| s.progress.disconnect.clone()).unwrap_or_default() });
        }
        let next = ctx.state(|s| AccountInput { carried: Some(s.progress.clone()), ..s.input.clone() });
        let never = ctx.continue_as_new(next, ContinueAsNewOptions::default())?;
        match never {}
    }

    async fn disconnect_when_cancelled(ctx: WorkflowContext<Self>, detached: WorkflowCancellationToken) {
        let cancelled = workflows::select! {
            _ = ctx.cancelled() => true,
            _ = condition(&ctx, &detached, |s: &Self| s.ended) => false,
        };
        if cancelled {
            ctx.state_mut(|s| s.progress.disconnect.get_or_insert_with(|| "cancelled by an operator".into()).clone());
        }
    }

    /// Somebody consented (again); the code is in the store.
    #[signal(name = names::SIGNAL_AUTHORIZED)]
    pub fn authorized(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) {
        self.progress.code_waits = true;
    }

    /// A subscription found the grant dead.
    #[signal(name = names::SIGNAL_GRANT_LOST)]
    pub fn grant_lost(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) {
        self.progress.lose_grant("the provider refuses the grant: connect the account again");
    }

    /// A notice came for a calendar whose subscription was not found ([`SubscriptionMissing`]).
    #[signal(name = names::SIGNAL_SUBSCRIPTION_MISSING)]
    pub fn subscription_missing(&mut self, _ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        // Only those that we know should run: a late notice must not bring a closed one back.
        let missing = unpack::<SubscriptionMissing>(&payload).calendar_id;
        if let Some(calendar_id) = missing.filter(|id| self.progress.calendars.contains(id)) {
            self.progress.to_ensure.insert(calendar_id);
        }
    }

    /// A subscription has ended ([`SubscriptionClosed`]).
    #[signal(name = names::SIGNAL_SUBSCRIPTION_CLOSED)]
    pub fn subscription_closed(&mut self, _ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        if let Some(calendar_id) = unpack::<SubscriptionClosed>(&payload).calendar_id {
            self.progress.forget(calendar_id);
        }
    }

    /// Look at the list of calendars now.
    #[signal(name = names::SIGNAL_DISCOVER)]
    pub fn discover(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) {
        self.progress.discovery_due_at_ms = 0;
    }

    /// Take everything down ([`Close`]).
    #[signal(name = names::SIGNAL_DISCONNECT)]
    pub fn disconnect(&mut self, _ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        self.progress.disconnect.get_or_insert(unpack::<Close>(&payload).reason);
    }

    /// The state, for people and tests.
    #[query(name = names::QUERY_STATUS)]
    pub fn status(&self, _ctx: &WorkflowContextView) -> AccountStatus {
        let calendars = self.progress.calendars.iter().copied().collect();
        AccountStatus { state: self.progress.state(), calendars }
    }
}

type Context = WorkflowContext<AccountWorkflow>;

/// One step after the other until the end or the hand-over.
async fn live(ctx: Context, detached: WorkflowCancellationToken) {
    loop {
        let state = ctx.state(|s| s.progress.state());
        record(&ctx, &detached, state).await;
        let since_ms = now_ms(&ctx);
        let step = ctx.state(|s| next_step(&s.progress, since_ms));
        let limit = ctx.state(|s| s.input.timing.history_events_max);
        if step != AccountStep::Disconnect && (ctx.continue_as_new_suggested() || ctx.history_length() >= limit) {
            break;
        }
        match step {
            AccountStep::Disconnect => {
                ending::disconnect(&ctx, &detached).await;
                ctx.state_mut(|s| s.taken_down = true);
                break;
            }
            AccountStep::Redeem => redeem(&ctx, &detached).await,
            AccountStep::TellGrant { calendar_id, needs_reauth } => {
                ctx.state_mut(|s| s.progress.to_tell.remove(&calendar_id));
                let change = AccountChanged { needs_reauth: Some(needs_reauth), ..AccountChanged::default() };
                calendars::tell(&ctx, calendar_id, &change).await;
            }
            AccountStep::Ensure { calendar_id } => {
                ctx.state_mut(|s| s.progress.to_ensure.remove(&calendar_id));
                calendars::ensure(&ctx, calendar_id).await;
            }
            AccountStep::Discover => calendars::discover(&ctx, &detached).await,
            AccountStep::WaitUntil { at_ms } => {
                let changed = move |s: &AccountWorkflow| next_step(&s.progress, since_ms) != step;
                sleep_unless(&ctx, &detached, at_ms, "next look at the list of calendars", changed).await;
            }
            AccountStep::Park => {
                let changed = move |s: &AccountWorkflow| next_step(&s.progress, since_ms) != AccountStep::Park;
                let _never_cancelled = condition(&ctx, &detached, changed).await;
            }
        }
    }
    ctx.state_mut(|s| s.ended = true);
}

async fn record(ctx: &Context, detached: &WorkflowCancellationToken, state: AccountState) {
    if ctx.state(|s| s.progress.recorded == Some(state)) {
        return;
    }
    let fact = ctx.state(|s| AccountStateFact {
        account_id: s.input.account_id,
        state,
        detail: s.progress.detail.clone(),
        at_ms: now_ms(ctx),
    });
    let summary = format!("state: {}", state.as_str().replace('_', " "));
    let options = ctx.state(|s| retry::record(&s.input.timing, detached, &summary));
    let written = ctx.execute_activity(RecordActivities::record_account_state, fact, options).await;
    // It is tried without end; marking it whatever comes keeps a defect from spinning the loop.
    let _written = written;
    ctx.state_mut(|s| s.progress.recorded = Some(state));
}

async fn redeem(ctx: &Context, detached: &WorkflowCancellationToken) {
    ctx.state_mut(|s| s.progress.code_waits = false);
    let input = AccountRef { account_id: ctx.state(|s| s.input.account_id) };
    let call = AccountActivities::redeem_code;
    let Some(redeemed) = unless_disconnected(ctx, detached, call, input, "redeem the authorization code").await else {
        return;
    };
    match redeemed {
        Ok(CodeRedeemed::Granted) => {
            ctx.state_mut(|s| s.progress.regain_grant());
        }
        Ok(CodeRedeemed::Refused) => {
            ctx.state_mut(|s| s.progress.lose_grant("the consent could not be used: connect the account again"));
        }
        Err(error) => {
            let word = FailedCall::from_error(&error).word();
            let detail = format!("the consent could not be redeemed ({word}): connect the account again");
            ctx.state_mut(|s| s.progress.lose_grant(&detail));
        }
    }
}

/// A call that is tried without an end, given up for a disconnect: then there is no answer. It has ended in any case, so
/// that nothing it writes down comes after what follows.
async fn unless_disconnected<A: ActivityDefinition>(
    ctx: &Context,
    detached: &WorkflowCancellationToken,
    activity: A,
    input: A::Input,
    summary: &str,
) -> Option<Result<A::Output, ActivityExecutionError>> {
    let stop = detached.child_token();
    let options = ctx.state(|s| retry::account_call(&s.input.timing, &stop, summary));
    let mut call = ctx.execute_activity(activity, input, options);
    let mut disconnected = condition(ctx, detached, |s: &AccountWorkflow| s.progress.disconnect.is_some());
    let answer = workflows::select! {
        answer = call => Some(answer),
        _ = disconnected => None,
    };
    if answer.is_some() {
        return answer;
    }
    stop.cancel();
    let _given_up = call.await;
    None
}
