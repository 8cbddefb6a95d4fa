//! What an account does next, and which new settings its subscriptions get.

use evercal_domain::{CalendarId, SyncStrategy, UnixMs};

use super::progress::{Access, AccountProgress, Ending, EndingStage, Life};
use crate::contract::{AccountChanged, AccountInput, Grant};
use crate::due::Due;
use crate::retry::Timing;

/// So many subscriptions are started, signalled or ended at a time: fewer tasks for many, and far below what one workflow may
/// have under way.
pub const BATCH_MAX: usize = 50;

/// The next thing for an account to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountStep {
    /// Find out what there is to take down.
    FindOpen,
    /// Ask these subscriptions to end.
    Close {
        /// Which.
        calendars: Vec<CalendarId>,
    },
    /// Wait until the subscriptions have ended.
    AwaitClosed {
        /// At most until then.
        at: UnixMs,
    },
    /// Stop the channels on the list of calendars.
    UnwatchList,
    /// Revoke the grant, erase everything and end.
    Revoke,
    /// Signal subscriptions that the grant is dead, or works again.
    SignalGrant {
        /// Which subscriptions, and the state of the grant.
        calendars: Vec<(CalendarId, Grant)>,
    },
    /// Make sure that subscriptions run.
    Ensure {
        /// Which.
        calendars: Vec<CalendarId>,
    },
    /// Read the list of calendars.
    Discover,
    /// Nothing until then.
    WaitUntil {
        /// When something is due.
        at: UnixMs,
    },
    /// Nothing until something changes.
    Park,
}

/// Decides the next step. The end comes first, then what a person did, then what follows from it.
pub fn next_step(progress: &AccountProgress, now: UnixMs) -> AccountStep {
    if let Life::Ending(ending) = &progress.life {
        return next_step_to_the_end(progress, ending, now);
    }
    if !progress.to_signal.is_empty() {
        let calendars = progress.to_signal.iter().take(BATCH_MAX).map(|(id, grant)| (*id, *grant)).collect();
        return AccountStep::SignalGrant { calendars };
    }
    // Also with a dead grant: a subscription that was lost is there again when the next consent comes.
    if !progress.to_ensure.is_empty() {
        return AccountStep::Ensure { calendars: progress.to_ensure.iter().take(BATCH_MAX).copied().collect() };
    }
    if progress.access != Access::Works {
        return AccountStep::Park;
    }
    match progress.discovery_due {
        Due::At(at) if at > now => AccountStep::WaitUntil { at },
        Due::Now | Due::At(_) => AccountStep::Discover,
    }
}

/// Subscriptions first (their channels can be stopped only while the grant works), then the channels on the list, then the
/// grant, then the tokens.
fn next_step_to_the_end(progress: &AccountProgress, ending: &Ending, now: UnixMs) -> AccountStep {
    match &ending.stage {
        EndingStage::Begun => AccountStep::FindOpen,
        EndingStage::Closing { to_close, .. } if !to_close.is_empty() => {
            AccountStep::Close { calendars: to_close.iter().take(BATCH_MAX).copied().collect() }
        }
        EndingStage::Closing { until, .. } if !progress.calendars.is_empty() && now < *until => {
            AccountStep::AwaitClosed { at: *until }
        }
        EndingStage::Closing { .. } => AccountStep::UnwatchList,
        EndingStage::Revoking { .. } => match &progress.trouble {
            Some(trouble) if trouble.until > now => AccountStep::WaitUntil { at: trouble.until },
            _ => AccountStep::Revoke,
        },
        EndingStage::TakenDown { .. } => AccountStep::Park,
    }
}

/// The change of settings to signal to subscriptions, where a worker has other settings now.
pub fn settings_changed<State>(
    input: &AccountInput<State>,
    timing: Timing,
    strategy: SyncStrategy,
) -> Option<AccountChanged> {
    let change = AccountChanged {
        timing: Some(timing).filter(|timing| *timing != input.timing),
        strategy: Some(strategy).filter(|strategy| *strategy != input.strategy),
        ..AccountChanged::default()
    };
    (change != AccountChanged::default()).then_some(change)
}

#[cfg(test)]
mod tests;
