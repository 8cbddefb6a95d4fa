//! One subscription of an account: starting it and asking it to end.

use evercal_domain::{CalendarId, CalendarState};
use temporalio_common::search_attributes::SearchAttributes;
use temporalio_workflow::{
    ChildWorkflowOptions, ChildWorkflowStartError, ParentClosePolicy, SignalWorkflowOptions,
    StartChildWorkflowExecutionFailedCause, WorkflowCancellationToken, WorkflowSignalError,
};

use super::Context;
use crate::contract::{Begins, Close, CloseSignal, NoState, SubscriptionDefinition, SubscriptionInput};
use crate::{names, retry};

/// What came of starting a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    Now,
    RanAlready,
    Refused,
}

/// Starts a subscription.
pub(super) async fn start_subscription(ctx: &Context, calendar_id: CalendarId, begins: Begins<NoState>) -> Started {
    let input = ctx.state(|s| SubscriptionInput {
        calendar_id,
        account_id: s.input.account_id,
        tenant_id: s.input.tenant_id,
        provider: s.input.provider,
        timing: s.input.timing.clone(),
        strategy: s.input.strategy,
        begins,
    });
    let attributes = SearchAttributes::new([
        names::ATTRIBUTE_PROVIDER.value_set(input.provider.as_str().to_owned()),
        names::ATTRIBUTE_ACCOUNT.value_set(input.account_id.to_string()),
        names::ATTRIBUTE_STATE.value_set(CalendarState::Creating.as_str().to_owned()),
    ]);
    // Whoever cancels the account means the account, which ends its subscriptions in order. The SDK would cancel those that
    // this run started, start no more, and hang if somebody had terminated one (sdk-core 0.10.1, child state machine).
    let options = ChildWorkflowOptions::builder()
        .workflow_id(names::subscription_id(calendar_id))
        .task_timeout(retry::WORKFLOW_TASK)
        // The account continues as new; its subscriptions live on.
        .parent_close_policy(ParentClosePolicy::Abandon)
        .cancellation_token(WorkflowCancellationToken::new())
        .search_attributes(attributes)
        .static_summary(format!("keeps one {} calendar fresh", input.provider.as_str()))
        .static_details("Channel lane: opens and renews the push channel. Sync lane: reads what changed.".to_owned())
        .build();
    match ctx.start_child_workflow(SubscriptionDefinition, input, options).await {
        Ok(_child) => Started::Now,
        Err(ChildWorkflowStartError::StartFailed {
            cause: StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists,
            ..
        }) => Started::RanAlready,
        Err(_) => Started::Refused,
    }
}

/// Asks a subscription to end. One that is not there is started for that, since only a subscription stops its channels and
/// writes its end down; one that has ended already does no harm by ending once more.
pub(super) async fn close_subscription(ctx: &Context, calendar_id: CalendarId, reason: &str) {
    let Err(error) = ask_to_end(ctx, calendar_id, reason).await else { return };
    if matches!(error, WorkflowSignalError::NotFound(_)) {
        let begins = Begins::Closing { reason: reason.to_owned() };
        ctx.state_mut(|s| s.progress.calendars.insert(calendar_id));
        if start_subscription(ctx, calendar_id, begins).await == Started::RanAlready {
            // Somebody was faster. What else can be done is done by the next discovery, or by whoever disconnects again.
            let _gone_is_fine = ask_to_end(ctx, calendar_id, reason).await;
        }
    }
}

async fn ask_to_end(ctx: &Context, calendar_id: CalendarId, reason: &str) -> Result<(), WorkflowSignalError> {
    // What a cancelled account says under its own token is never sent.
    let options = SignalWorkflowOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
    let close = Close { reason: reason.to_owned() };
    let subscription = ctx.external_workflow(names::subscription_id(calendar_id), None);
    subscription.signal(CloseSignal, close, options).await.map(drop)
}
