//! The signals of a subscription to its account, and the token under which they are sent.

use temporalio_workflow::{SignalWorkflowOptions, WorkflowCancellationToken, WorkflowContext};

use super::SubscriptionWorkflow;
use crate::contract::{GrantLost, GrantLostSignal, SubscriptionClosed, SubscriptionClosedSignal};
use crate::names;

type Context = WorkflowContext<SubscriptionWorkflow>;

/// The grant is dead for all calendars of the account, not only for this one.
pub(super) async fn signal_grant_lost(ctx: &Context, why: Option<String>) {
    let account = ctx.state(|s| names::account_id(s.input.account_id));
    let lost = GrantLost { calendar_id: ctx.state(|s| Some(s.input.calendar_id)), why };
    // An account that is gone has asked its subscriptions to close.
    let _gone_is_fine = ctx.external_workflow(account, None).signal(GrantLostSignal, lost, signal_options()).await;
}

/// This subscription has ended.
pub(super) async fn signal_closed(ctx: &Context) {
    let account = ctx.state(|s| names::account_id(s.input.account_id));
    let closed = SubscriptionClosed { calendar_id: ctx.state(|s| Some(s.input.calendar_id)) };
    // An account that is gone needs no signal.
    let _gone_is_fine =
        ctx.external_workflow(account, None).signal(SubscriptionClosedSignal, closed, signal_options()).await;
}

/// What a cancelled subscription signals under its own token is never sent, and its end has to be signalled.
pub(super) fn signal_options() -> SignalWorkflowOptions {
    SignalWorkflowOptions::builder().cancellation_token(own_token()).build()
}

/// A token that the cancellation of the workflow does not reach. A child under the workflow's would hang it, if somebody had
/// terminated the child (sdk-core 0.10.1, child state machine).
pub(super) fn own_token() -> WorkflowCancellationToken {
    WorkflowCancellationToken::new()
}
