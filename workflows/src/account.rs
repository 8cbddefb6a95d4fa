//! `account/<account>`: connects, finds the calendars at connect and daily, starts and ends their subscriptions, and
//! takes everything down at the end, also when it was cancelled. Not for reading events.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::{AccountState, CalendarId, SyncStrategy};
use serde::{Deserialize, Serialize};
use temporalio_common::data_converters::RawValue;
use temporalio_common::search_attributes::SearchAttributes;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ChildWorkflowOptions, ContinueAsNewOptions, ParentClosePolicy, SignalWorkflowOptions, SyncWorkflowContext,
    WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination, workflows,
};

use crate::contract::{
    AccountActivities, AccountChanged, AccountInput, AccountRef, AccountStateFact, AccountStatus, CalendarsListed,
    Close, CodeRedeemed, Ended, RecordActivities, SubscriptionClosed, SubscriptionInput, SubscriptionMissing, pack,
    unpack,
};
use crate::decide::account::{AccountStep, next_step, settings_changed};
use crate::decide::jitter;
use crate::failure::FailedCall;
use crate::retry::Timing;
use crate::subscription::SubscriptionWorkflow;
use crate::time::{condition, now_ms, sleep_unless};
use crate::{names, retry};

/// Time beyond the patience of closing subscriptions that the account waits for their word, in milliseconds.
const CLOSE_SLACK_MS: i64 = 10 * 60 * 1_000;

/// See "Open patches" in ARCHITECTURE.md.
const PATCH_LOST_CALENDARS: &str = "2026-11-lost-calendars";

/// What an account knows and hands over to its next run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountProgress {
    /// A consent brought a code that is not redeemed yet.
    pub code_waits: bool,
    /// The grant is dead.
    pub needs_reauth: bool,
    /// Why, for people.
    pub detail: Option<String>,
    /// The calendars whose subscription runs.
    pub calendars: BTreeSet<CalendarId>,
    /// The calendars whose subscription has to be started (again).
    pub to_ensure: BTreeSet<CalendarId>,
    /// The subscriptions to tell that the grant is dead (true) or works again (false).
    pub to_tell: BTreeMap<CalendarId, bool>,
    /// When the list of calendars is due; 0 means now.
    pub discovery_due_at_ms: i64,
    /// Discoveries so far.
    pub discoveries: u64,
    /// Set when it has to end: why.
    pub disconnect: Option<String>,
    /// What was last written down for readers.
    pub recorded: Option<AccountState>,
}

/// One connected account.
#[workflow]
pub struct AccountWorkflow {
    input: AccountInput,
    progress: AccountProgress,
    ended: bool,
}

#[workflow_methods]
impl AccountWorkflow {
    /// Takes the progress of the run before, or begins with the code that the consent brought.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: AccountInput) -> Self {
        let begin = || AccountProgress { code_waits: true, ..AccountProgress::default() };
        let progress = input.carried.take().unwrap_or_else(begin);
        Self { input, progress, ended: false }
    }

    /// Runs until the account is disconnected or hands over.
    #[run(name = names::ACCOUNT)]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Ended> {
        let detached = WorkflowCancellationToken::new();
        workflows::join!(
            live(ctx.clone(), detached.clone()),
            Self::disconnect_when_cancelled(ctx.clone(), detached.clone()),
        );
        if let Some(reason) = ctx.state(|s| s.progress.disconnect.clone()) {
            if ctx.cancellation_token().is_cancelled() {
                return Err(WorkflowTermination::cancelled());
            }
            return Ok(Ended { reason });
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

impl AccountProgress {
    /// The state as readers see it, until the end.
    fn state(&self) -> AccountState {
        if self.disconnect.is_some() {
            AccountState::Disconnecting
        } else if self.needs_reauth {
            AccountState::NeedsReauth
        } else if self.discoveries == 0 {
            AccountState::Connecting
        } else {
            AccountState::Connected
        }
    }

    fn lose_grant(&mut self, detail: &str) {
        if !self.needs_reauth {
            self.needs_reauth = true;
            self.detail = Some(detail.to_owned());
            self.to_tell = self.calendars.iter().map(|id| (*id, true)).collect();
        }
    }

    fn regain_grant(&mut self) {
        if self.needs_reauth {
            self.to_tell = self.calendars.iter().map(|id| (*id, false)).collect();
        }
        self.needs_reauth = false;
        self.detail = None;
        self.discovery_due_at_ms = 0;
    }

    fn forget(&mut self, calendar_id: CalendarId) {
        self.calendars.remove(&calendar_id);
        self.to_ensure.remove(&calendar_id);
        self.to_tell.remove(&calendar_id);
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
                disconnect(&ctx, &detached).await;
                break;
            }
            AccountStep::Redeem => redeem(&ctx, &detached).await,
            AccountStep::TellGrant { calendar_id, needs_reauth } => {
                ctx.state_mut(|s| s.progress.to_tell.remove(&calendar_id));
                let change = AccountChanged { needs_reauth: Some(needs_reauth), ..AccountChanged::default() };
                tell(&ctx, calendar_id, &change).await;
            }
            AccountStep::Ensure { calendar_id } => {
                ctx.state_mut(|s| s.progress.to_ensure.remove(&calendar_id));
                start_subscription(&ctx, calendar_id).await;
            }
            AccountStep::Discover => discover(&ctx, &detached).await,
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
    let (account_id, timing) = ctx.state(|s| (s.input.account_id, s.input.timing.clone()));
    let options = retry::account_call(&timing, detached, "redeem the authorization code");
    let redeemed = ctx.execute_activity(AccountActivities::redeem_code, AccountRef { account_id }, options).await;
    ctx.state_mut(|s| match redeemed {
        Ok(CodeRedeemed::Granted) => s.progress.regain_grant(),
        Ok(CodeRedeemed::Refused) => s.progress.lose_grant("the consent could not be used: connect the account again"),
        Err(error) => {
            let word = FailedCall::from_error(&error).word();
            s.progress.lose_grant(&format!("the consent could not be redeemed ({word}): connect the account again"));
        }
    });
}

async fn discover(ctx: &Context, detached: &WorkflowCancellationToken) {
    let (account_id, timing) = ctx.state(|s| (s.input.account_id, s.input.timing.clone()));
    let options = retry::account_call(&timing, detached, "find the calendars");
    let result = ctx.execute_activity(AccountActivities::list_calendars, AccountRef { account_id }, options).await;
    let round = ctx.state(|s| s.progress.discoveries);
    let pause_s = jitter::around(timing.discovery_interval_s, 10, &account_id.to_string(), round);
    ctx.state_mut(|s| s.progress.discovery_due_at_ms = now_ms(ctx) + i64::from(pause_s) * 1_000);
    match result {
        Ok(CalendarsListed::Listed { listed, vanished, timing, strategy }) => {
            ctx.state_mut(|s| {
                s.progress.discoveries += 1;
                // All of them, also those that should be running: this is where a lost one is found again.
                s.progress.to_ensure.extend(listed);
            });
            for calendar_id in vanished {
                close_subscription(ctx, calendar_id, "the provider does not list this calendar any more").await;
            }
            hand_on(ctx, *timing, strategy).await;
        }
        Ok(CalendarsListed::NeedsReauth) => {
            ctx.state_mut(|s| s.progress.lose_grant("the provider refuses the grant: connect the account again"));
        }
        Err(_) => {
            // Permanent for this call; the next look is the retry, sooner than the daily one.
            let pause_ms = i64::from(timing.failed_sync_pause_s) * 1_000;
            ctx.state_mut(|s| s.progress.discovery_due_at_ms = now_ms(ctx) + pause_ms);
        }
    }
}

/// New durations and another strategy reach subscriptions that run for years this way.
async fn hand_on(ctx: &Context, timing: Timing, strategy: Option<SyncStrategy>) {
    let Some(change) = ctx.state(|s| settings_changed(&s.input, timing, strategy)) else { return };
    ctx.state_mut(|s| {
        s.input.timing = change.timing.clone().unwrap_or_else(|| s.input.timing.clone());
        s.input.strategy = change.strategy.unwrap_or(s.input.strategy);
    });
    for calendar_id in ctx.state(|s| s.progress.calendars.clone()) {
        tell(ctx, calendar_id, &change).await;
    }
}

async fn tell(ctx: &Context, calendar_id: CalendarId, change: &AccountChanged) {
    // One that is gone needs no telling; the daily look finds what is missing.
    let _gone_is_fine = ctx
        .external_workflow(names::subscription_id(calendar_id), None)
        .signal(SubscriptionWorkflow::account_changed, pack(change), SignalWorkflowOptions::default())
        .await;
}

async fn start_subscription(ctx: &Context, calendar_id: CalendarId) {
    let input = ctx.state(|s| SubscriptionInput {
        calendar_id,
        account_id: s.input.account_id,
        tenant_id: s.input.tenant_id,
        provider: s.input.provider,
        timing: s.input.timing.clone(),
        strategy: s.input.strategy,
        carried: None,
    });
    let attributes = SearchAttributes::new([
        names::ATTRIBUTE_PROVIDER.value_set(input.provider.as_str().to_owned()),
        names::ATTRIBUTE_ACCOUNT.value_set(input.account_id.to_string()),
        names::ATTRIBUTE_STATE.value_set(evercal_domain::CalendarState::Creating.as_str().to_owned()),
    ]);
    let options = ChildWorkflowOptions::builder()
        .workflow_id(names::subscription_id(calendar_id))
        // The account continues as new; its subscriptions live on.
        .parent_close_policy(ParentClosePolicy::Abandon)
        .search_attributes(attributes)
        .static_summary(format!("keeps one {} calendar fresh", input.provider.as_str()))
        .static_details("Channel lane: opens and renews the push channel. Sync lane: reads what changed.".to_owned())
        .build();
    // Already running is what we want; any other refusal is found by the daily look.
    let _started_or_runs = ctx.start_child_workflow(SubscriptionWorkflow::run, input, options).await;
    ctx.state_mut(|s| s.progress.calendars.insert(calendar_id));
}

/// Starts the subscriptions that the register has as open and that do not run, so that they can end in order: only they
/// stop their channels.
async fn take_on_lost_calendars(ctx: &Context, detached: &WorkflowCancellationToken) {
    let (account_id, timing) = ctx.state(|s| (s.input.account_id, s.input.timing.clone()));
    let options = retry::account_call(&timing, detached, "find the calendars in the register");
    let open = ctx.execute_activity(AccountActivities::list_open_calendars, AccountRef { account_id }, options).await;
    // Without the register there is nothing to go by; the tokens are erased in any case.
    for calendar_id in open.map(|open| open.calendars).unwrap_or_default() {
        start_subscription(ctx, calendar_id).await;
    }
}

/// Asks a subscription to end. One that is not there has ended already.
async fn close_subscription(ctx: &Context, calendar_id: CalendarId, reason: &str) {
    let told = ctx
        .external_workflow(names::subscription_id(calendar_id), None)
        .signal(
            SubscriptionWorkflow::close,
            pack(&Close { reason: reason.to_owned() }),
            SignalWorkflowOptions::default(),
        )
        .await;
    if told.is_err() {
        ctx.state_mut(|s| s.progress.forget(calendar_id));
    }
}

/// Subscriptions first (their channels can be stopped only while the grant works), then the grant, then the tokens.
async fn disconnect(ctx: &Context, detached: &WorkflowCancellationToken) {
    // A run that was started because the one before was lost knows of no calendars, but there may be some.
    if ctx.state(|s| s.progress.discoveries == 0) && ctx.patched(PATCH_LOST_CALENDARS) {
        take_on_lost_calendars(ctx, detached).await;
    }
    for calendar_id in ctx.state(|s| s.progress.calendars.clone()) {
        close_subscription(ctx, calendar_id, "the account was disconnected").await;
    }
    let patience_ms = ctx.state(|s| i64::from(s.input.timing.close_patience_s) * 1_000);
    let at_ms = now_ms(ctx) + patience_ms + CLOSE_SLACK_MS;
    let all_closed = |s: &AccountWorkflow| s.progress.calendars.is_empty();
    sleep_unless(ctx, detached, at_ms, "wait for the subscriptions to end", all_closed).await;
    let (account_id, timing) = ctx.state(|s| (s.input.account_id, s.input.timing.clone()));
    let options = retry::account_call(&timing, detached, "give the grant back and erase the tokens");
    // Erasing is repeated until the store takes it; a refused revocation is a fact of its answer.
    let _revoked = ctx.execute_activity(AccountActivities::revoke_account, AccountRef { account_id }, options).await;
    record(ctx, detached, AccountState::Disconnected).await;
}
