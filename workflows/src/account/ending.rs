//! The end of an account with everything that it has, in steps.

use evercal_domain::{CalendarId, Watched};
use temporalio_workflow::{WorkflowCancellationToken, workflows};

use super::list_channel::ListChannel;
use super::progress::{Ending, EndingStage};
use super::subscriptions::close_subscription;
use super::trouble::{Trouble, after_failure};
use super::{AccountWorkflow, Context};
use crate::contract::{AccountActivities, AccountRef, Cause, ChannelActivities, CloseChannelsInput, RevokeInput};
use crate::retry;
use crate::shared::failure::FailedCall;
use crate::shared::time::{condition, now};

/// How long beyond the timeout of closing subscriptions the account waits for their signal, in milliseconds.
const CLOSE_SLACK_MS: i64 = 10 * 60 * 1_000;

/// So many attempts in a row, of any worker, find the provider off before the grant is left to it.
const OFF_ATTEMPTS: u32 = 4;

/// Sets how long the end may take, where there is one, before it is written down for readers.
pub(super) fn begins(ctx: &Context) {
    let at = now(ctx);
    ctx.state_mut(|s| {
        let timeout_s = s.input.timing.close_timeout_s;
        // The calendars' first, then those on their list.
        let until = at.plus_s(timeout_s).plus_s(timeout_s).plus_ms(CLOSE_SLACK_MS);
        if let Some(ending) = s.progress.life.ending() {
            ending.stops_until.get_or_insert(until);
        }
    });
}

/// What this run knows is not all: it may be the first after a lost one, or have calendars found but not started.
pub(super) async fn find_open(ctx: &Context, detached: &WorkflowCancellationToken) {
    let (account_id, timing) = ctx.state(|s| (s.input.account_id, s.input.timing.clone()));
    let options = retry::account_rows(&timing, detached, "find the calendars in the register");
    let open = ctx.execute_activity(AccountActivities::list_open_calendars, AccountRef { account_id }, options).await;
    let until = now(ctx).plus_s(timing.close_timeout_s).plus_ms(CLOSE_SLACK_MS);
    ctx.state_mut(|s| {
        // Without the register there is nothing more to go by; the tokens are erased in any case.
        s.progress.calendars.extend(open.map(|open| open.calendars).unwrap_or_default());
        s.progress.trouble = None;
        if let Some(ending) = s.progress.life.ending() {
            ending.stage = EndingStage::Closing { until, to_close: s.progress.calendars.clone() };
        }
    });
}

/// Asks some subscriptions to end, all at a time.
pub(super) async fn close(ctx: &Context, calendars: &[CalendarId]) {
    ctx.state_mut(|s| {
        if let Some(Ending { stage: EndingStage::Closing { to_close, .. }, .. }) = s.progress.life.ending() {
            to_close.retain(|id| !calendars.contains(id));
        }
    });
    let closed = calendars.iter().map(|id| close_subscription(ctx, *id, "the account was disconnected"));
    let _asked = workflows::join_all(closed).await;
}

/// Stops the channels on the list of calendars; what cannot be stopped runs out by itself.
pub(super) async fn unwatch_list(ctx: &Context, detached: &WorkflowCancellationToken) {
    // An attempt under way would open another one afterwards.
    condition(ctx, |s: &AccountWorkflow| !s.progress.list_channel.attempting).await;
    let (account_id, provider, timing) = ctx.state(|s| (s.input.account_id, s.input.provider, s.input.timing.clone()));
    let summary = "stop the channels on the list of calendars";
    let options = retry::channel_call(provider, &timing, timing.close_timeout_s, detached, summary);
    let input = CloseChannelsInput { watched: Watched::CalendarList { account_id } };
    let _runs_out_by_itself = ctx.execute_activity(ChannelActivities::close_channels, input, options).await;
    ctx.state_mut(|s| {
        s.progress.list_channel = ListChannel::default();
        if let Some(ending) = s.progress.life.ending() {
            ending.stage = EndingStage::Revoking { since: None };
        }
    });
}

/// Revokes the grant and erases everything. The provider may never answer: erasing does not wait for it longer than for a
/// channel, nor for long where the provider is off.
pub(super) async fn revoke(ctx: &Context, detached: &WorkflowCancellationToken) {
    let (account_id, provider, timing) = ctx.state(|s| (s.input.account_id, s.input.provider, s.input.timing.clone()));
    let at = now(ctx);
    let since = ctx.state_mut(|s| match s.progress.life.ending() {
        Some(Ending { stage: EndingStage::Revoking { since }, .. }) => *since.get_or_insert(at),
        _ => at,
    });
    // One worker that was started with the wrong settings must not end what another one can revoke.
    let is_off = |trouble: &Trouble| trouble.cause == Cause::ProviderOff && trouble.failures >= OFF_ATTEMPTS;
    let is_off = ctx.state(|s| s.progress.trouble.as_ref().is_some_and(is_off));
    let erase_only = is_off || at >= since.plus_s(timing.close_timeout_s);
    let options = if erase_only {
        retry::account_rows(&timing, detached, "erase the tokens; the provider did not answer")
    } else {
        retry::account_call(provider, &timing, detached, "revoke the grant, erase the tokens")
    };
    let input = RevokeInput { account_id, erase_only };
    let revoked = ctx.execute_activity(AccountActivities::revoke_account, input, options).await;
    let at = now(ctx);
    ctx.state_mut(|s| match revoked {
        Ok(revoked) => {
            if let Some(ending) = s.progress.life.ending() {
                ending.stage = EndingStage::TakenDown { revoked };
            }
        }
        Err(error) => {
            let (failed, before) = (FailedCall::from_error(&error), s.progress.trouble.as_ref());
            s.progress.trouble = Some(after_failure(before, &failed, &timing, &account_id.to_string(), at));
        }
    });
}
