//! The lane of the channel on the account's list of calendars: carries out what [`ListChannelStep`] says.

use evercal_domain::{ProviderErrorKind, UnixMs, Watched};
use temporalio_workflow::WorkflowCancellationToken;

use super::ListChannelStep;
use crate::account::{AccountWorkflow, Context};
use crate::contract::{ChannelActivities, ChannelRef, OpenChannelInput, StopChannelInput};
use crate::due::Due;
use crate::retry::{self, STOP_TIMEOUT_MIN_S};
use crate::shared::failure::FailedCall;
use crate::shared::live_channel::{LiveChannel, grants_too_little, lifetime_s};
use crate::shared::time::{condition, now, sleep_unless};

/// Runs until the account ends or continues as new.
pub(in crate::account) async fn run(ctx: Context, detached: WorkflowCancellationToken) {
    loop {
        let since = now(&ctx);
        if ctx.state(|s| s.lanes_return) {
            return;
        }
        match ctx.state(|s| next(s, since)) {
            ListChannelStep::Attempt => attempt(&ctx, &detached).await,
            ListChannelStep::Stop { channel } => stop(&ctx, &detached, channel).await,
            step @ ListChannelStep::WaitUntil { at } => {
                let changed = move |s: &AccountWorkflow| s.lanes_return || next(s, since) != step;
                sleep_unless(&ctx, &detached, at, "renew the channel on the list of calendars", changed).await;
            }
            ListChannelStep::Park => {
                let changed = move |s: &AccountWorkflow| s.lanes_return || next(s, since) != ListChannelStep::Park;
                condition(&ctx, changed).await;
            }
        }
    }
}

fn next(workflow: &AccountWorkflow, now: UnixMs) -> ListChannelStep {
    let AccountWorkflow { input, progress, .. } = workflow;
    // The list is read first; and who has no grant can neither open nor stop anything. The end has a step of its own.
    if !progress.can_call() || progress.discoveries == 0 {
        return ListChannelStep::Park;
    }
    progress.list_channel.next_step(input.strategy.watches(), &input.timing, &input.account_id.to_string(), now)
}

async fn attempt(ctx: &Context, detached: &WorkflowCancellationToken) {
    let (provider, timing, account_id) = ctx.state(|s| (s.input.provider, s.input.timing.clone(), s.input.account_id));
    let id = account_id.to_string();
    let (renews, grant) = ctx.state_mut(|s| {
        s.progress.list_channel.attempting = true;
        (s.progress.list_channel.live.as_ref().map(LiveChannel::renewed), s.progress.grant.number)
    });
    let is_renewal = renews.is_some();
    let watched = Watched::CalendarList { account_id };
    let input = OpenChannelInput { watched, lifetime_s: lifetime_s(&timing, &id), renews };
    let summary = if is_renewal { "renew" } else { "open" }.to_owned() + " the channel on the list of calendars";
    let options = retry::channel_call(provider, &timing, timing.channel_timeout_s, detached, &summary);
    let result = if is_renewal {
        ctx.execute_activity(ChannelActivities::renew_channel, input, options).await
    } else {
        ctx.execute_activity(ChannelActivities::create_channel, input, options).await
    };
    let at = now(ctx);
    ctx.state_mut(|s| {
        let channel = &mut s.progress.list_channel;
        match result {
            // One that is not wanted any more is stopped, however long it would live.
            Ok(opened) if s.input.strategy.watches() && grants_too_little(&opened, &timing) => {
                channel.ends_at_once(&opened, &timing, &id, at);
            }
            Ok(opened) => {
                channel.opened(&opened);
                if !s.input.strategy.watches() {
                    channel.set_aside();
                } else if !is_renewal {
                    // What changed before it was opened, nobody announced.
                    s.progress.discovery_due = s.progress.discovery_due.min(Due::At(at));
                }
            }
            Err(error) => {
                let failed = FailedCall::from_error(&error);
                channel.failed(&failed, &timing, &id, at);
                if failed.kind() == Some(ProviderErrorKind::GrantRevoked) {
                    s.progress.grant_refused(grant, failed.failure.advice.clone());
                }
            }
        }
    });
}

async fn stop(ctx: &Context, detached: &WorkflowCancellationToken, channel: ChannelRef) {
    let (provider, timing, account_id) = ctx.state(|s| (s.input.provider, s.input.timing.clone(), s.input.account_id));
    let channel_id = channel.channel_id;
    let summary = "stop a channel on the list of calendars";
    let options = retry::channel_call(provider, &timing, STOP_TIMEOUT_MIN_S, detached, summary);
    let input = StopChannelInput { watched: Watched::CalendarList { account_id }, channel };
    let stopped = ctx.execute_activity(ChannelActivities::stop_channel, input, options).await;
    let at = now(ctx);
    ctx.state_mut(|s| match stopped {
        Ok(_) => s.progress.list_channel.mark_over(channel_id),
        Err(_) => s.progress.list_channel.stop_failed(channel_id, at),
    });
}
