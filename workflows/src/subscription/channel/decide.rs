//! What the channel lane does next, and when.

use evercal_domain::{ProviderErrorKind, UnixMs};

use super::{NextAttempt, Poller, Push, StopReason, WantedChannel};
use crate::contract::{Alert, Cause, ChannelRef, Grant};
use crate::due::Due;
use crate::retry::{STOP_TIMEOUT_MAX_S, STOP_TIMEOUT_MIN_S, Timing};
use crate::shared::failure::FailedCall;
use crate::shared::jitter;
use crate::shared::live_channel::renewal_due_at;
use crate::shared::waits::{self, Wait, WaitReason};
use crate::subscription::SubscriptionState;

/// The next thing for the channel lane to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelStep {
    /// Stop everything and end.
    Close,
    /// Start the poller.
    StartPoller,
    /// Signal the poller to end.
    StopPoller,
    /// Signal the poller its interval.
    SetPollerInterval,
    /// Raise (or clear) the alert about the lost channel.
    Alert(Alert),
    /// Open a channel now.
    Attempt(AttemptKind),
    /// Stop a channel that is not needed.
    Stop {
        /// Which.
        channel: ChannelRef,
        /// Why.
        reason: StopReason,
    },
    /// Nothing until then.
    WaitUntil {
        /// When something is due.
        at: UnixMs,
    },
    /// Nothing until something changes.
    Park,
}

/// Which channel an attempt is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    /// None is live.
    First,
    /// One is live whose time ends.
    Renewal,
    /// One is live that may announce nothing any more.
    Replacement,
}

/// Decides the next step. Waiting comes last: whatever can be done now is done first.
pub fn next_step(state: &SubscriptionState, timing: &Timing, id: &str, now: UnixMs) -> ChannelStep {
    if !state.life.is_open() {
        return ChannelStep::Close;
    }
    let channel = &state.channel;
    // While nothing can be read until somebody has acted, polling would only make the history longer.
    let waits_for_somebody = state.grant == Grant::Dead || state.refusal.is_some();
    let is_polled = state.strategy.polls() || channel.push.needs_poller();
    let poller_wanted = is_polled && !waits_for_somebody;
    match channel.poller {
        Poller::Stopped if poller_wanted => return ChannelStep::StartPoller,
        Poller::Runs { .. } if !poller_wanted => return ChannelStep::StopPoller,
        // A fallback poller ends soon, and keeps the interval with which it was started.
        Poller::Runs { interval_s }
            if (state.strategy.polls() || !channel.push.is_wanted())
                && interval_s != Some(timing.polling_interval_s) =>
        {
            return ChannelStep::SetPollerInterval;
        }
        Poller::Stopped | Poller::Runs { .. } => {}
    }
    let alert = if channel.push.is_lost() { Alert::Raised } else { Alert::Cleared };
    if alert != channel.alert {
        return ChannelStep::Alert(alert);
    }
    // A dead grant stops calls of every kind; channels that should be stopped wait with it.
    if state.grant == Grant::Dead {
        return ChannelStep::Park;
    }
    let attempt_due = attempt_due(state, timing, id);
    if attempt_due.is_some_and(|due| due.has_come(now)) {
        return ChannelStep::Attempt(match &channel.push {
            Push::Wanted(WantedChannel { live: Some(_), is_suspect: true, .. }) => AttemptKind::Replacement,
            Push::Wanted(WantedChannel { live: Some(_), .. }) => AttemptKind::Renewal,
            _ => AttemptKind::First,
        });
    }
    if let Some(next) = channel.to_stop.iter().find(|entry| entry.not_before.has_come(now)) {
        return ChannelStep::Stop { channel: next.channel.clone(), reason: next.reason };
    }
    let stops_due = channel.to_stop.iter().map(|entry| entry.not_before);
    match attempt_due.into_iter().chain(stops_due).filter_map(Due::instant).min() {
        Some(at) => ChannelStep::WaitUntil { at },
        None => ChannelStep::Park,
    }
}

/// When the next attempt at a channel is due; `None` when none is to be made.
pub fn attempt_due(state: &SubscriptionState, timing: &Timing, id: &str) -> Option<Due> {
    let Push::Wanted(wanted) = &state.channel.push else { return None };
    if state.refusal.is_some() || state.grant == Grant::Dead {
        return None;
    }
    Some(match (&wanted.next, &wanted.live) {
        (NextAttempt::Repeated { due, .. }, _) => *due,
        (NextAttempt::AtOnce, _) | (NextAttempt::Planned, None) => Due::Now,
        (NextAttempt::Planned, Some(live)) => {
            let due_at = renewal_due_at(live, timing, id);
            Due::At(wanted.extension.and_then(|extension| extension.due_at).map_or(due_at, |early| early.min(due_at)))
        }
    })
}

/// How long stopping a superfluous channel may hold the lane, in seconds: an attempt that is due meanwhile waits for one
/// call at most.
pub fn stop_timeout_s(state: &SubscriptionState, timing: &Timing, id: &str, now: UnixMs) -> u32 {
    let left_s = attempt_due(state, timing, id).map_or(i64::MAX, |due| due.left_ms(now) / 1_000);
    u32::try_from(left_s).unwrap_or(u32::MAX).clamp(STOP_TIMEOUT_MIN_S, STOP_TIMEOUT_MAX_S)
}

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Another attempt.
    Repeat {
        /// Until then.
        wait: Wait,
    },
    /// The ladder is used up: poll, and keep trying.
    Fallback {
        /// Until the next try.
        wait: Wait,
    },
    /// This calendar cannot be watched.
    PollOnly,
    /// The grant is dead.
    NeedsReauth,
    /// Not shared any more, or forbidden, and confirmed.
    ActionRequired,
}

/// Decides what a failed attempt leads to, which `state` counts already. A single not-found or forbidden is confirmed before
/// anything is given up.
pub(crate) fn after_failure(
    state: &SubscriptionState,
    failed: &FailedCall,
    timing: &Timing,
    id: &str,
    now: UnixMs,
) -> AfterFailure {
    let push = &state.channel.push;
    let (failures, refusals) = push.failed().map_or((0, 0), |failed| (failed.count, failed.refusals));
    match failed.cause() {
        Cause::Provider(ProviderErrorKind::WatchUnsupported) => return AfterFailure::PollOnly,
        Cause::Provider(ProviderErrorKind::GrantRevoked) => return AfterFailure::NeedsReauth,
        cause if cause.is_refusal() && refusals >= 2 => return AfterFailure::ActionRequired,
        cause if cause.is_wider() => {
            let until = now.plus_ms(waits::wider_pause_ms(cause, timing, id));
            return AfterFailure::Repeat { wait: Wait { until, reason: WaitReason::Recovery } };
        }
        _ => {}
    }
    let rung = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let rungs = timing.ladder_s.get(rung..).unwrap_or_default();
    // A rate limit is a pause like any other failure, but not shorter than the provider asked for, within reason.
    let is_repeated = waits::is_repeated(state.retry_after_until, now);
    let retry_after_ms = failed.retry_after_ms.map_or(0, |retry_after_ms| waits::kept_ms(retry_after_ms, is_repeated));
    let wait = |pause_s: u32| {
        let pause_ms = i64::from(pause_s) * 1_000;
        let reason = match failed.cause() {
            Cause::Provider(ProviderErrorKind::RateLimited) => WaitReason::RetryAfter,
            _ if retry_after_ms > pause_ms => WaitReason::RetryAfter,
            _ => WaitReason::Recovery,
        };
        Wait { until: now.plus_ms(pause_ms.max(retry_after_ms)), reason }
    };
    // One that outlasts the ladder, or the channel, is waited for with a poller and an alert.
    let ladder_ms: i64 = rungs.iter().map(|rung_s| i64::from(*rung_s) * 1_000).sum();
    let outlasts_channel = push.live().is_some_and(|live| now.plus_ms(retry_after_ms) > live.expires_at);
    let is_long_wait = retry_after_ms > ladder_ms || outlasts_channel;
    match rungs.first() {
        Some(pause_s) if is_long_wait => AfterFailure::Fallback { wait: wait(*pause_s) },
        Some(pause_s) => AfterFailure::Repeat { wait: wait(*pause_s) },
        None => {
            let pause_s = jitter::around(timing.regain_interval_s, 10, id, u64::from(failures));
            AfterFailure::Fallback { wait: wait(pause_s) }
        }
    }
}

#[cfg(test)]
mod tests;
