//! The end: of one subscription, and of the account with everything that it has.

use evercal_domain::{AccountState, CalendarId};
use temporalio_workflow::{SignalWorkflowOptions, WorkflowCancellationToken, WorkflowSignalError};

use super::calendars::{Started, start_subscription};
use super::{AccountWorkflow, Context, record};
use crate::contract::{AccountActivities, AccountRef, Close, RevokeInput, pack};
use crate::subscription::{SubscriptionState, SubscriptionWorkflow};
use crate::time::{now_ms, sleep_unless};
use crate::{names, retry};

/// Time beyond the patience of closing subscriptions that the account waits for their word, in milliseconds.
const CLOSE_SLACK_MS: i64 = 10 * 60 * 1_000;

/// Asks a subscription to end. One that is not there is started for that, since only a subscription stops its channels and
/// writes its end down; one that has ended already does no harm by ending once more.
pub(super) async fn close_subscription(ctx: &Context, calendar_id: CalendarId, reason: &str) {
    let Err(error) = ask_to_end(ctx, calendar_id, reason).await else { return };
    if matches!(error, WorkflowSignalError::NotFound(_)) {
        // Told before it begins, it opens no channel first.
        let strategy = ctx.state(|s| s.input.strategy);
        let ends = SubscriptionState { close: Some(reason.to_owned()), ..SubscriptionState::first(strategy) };
        ctx.state_mut(|s| s.progress.calendars.insert(calendar_id));
        if start_subscription(ctx, calendar_id, Some(ends)).await == Started::RanAlready {
            // Somebody was faster. What else can be done is done by the next look, or by whoever disconnects again.
            let _told = ask_to_end(ctx, calendar_id, reason).await;
        }
    }
}

async fn ask_to_end(ctx: &Context, calendar_id: CalendarId, reason: &str) -> Result<(), WorkflowSignalError> {
    // What a cancelled account says under its own token is never sent.
    let options = SignalWorkflowOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
    let close = pack(&Close { reason: reason.to_owned() });
    let subscription = ctx.external_workflow(names::subscription_id(calendar_id), None);
    subscription.signal(SubscriptionWorkflow::close, close, options).await.map(drop)
}

/// Subscriptions first (their channels can be stopped only while the grant works), then the grant, then the tokens.
pub(super) async fn disconnect(ctx: &Context, detached: &WorkflowCancellationToken) {
    // What this run knows is not all: it may be the first after a lost one, or have calendars found but not started.
    let open = open_calendars(ctx, detached).await;
    ctx.state_mut(|s| s.progress.calendars.extend(open));
    for calendar_id in ctx.state(|s| s.progress.calendars.clone()) {
        close_subscription(ctx, calendar_id, "the account was disconnected").await;
    }
    let patience_ms = ctx.state(|s| i64::from(s.input.timing.close_patience_s) * 1_000);
    let at_ms = now_ms(ctx) + patience_ms + CLOSE_SLACK_MS;
    let all_closed = |s: &AccountWorkflow| s.progress.calendars.is_empty();
    sleep_unless(ctx, detached, at_ms, "wait for the subscriptions to end", all_closed).await;
    give_back_and_erase(ctx, detached).await;
    record(ctx, detached, AccountState::Disconnected).await;
}

/// The calendars that the register has as open.
async fn open_calendars(ctx: &Context, detached: &WorkflowCancellationToken) -> Vec<CalendarId> {
    let (account_id, timing) = ctx.state(|s| (s.input.account_id, s.input.timing.clone()));
    let options = retry::account_call(&timing, detached, "find the calendars in the register");
    let open = ctx.execute_activity(AccountActivities::list_open_calendars, AccountRef { account_id }, options).await;
    // Without the register there is nothing more to go by; the tokens are erased in any case.
    open.map(|open| open.calendars).unwrap_or_default()
}

/// The provider may never answer. What is ours to do, erasing, does not wait for it longer than for a channel.
async fn give_back_and_erase(ctx: &Context, detached: &WorkflowCancellationToken) {
    let (account_id, timing) = ctx.state(|s| (s.input.account_id, s.input.timing.clone()));
    let options = retry::revocation(&timing, detached, "give the grant back and erase the tokens");
    let input = RevokeInput { account_id, erase_only: false };
    let revoked = ctx.execute_activity(AccountActivities::revoke_account, input, options).await;
    if revoked.is_err() {
        let options = retry::account_call(&timing, detached, "erase the tokens; the provider did not answer");
        let input = RevokeInput { account_id, erase_only: true };
        // It is repeated until the store takes it.
        let _erased = ctx.execute_activity(AccountActivities::revoke_account, input, options).await;
    }
}
