//! `account/<account>`: settles consents, finds the calendars at connect, when the provider announces a change and daily,
//! starts and ends their subscriptions, and takes everything down at the end, also when it was cancelled. Not for reading
//! events.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

mod calendars;
mod consent;
mod decide;
mod ending;
mod list_channel;
mod progress;
mod subscriptions;
mod trouble;

use evercal_domain::UnixMs;
use temporalio_common::ActivityDefinition;
use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityExecutionError, ActivityOptions, ContinueAsNewOptions, SyncWorkflowContext, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination, workflows,
};

use decide::{AccountStep, next_step};
pub use list_channel::{KeptRetryAfter, ListAttempts, ListChannel, ToStop};
pub use progress::{Access, AccountProgress, Consent, Ending, EndingStage, GrantProgress, Life, Recorded, Tried};
pub use trouble::{RetryAfter, Trouble};

use crate::contract::{
    AccountChanged, AccountInput, AccountStateFact, AccountStatus, Close, Ended, GrantLost, ListChanged,
    RecordActivities, StateNews, SubscriptionClosed, SubscriptionMissing, unpack,
};
use crate::shared::time::{condition, instant, now, sleep_unless};
use crate::{names, retry};

/// One connected account.
#[workflow]
pub struct AccountWorkflow {
    input: AccountInput<AccountProgress>,
    progress: AccountProgress,
    /// Set when the account ends or continues as new: its lanes return.
    lanes_return: bool,
}

#[workflow_methods]
impl AccountWorkflow {
    /// Takes the progress of the run before, or begins with the code that the consent brought.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: AccountInput<AccountProgress>) -> Self {
        let begin = || {
            let mut progress = AccountProgress::default();
            progress.consent.comes();
            progress
        };
        let progress = input.carried.take().unwrap_or_else(begin);
        Self { input, progress, lanes_return: false }
    }

    /// Runs until the account is disconnected or continues as new.
    #[run(name = names::ACCOUNT)]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Ended> {
        let detached = WorkflowCancellationToken::new();
        workflows::join!(
            live(ctx.clone(), detached.clone()),
            consent::run(ctx.clone(), detached.clone()),
            list_channel::lane::run(ctx.clone(), detached.clone()),
            Self::disconnect_when_cancelled(ctx.clone()),
        );
        // A cancellation that comes while it continues as new is left to the next run.
        if let Some(reason) = ctx.state(|s| s.progress.life.ended_for().map(str::to_owned)) {
            if ctx.cancellation_token().is_cancelled() {
                return Err(WorkflowTermination::cancelled());
            }
            return Ok(Ended { reason });
        }
        let next = ctx.state(|s| AccountInput { carried: Some(s.progress.clone()), ..s.input.clone() });
        let never = ctx.continue_as_new(next, ContinueAsNewOptions::default())?;
        match never {}
    }

    async fn disconnect_when_cancelled(ctx: WorkflowContext<Self>) {
        let cancelled = workflows::select! {
            _ = ctx.cancelled() => true,
            () = condition(&ctx, |s: &Self| s.lanes_return) => false,
        };
        if cancelled {
            ctx.state_mut(|s| s.progress.life.end("cancelled by an operator".to_owned()));
        }
    }

    /// Somebody consented (again); the code is in the store.
    #[signal(name = names::SIGNAL_AUTHORIZED)]
    pub fn authorized(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) {
        self.progress.consent.comes();
    }

    /// A subscription found the grant dead ([`GrantLost`]).
    #[signal(name = names::SIGNAL_GRANT_LOST)]
    pub fn grant_lost(&mut self, ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        let lost = unpack::<GrantLost>(&payload);
        self.progress.grant_seen_dead(lost.calendar_id, lost.why, now_in_signal(ctx));
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

    /// The provider announced a change of the list of calendars ([`ListChanged`]).
    #[signal(name = names::SIGNAL_LIST_CHANGED)]
    pub fn list_changed(&mut self, ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        let hint = unpack::<ListChanged>(&payload).channel;
        if let Some(hint) = &hint {
            self.progress.list_channel.receive(hint);
        }
        if hint.is_none_or(|hint| hint.announces_change) {
            self.progress.discovery_due = self.progress.due_after_notice(now_in_signal(ctx));
        }
    }

    /// Read the list of calendars now, whatever it waits for.
    #[signal(name = names::SIGNAL_DISCOVER)]
    pub fn discover(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) {
        self.progress.discover_now();
    }

    /// Take everything down ([`Close`]).
    #[signal(name = names::SIGNAL_DISCONNECT)]
    pub fn disconnect(&mut self, _ctx: &mut SyncWorkflowContext<Self>, payload: RawValue) {
        self.progress.life.end(unpack::<Close>(&payload).reason);
        // Whoever asks again does not want to wait for the provider any longer.
        self.progress.trouble = None;
    }

    /// The state, for people and tests.
    #[query(name = names::QUERY_STATUS)]
    pub fn status(&self, _ctx: &WorkflowContextView) -> AccountStatus {
        let calendars = self.progress.calendars.iter().copied().collect();
        AccountStatus { state: self.progress.state(), calendars }
    }
}

type Context = WorkflowContext<AccountWorkflow>;

/// One step after the other until the account ends or continues as new.
async fn live(ctx: Context, detached: WorkflowCancellationToken) {
    loop {
        ending::begins(&ctx);
        record(&ctx, &detached).await;
        if ctx.state(|s| s.progress.life.ended_for().is_some()) || is_long(&ctx) {
            break;
        }
        let since = now(&ctx);
        match ctx.state(|s| next_step(&s.progress, since)) {
            AccountStep::FindOpen => ending::find_open(&ctx, &detached).await,
            AccountStep::Close { calendars } => ending::close(&ctx, &calendars).await,
            AccountStep::UnwatchList => ending::unwatch_list(&ctx, &detached).await,
            AccountStep::Revoke => ending::revoke(&ctx, &detached).await,
            AccountStep::SignalGrant { calendars } => {
                ctx.state_mut(|s| {
                    s.progress.to_signal.retain(|id, _| calendars.iter().all(|(signalled, _)| signalled != id));
                });
                let signal = |(calendar_id, grant)| {
                    let change = AccountChanged { grant: Some(grant), ..AccountChanged::default() };
                    calendars::signal_change(&ctx, calendar_id, change)
                };
                let _gone_is_fine = workflows::join_all(calendars.into_iter().map(signal)).await;
            }
            AccountStep::Ensure { calendars } => {
                ctx.state_mut(|s| s.progress.to_ensure.retain(|id| !calendars.contains(id)));
                calendars::ensure(&ctx, &detached, calendars).await;
            }
            AccountStep::Discover => calendars::discover(&ctx, &detached).await,
            step @ (AccountStep::WaitUntil { at } | AccountStep::AwaitClosed { at }) => {
                let changed = wakes(&ctx, since, step);
                sleep_unless(&ctx, &detached, at, "next discovery of calendars", changed).await;
            }
            step @ AccountStep::Park => {
                condition(&ctx, wakes(&ctx, since, step)).await;
            }
        }
    }
    ctx.state_mut(|s| s.lanes_return = true);
}

/// Whether there is something else to do than to wait.
fn wakes(ctx: &Context, since: UnixMs, waits: AccountStep) -> impl FnMut(&AccountWorkflow) -> bool + Unpin + '_ {
    move |s: &AccountWorkflow| {
        let is_news = s.progress.recorded.as_ref() != Some(&s.progress.readers_see());
        is_news || next_step(&s.progress, since) != waits || is_over(ctx, s)
    }
}

fn is_long(ctx: &Context) -> bool {
    ctx.state(|s| is_over(ctx, s))
}

fn is_over(ctx: &Context, workflow: &AccountWorkflow) -> bool {
    ctx.continue_as_new_suggested() || ctx.history_length() >= workflow.input.timing.history_events_max
}

/// Writes the state down for readers where it is another one than they know.
async fn record(ctx: &Context, detached: &WorkflowCancellationToken) {
    let news = ctx.state(|s| s.progress.readers_see());
    let before = ctx.state(|s| s.progress.recorded.clone());
    if before.as_ref() == Some(&news) {
        return;
    }
    let state_news = match &before {
        Some(before) if before.state == news.state && before.detail == news.detail => StateNews::Nothing,
        Some(before) if before.state == news.state => StateNews::Detail,
        _ => StateNews::State,
    };
    let fact = ctx.state(|s| AccountStateFact {
        account_id: s.input.account_id,
        state: news.state,
        detail: news.detail.clone(),
        channel_expires_at: news.channel_expires_at,
        at: now(ctx),
        news: state_news,
    });
    let summary = format!("state: {}", news.state.as_str().replace('_', " "));
    let options = ctx.state(|s| retry::record(&s.input.timing, detached, &summary));
    let written = ctx.execute_activity(RecordActivities::record_account_state, fact, options).await;
    // It is tried without end; marking it whatever comes keeps a defect from spinning the loop.
    let _written = written;
    ctx.state_mut(|s| s.progress.recorded = Some(news));
}

/// A call that is given up for a disconnect: then there is no answer. It has ended in any case, so that nothing it writes
/// down comes after what follows.
async fn unless_disconnected<A: ActivityDefinition>(
    ctx: &Context,
    detached: &WorkflowCancellationToken,
    activity: A,
    input: A::Input,
    mut options: ActivityOptions,
) -> Option<Result<A::Output, ActivityExecutionError>> {
    let stop = detached.child_token();
    options.cancellation_token = Some(stop.clone());
    let mut call = ctx.execute_activity(activity, input, options);
    let mut disconnected = condition(ctx, |s: &AccountWorkflow| !s.progress.life.is_open());
    let answer = workflows::select! {
        answer = call => Some(answer),
        () = disconnected => None,
    };
    if answer.is_some() {
        return answer;
    }
    stop.cancel();
    let _given_up = call.await;
    None
}

/// Now, by the workflow's clock, inside a signal.
fn now_in_signal(ctx: &SyncWorkflowContext<AccountWorkflow>) -> UnixMs {
    instant(ctx.workflow_time())
}
