//! What an account does next, and what a failed call of it leads to.

use evercal_domain::{CalendarId, ProviderErrorKind, RetryClass, SyncStrategy, UnixMs};
use serde::{Deserialize, Serialize};

use super::{jitter, waits};
use crate::account::AccountProgress;
use crate::contract::{AccountChanged, AccountInput, Cause, Grant};
use crate::due::Due;
use crate::failure::FailedCall;
use crate::retry::Timing;

/// So many subscriptions are started, told or ended at a time: fewer tasks for many, and far below what one workflow may
/// have under way.
pub const BATCH_MAX: usize = 50;
/// The next call after one that was refused as such, in seconds: sooner than people look at the clock. Where a failed sync is
/// repeated even sooner, so is this.
const REFUSED_RETRY_S: u32 = 240;
/// So many failures in a row are not worth a word to people.
const FAILURES_UNSPOKEN: u32 = 2;

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
    /// Give the grant back, erase everything and end.
    GiveBack,
    /// Tell subscriptions that the grant is dead, or works again.
    TellGrant {
        /// Which subscriptions, and what to tell.
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
    if progress.disconnect.is_some() {
        return next_step_to_the_end(progress, now);
    }
    if !progress.to_tell.is_empty() {
        let calendars = progress.to_tell.iter().take(BATCH_MAX).map(|(id, grant)| (*id, *grant)).collect();
        return AccountStep::TellGrant { calendars };
    }
    // Also with a dead grant: a subscription that was lost is there again when the next consent comes.
    if !progress.to_ensure.is_empty() {
        return AccountStep::Ensure { calendars: progress.to_ensure.iter().take(BATCH_MAX).copied().collect() };
    }
    if progress.needs_reauth || progress.duplicate_of.is_some() || !progress.has_tokens {
        return AccountStep::Park;
    }
    match progress.discovery_due {
        Due::At(at) if at > now => AccountStep::WaitUntil { at },
        Due::Now | Due::At(_) => AccountStep::Discover,
    }
}

/// Subscriptions first (their channels can be stopped only while the grant works), then the channels on the list, then the
/// grant, then the tokens.
fn next_step_to_the_end(progress: &AccountProgress, now: UnixMs) -> AccountStep {
    let ending = &progress.ending;
    let Some(closes_until) = ending.closes_until else { return AccountStep::FindOpen };
    if !ending.to_close.is_empty() {
        return AccountStep::Close { calendars: ending.to_close.iter().take(BATCH_MAX).copied().collect() };
    }
    if !progress.calendars.is_empty() && now < closes_until {
        return AccountStep::AwaitClosed { at: closes_until };
    }
    if !ending.list_is_unwatched {
        return AccountStep::UnwatchList;
    }
    match &progress.trouble {
        Some(trouble) if trouble.until > now => AccountStep::WaitUntil { at: trouble.until },
        _ => AccountStep::GiveBack,
    }
}

/// Why a call waits, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The kind of the last failure.
    pub cause: Cause,
    /// When the first of these failures was.
    pub since: UnixMs,
    /// Failures in a row.
    pub failures: u32,
    /// When the call is made again.
    pub until: UnixMs,
    /// Whether the provider asked for the wait, and whether that is long enough to be shown.
    pub wish: Option<Wish>,
}

/// A provider's wish to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Whether people see it, with its end.
    pub is_shown: bool,
}

impl Trouble {
    /// The sentence for people, where there is something to say: once it is more than a passing failure.
    pub fn sentence(&self, doing: &str) -> Option<String> {
        if self.wish.is_some_and(|wish| wish.is_shown) {
            return Some(format!("the provider asked to wait until {}", self.until));
        }
        if self.cause == Cause::Provider(ProviderErrorKind::ClientRefused) {
            let since = self.since;
            return Some(format!(
                "the provider does not accept this installation's OAuth client, since {since}: its operator has to act"
            ));
        }
        (self.failures > FAILURES_UNSPOKEN)
            .then(|| format!("it could not be {doing} since {} ({}); it is tried again", self.since, self.cause.word()))
    }
}

/// What a failed call leads to: when it is made again, and what people are told meanwhile.
pub(crate) fn after_failure(
    before: Option<&Trouble>,
    failed: &FailedCall,
    timing: &Timing,
    id: &str,
    now: UnixMs,
) -> Trouble {
    let failures = before.map_or(0, |trouble| trouble.failures).saturating_add(1);
    // A wish that was kept to its end and is heard again is a repeated one.
    let is_repeated = before.is_some_and(|trouble| trouble.wish.is_some() && trouble.until <= now);
    let wish_ms = failed.asked_wait_ms.map(|wish_ms| waits::kept_ms(wish_ms, is_repeated));
    let refused = failed.kind().is_some_and(|kind| kind.retry_class() == RetryClass::Permanent);
    let doubled_ms = timing.sync_backoff_initial_ms.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let most_ms = u64::from(timing.account_retry_s) * 1_000;
    let refused_ms = u64::from(REFUSED_RETRY_S.min(timing.failed_sync_pause_s)) * 1_000;
    let base_ms = if refused { refused_ms } else { doubled_ms.min(most_ms) };
    let less_ms = jitter::place(id, &format!("account retry {failures}"), base_ms / 10 + 1);
    let pause_ms = i64::try_from(base_ms - less_ms).unwrap_or(i64::MAX);
    Trouble {
        cause: failed.cause(),
        since: before.map_or(now, |trouble| trouble.since),
        failures,
        until: now.plus_ms(pause_ms.max(wish_ms.unwrap_or(0))),
        wish: wish_ms.map(|wish_ms| Wish { is_shown: waits::is_shown(wish_ms) }),
    }
}

/// How long a code is tried for, in milliseconds: Google's are good for ten minutes.
pub const CODE_LIVES_MS: i64 = 10 * 60 * 1_000;
/// Between two attempts at a code at most, in milliseconds: what the provider asks for beyond that would cost the consent.
const CODE_PAUSE_MAX_MS: i64 = 15 * 1_000;

/// What a failed redemption leads to. It is tried for as long as the code lives, and no wish is kept that outlives it.
pub(crate) fn after_failed_redemption(
    before: Option<&Trouble>,
    failed: &FailedCall,
    timing: &Timing,
    id: &str,
    now: UnixMs,
) -> Trouble {
    let trouble = after_failure(before, failed, timing, id, now);
    Trouble { until: trouble.until.min(now.plus_ms(CODE_PAUSE_MAX_MS)), wish: None, ..trouble }
}

/// The least time between two looks at the list because of notices, in milliseconds: a burst of them is one look or two.
const LIST_SPACING_MS: i64 = 2_000;

/// When the list is read because the provider announced a change of it. A wait that it asked for is kept.
pub fn due_after_notice(progress: &AccountProgress, now: UnixMs) -> Due {
    let spaced = progress.listed_at.map_or(now, |listed_at| now.max(listed_at.plus_ms(LIST_SPACING_MS)));
    let allowed = progress.trouble.as_ref().map_or(spaced, |trouble| trouble.until.max(spaced));
    progress.discovery_due.min(Due::At(allowed))
}

/// What subscriptions have to hear of the settings that a worker has now, if anything.
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
