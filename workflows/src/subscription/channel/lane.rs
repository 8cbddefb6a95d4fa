//! The channel lane: carries out what `decide` says, one step after the other.

use std::num::NonZeroU32;

use evercal_domain::{ProviderErrorKind, SyncStrategy, UnixMs};
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, WorkflowCancellationToken, WorkflowContext, WorkflowSignalError,
};

use super::decide::{AttemptKind, ChannelStep, next_step, stop_timeout_s};
use super::{Poller, Push, RunningAttempt, StopReason};
use crate::contract::{
    Alert, AlertFact, ChannelActivities, ChannelRef, CloseChannelsInput, Grant, IntervalSignal, OpenChannelInput,
    PollingDefinition, PollingInput, PollingInterval, RecordActivities, StopChannelInput, StopOutcome, StopSignal,
};
use crate::shared::failure::FailedCall;
use crate::shared::live_channel::{LiveChannel, grants_too_little, lifetime_s};
use crate::shared::time::{condition, now, sleep_unless};
use crate::subscription::publish::{is_due, publish};
use crate::subscription::signals::{own_token, signal_closed, signal_grant_lost, signal_options};
use crate::subscription::{EndingStage, SubscriptionWorkflow, continue_as_new_if_due, is_long};
use crate::{names, retry};

type Context = WorkflowContext<SubscriptionWorkflow>;

/// When stopping a channel that could not be stopped is tried again, in milliseconds.
const STOP_AGAIN_MS: i64 = 3_600_000;

/// Runs until the subscription has ended or continues as new.
pub(in crate::subscription) async fn run(ctx: Context, detached: WorkflowCancellationToken) {
    loop {
        publish(&ctx, &detached).await;
        let step = ctx.state(|s| next(s, now(&ctx)));
        if step != ChannelStep::Close && continue_as_new_if_due(&ctx) {
            return;
        }
        match step {
            ChannelStep::Close => {
                close(&ctx, &detached).await;
                return;
            }
            ChannelStep::StartPoller => start_poller(&ctx).await,
            ChannelStep::StopPoller => stop_poller(&ctx).await,
            ChannelStep::SetPollerInterval => set_poller_interval(&ctx).await,
            ChannelStep::Alert(alert) => send_alert(&ctx, &detached, alert).await,
            ChannelStep::Attempt(kind) => attempt(&ctx, &detached, kind).await,
            ChannelStep::Stop { channel, reason } => stop(&ctx, &detached, channel, reason).await,
            ChannelStep::WaitUntil { at } => {
                let since = now(&ctx);
                let changed = |s: &SubscriptionWorkflow| wakes(&ctx, s) || next(s, since) != step;
                sleep_unless(&ctx, &detached, at, "next attempt at a channel", changed).await;
            }
            ChannelStep::Park => {
                let since = now(&ctx);
                let changed = |s: &SubscriptionWorkflow| wakes(&ctx, s) || next(s, since) != ChannelStep::Park;
                condition(&ctx, changed).await;
            }
        }
    }
}

/// Whether the lane has to do something else than its next step.
fn wakes(ctx: &Context, workflow: &SubscriptionWorkflow) -> bool {
    workflow.continues_as_new || is_due(workflow) || is_long(ctx, workflow)
}

fn next(workflow: &SubscriptionWorkflow, now: UnixMs) -> ChannelStep {
    next_step(&workflow.state, &workflow.input.timing, &workflow.input.calendar_id.to_string(), now)
}

/// One attempt at a channel. A failure is a fact to record, never the end of the subscription.
async fn attempt(ctx: &Context, detached: &WorkflowCancellationToken, kind: AttemptKind) {
    let wakeups_before = ctx.state_mut(|s| {
        s.state.channel.attempt = Some(RunningAttempt::default());
        s.wakeups
    });
    let (provider, timing, id) = ctx.state(|s| (s.input.provider, s.input.timing.clone(), s.input.calendar_id));
    let watched = ctx.state(SubscriptionWorkflow::watched);
    let renews = ctx.state(|s| s.state.channel.push.live().map(LiveChannel::renewed));
    let renews = renews.filter(|_| kind == AttemptKind::Renewal);
    let input = OpenChannelInput { watched, lifetime_s: lifetime_s(&timing, &id.to_string()), renews };
    let options = |summary| retry::channel_call(provider, &timing, timing.channel_timeout_s, detached, summary);
    let result = match kind {
        AttemptKind::Renewal => {
            publish(ctx, detached).await;
            ctx.execute_activity(ChannelActivities::renew_channel, input, options("renew the channel")).await
        }
        AttemptKind::Replacement => {
            publish(ctx, detached).await;
            ctx.execute_activity(ChannelActivities::renew_channel, input, options("replace a suspect channel")).await
        }
        AttemptKind::First => {
            ctx.execute_activity(ChannelActivities::create_channel, input, options("open a channel")).await
        }
    };
    let at = now(ctx);
    match result {
        Ok(opened) if grants_too_little(&opened, &timing) => {
            ctx.state_mut(|s| s.state.channel_ends_at_once(&opened, &timing, &id.to_string(), at));
        }
        Ok(opened) => ctx.state_mut(|s| s.state.channel_opened(&opened)),
        Err(error) => {
            let failed = FailedCall::from_error(&error);
            ctx.state_mut(|s| {
                s.state.channel_failed(&failed, &timing, &id.to_string(), at);
                if s.wakeups.end_wait(s.state.channel.push.wait_reason(), wakeups_before) {
                    s.state.channel.hurry();
                }
            });
            if failed.kind() == Some(ProviderErrorKind::GrantRevoked) {
                signal_grant_lost(ctx, failed.failure.advice).await;
            }
        }
    }
}

async fn stop(ctx: &Context, detached: &WorkflowCancellationToken, channel: ChannelRef, reason: StopReason) {
    let (provider, timing, calendar_id) =
        ctx.state(|s| (s.input.provider, s.input.timing.clone(), s.input.calendar_id));
    let channel_id = channel.channel_id;
    let summary = match reason {
        StopReason::Stray => "stop a stray channel",
        StopReason::Superfluous => "stop the old channel",
    };
    let at = now(ctx);
    let timeout_s = ctx.state(|s| stop_timeout_s(&s.state, &timing, &calendar_id.to_string(), at));
    let options = retry::channel_call(provider, &timing, timeout_s, detached, summary);
    let input = StopChannelInput { watched: ctx.state(SubscriptionWorkflow::watched), channel };
    let stopped = ctx.execute_activity(ChannelActivities::stop_channel, input, options).await;
    let again_at = now(ctx).plus_ms(STOP_AGAIN_MS);
    let failure = stopped.as_ref().err().map(FailedCall::from_error);
    let failed = failure.as_ref().and_then(FailedCall::kind);
    ctx.state_mut(|s| match stopped {
        Ok(outcome) => {
            s.state.channel.mark_over(channel_id);
            // The register knew it as alive: its notice was a real one, and what it announced is read.
            if reason == StopReason::Stray && outcome == StopOutcome::Stopped {
                s.state.sync.add(evercal_domain::SyncReason::Notice, 1, None);
            }
        }
        Err(_) => s.state.stop_failed(channel_id, failed, again_at),
    });
    // Whichever call finds it out: nobody can read with a dead grant, and somebody has to consent again.
    if failed == Some(ProviderErrorKind::GrantRevoked) {
        ctx.state_mut(|s| s.state.grant = Grant::Dead);
        signal_grant_lost(ctx, failure.and_then(|failed| failed.failure.advice)).await;
    }
}

async fn start_poller(ctx: &Context) {
    let (calendar_id, interval_s) = ctx.state(|s| (s.input.calendar_id, s.input.timing.polling_interval_s));
    let summary = match ctx.state(|s| s.state.strategy) {
        SyncStrategy::Webhook => "fallback poller: asks for syncs while there is no channel",
        SyncStrategy::Polling => "poller: asks for syncs; no channel is wanted",
        SyncStrategy::Hybrid => "poller: asks for syncs beside the channel",
    };
    let options = ChildWorkflowOptions::builder()
        .workflow_id(names::polling_id(calendar_id))
        // The parent continues as new many times while its poller lives.
        .parent_close_policy(ParentClosePolicy::Abandon)
        .cancellation_token(own_token())
        .static_summary(summary.to_owned())
        .build();
    // Already running is what we want; after any other refusal, the regain attempts and the reconcile find changes.
    let started = ctx.start_child_workflow(PollingDefinition, PollingInput { calendar_id, interval_s }, options).await;
    // One that ran already may be about to end, or have another interval.
    let interval_s = started.is_ok().then_some(interval_s);
    ctx.state_mut(|s| s.state.channel.poller = Poller::Runs { interval_s });
}

/// Signals the poller its interval; one that is gone is started anew by the next step.
async fn set_poller_interval(ctx: &Context) {
    let (calendar_id, interval_s) = ctx.state(|s| (s.input.calendar_id, s.input.timing.polling_interval_s));
    let poller = ctx.external_workflow(names::polling_id(calendar_id), None);
    let interval = PollingInterval { interval_s: NonZeroU32::new(interval_s) };
    let signalled = poller.signal(IntervalSignal, interval, signal_options()).await;
    let poller = match signalled {
        Err(WorkflowSignalError::NotFound(..)) => Poller::Stopped,
        _ => Poller::Runs { interval_s: Some(interval_s) },
    };
    ctx.state_mut(|s| s.state.channel.poller = poller);
}

async fn stop_poller(ctx: &Context) {
    let id = ctx.state(|s| names::polling_id(s.input.calendar_id));
    let poller = ctx.external_workflow(id, None);
    // Not found means that it has ended already, which is what we want.
    let _gone_is_fine = poller.signal(StopSignal, (), signal_options()).await;
    ctx.state_mut(|s| s.state.channel.poller = Poller::Stopped);
}

async fn send_alert(ctx: &Context, detached: &WorkflowCancellationToken, alert: Alert) {
    let fact = AlertFact {
        calendar_id: ctx.state(|s| s.input.calendar_id),
        alert,
        message: ctx.state(|s| s.state.detail()).unwrap_or_else(|| "a channel is live again".into()),
        at: now(ctx),
    };
    let summary = match alert {
        Alert::Raised => "raise an alert: no channel",
        Alert::Cleared => "clear the alert",
    };
    let options = ctx.state(|s| retry::record(&s.input.timing, detached, summary));
    // It is tried without end; marking it done whatever comes keeps the lane from spinning on a defect.
    let _sent = ctx.execute_activity(RecordActivities::send_alert, fact, options).await;
    ctx.state_mut(|s| s.state.channel.alert = alert);
}

/// Ends in order: poller, state, channels, account. Channels are tried for as long as configured; what is left then runs
/// out by itself and the register still knows it. Readers do not wait for that: they get nothing from the beginning.
async fn close(ctx: &Context, detached: &WorkflowCancellationToken) {
    if ctx.state(|s| s.state.channel.poller.runs()) {
        stop_poller(ctx).await;
    }
    // The sync lane must be out of the way: a page committed after the end would be a page of a closed calendar.
    condition(ctx, |s: &SubscriptionWorkflow| !s.state.sync.running).await;
    ctx.state_mut(|s| {
        s.state.life.reaches(EndingStage::Withdrawn);
        s.state.channel.push = Push::Unwanted;
    });
    publish(ctx, detached).await;
    let (provider, timing) = ctx.state(|s| (s.input.provider, s.input.timing.clone()));
    let options = retry::channel_call(provider, &timing, timing.close_timeout_s, detached, "stop all channels");
    let input = CloseChannelsInput { watched: ctx.state(SubscriptionWorkflow::watched) };
    let closed = ctx.execute_activity(ChannelActivities::close_channels, input, options).await;
    ctx.state_mut(|s| {
        if let Err(error) = &closed {
            let failure = FailedCall::from_error(error).failure;
            s.state.life.add_to_reason(&format!("channels run out by themselves ({failure})"));
        }
        s.state.life.reaches(EndingStage::Closed);
    });
    publish(ctx, detached).await;
    signal_closed(ctx).await;
}
