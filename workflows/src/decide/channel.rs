//! What the channel lane does next, and when.

use evercal_domain::ProviderErrorKind;

use super::jitter;
use crate::contract::ChannelRef;
use crate::failure::FailedCall;
use crate::retry::Timing;
use crate::subscription::{LiveChannel, SubscriptionState};

/// The next thing for the channel lane to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelStep {
    /// Stop everything and end.
    Close,
    /// Start the poller.
    StartPoller,
    /// Tell the poller to end.
    StopPoller,
    /// Tell the poller how often to look.
    PacePoller,
    /// Raise (or clear) the alert about the lost channel.
    Alert {
        /// Raised, or over.
        raised: bool,
    },
    /// Open a channel now.
    Attempt {
        /// Whether one is live that this one replaces.
        renewal: bool,
    },
    /// Stop a channel that is not needed.
    Stop {
        /// Which.
        channel: ChannelRef,
        /// Whether only a notice told us of it.
        stray: bool,
    },
    /// Nothing until then.
    WaitUntil {
        /// Unix milliseconds.
        at_ms: i64,
    },
    /// Nothing until something changes.
    Park,
}

/// Decides the next step. Waiting comes last: whatever can be done now is done first.
pub fn next_step(state: &SubscriptionState, timing: &Timing, id: &str, now_ms: i64) -> ChannelStep {
    if state.close.is_some() {
        return ChannelStep::Close;
    }
    let channel = &state.channel;
    let poller_wanted = state.strategy.polls() || channel.fallback || channel.poll_only || channel.bridging;
    if poller_wanted != channel.poller_runs {
        return if poller_wanted { ChannelStep::StartPoller } else { ChannelStep::StopPoller };
    }
    // One that was chosen lives for years. One that stands in is told by nobody: runs that began before it could be do not
    // expect it.
    if state.strategy.polls() && channel.poller_interval_s != timing.polling_interval_s {
        return ChannelStep::PacePoller;
    }
    if channel.fallback != channel.alert_raised {
        return ChannelStep::Alert { raised: channel.fallback };
    }
    // A dead grant stops calls of every kind; channels that should be stopped wait with it.
    if state.needs_reauth {
        return ChannelStep::Park;
    }
    let attempt_due_ms = attempt_due_ms(state, timing, id);
    if attempt_due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
        return ChannelStep::Attempt { renewal: channel.live.is_some() };
    }
    if let Some(next) = channel.to_stop.iter().find(|entry| entry.not_before_ms <= now_ms) {
        return ChannelStep::Stop { channel: next.channel.clone(), stray: next.stray };
    }
    let next_stop_ms = channel.to_stop.iter().map(|entry| entry.not_before_ms).min();
    match attempt_due_ms.into_iter().chain(next_stop_ms).min() {
        Some(at_ms) => ChannelStep::WaitUntil { at_ms },
        None => ChannelStep::Park,
    }
}

/// When the next attempt at a channel is due; `None` when none is to be made.
pub fn attempt_due_ms(state: &SubscriptionState, timing: &Timing, id: &str) -> Option<i64> {
    let channel = &state.channel;
    if !state.strategy.watches() || channel.poll_only || state.action_required || state.needs_reauth {
        return None;
    }
    if let Some(at_ms) = channel.next_attempt_at_ms {
        return Some(at_ms);
    }
    match &channel.live {
        None => Some(0),
        Some(_) if channel.renew_requested => Some(0),
        Some(live) => Some(renewal_due_ms(live, timing, id)),
    }
}

/// When a live channel's renewal is due: the lead before its expiry (half its life where that is shorter than two
/// leads), and earlier by the margin and by this subscription's place in the spread.
pub fn renewal_due_ms(live: &LiveChannel, timing: &Timing, id: &str) -> i64 {
    let lifetime_ms = live.expires_at_ms.saturating_sub(live.opened_at_ms).max(0);
    let lead_ms = (i64::from(timing.renew_lead_s) * 1_000).min(lifetime_ms / 2);
    let spread_s = jitter::place(id, "renewal", u64::from(timing.renew_spread_s) + 1);
    let earlier_ms = (i64::from(timing.renew_margin_s) + i64::try_from(spread_s).unwrap_or(0)) * 1_000;
    // A short-lived channel must not be renewed the moment it is made.
    let earlier_ms = earlier_ms.min(lifetime_ms / 4);
    live.expires_at_ms - lead_ms - earlier_ms
}

/// The lifetime to ask for, in seconds: a little less than the maximum, by id, so that expiries spread.
pub fn lifetime_s(timing: &Timing, id: &str) -> u32 {
    let spread = timing.channel_lifetime_spread_s.min(timing.channel_lifetime_s / 2);
    let less = jitter::place(id, "expiry", u64::from(spread) + 1);
    timing.channel_lifetime_s - u32::try_from(less).unwrap_or(0)
}

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Another attempt on the ladder.
    Repeat {
        /// When.
        at_ms: i64,
    },
    /// The ladder is used up: poll, and keep trying.
    Fallback {
        /// When to try again.
        at_ms: i64,
    },
    /// This calendar cannot be watched.
    PollOnly,
    /// The grant is dead.
    NeedsReauth,
    /// Not shared any more, or forbidden, and confirmed.
    ActionRequired,
}

/// Decides what a failed attempt leads to. `failures` counts this one; `refusals` counts the not-found and forbidden
/// ones among them, this one included: a single one is confirmed before anything is given up.
pub(crate) fn after_failure(
    failed: FailedCall,
    failures: u32,
    refusals: u32,
    timing: &Timing,
    id: &str,
    now_ms: i64,
) -> AfterFailure {
    match failed.kind {
        Some(ProviderErrorKind::WatchUnsupported) => return AfterFailure::PollOnly,
        Some(ProviderErrorKind::GrantRevoked) => return AfterFailure::NeedsReauth,
        Some(ProviderErrorKind::NotFound | ProviderErrorKind::Forbidden) if refusals >= 2 => {
            return AfterFailure::ActionRequired;
        }
        _ => {}
    }
    let rung = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    if let Some(pause_s) = timing.ladder_s.get(rung) {
        // A rate limit is a pause like any other failure, but never shorter than the provider asked for.
        return AfterFailure::Repeat { at_ms: now_ms + (i64::from(*pause_s) * 1_000).max(failed.wait_ms) };
    }
    let pause_s = jitter::around(timing.regain_interval_s, 10, id, u64::from(failures));
    AfterFailure::Fallback { at_ms: now_ms + (i64::from(pause_s) * 1_000).max(failed.wait_ms) }
}

#[cfg(test)]
mod tests;
