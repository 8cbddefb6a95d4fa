//! What keeps a call of an account's waiting, and the sentence about it for people.

use evercal_domain::{ProviderErrorKind, RetryClass, UnixMs};
use serde::{Deserialize, Serialize};

use crate::contract::Cause;
use crate::retry::Timing;
use crate::shared::failure::FailedCall;
use crate::shared::{jitter, waits};

/// The next call after one that was refused as such, in seconds. Where a failed sync is repeated even
/// sooner, so is this.
const REFUSED_RETRY_S: u32 = 240;
/// So many failures in a row are not worth a word to people.
const FAILURES_UNSPOKEN: u32 = 2;

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
    /// The provider's `Retry-After`, where the wait is for that.
    pub retry_after: Option<RetryAfter>,
}

/// A provider's `Retry-After`, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryAfter {
    /// Whether people see it, with its end.
    pub is_shown: bool,
}

impl Trouble {
    /// The sentence for people, where there is something to say: once it is more than a passing failure.
    pub fn sentence(&self, doing: &str) -> Option<String> {
        if self.retry_after.is_some_and(|retry_after| retry_after.is_shown) {
            return Some(format!("the provider asked to wait until {}", self.until));
        }
        let since = self.since;
        match self.cause {
            Cause::Provider(ProviderErrorKind::ClientRefused) => Some(format!(
                "the provider does not accept this installation's OAuth client, since {since}: its operator has to act"
            )),
            Cause::ProviderOff => Some(format!(
                "this installation is not set up for the account's provider, since {since}: its operator has to act, and it goes \
                 on by itself then"
            )),
            _ => (self.failures > FAILURES_UNSPOKEN)
                .then(|| format!("it could not be {doing} since {since} ({}); it is tried again", self.cause.as_str())),
        }
    }
}

/// What a failed call leads to: when it is made again, and what people see meanwhile.
pub(crate) fn after_failure(
    before: Option<&Trouble>,
    failed: &FailedCall,
    timing: &Timing,
    id: &str,
    now: UnixMs,
) -> Trouble {
    // Attempts that found the provider off count for themselves: an account that is disconnected is erased because of them.
    let is_off = failed.cause() == Cause::ProviderOff;
    let before = before.filter(|before| (before.cause == Cause::ProviderOff) == is_off);
    let failures = before.map_or(0, |trouble| trouble.failures).saturating_add(1);
    // A wait that was kept to its end and is asked for again is a repeated one.
    let is_repeated = before.is_some_and(|trouble| trouble.retry_after.is_some() && trouble.until <= now);
    let retry_after_ms = failed.retry_after_ms.map(|retry_after_ms| waits::kept_ms(retry_after_ms, is_repeated));
    let refused = is_off || failed.kind().is_some_and(|kind| kind.retry_class() == RetryClass::Permanent);
    let doubled_ms = timing.sync_backoff_initial_ms.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let most_ms = u64::from(timing.account_retry_s) * 1_000;
    let refused_ms = u64::from(REFUSED_RETRY_S.min(timing.failed_sync_pause_s)) * 1_000;
    let base_ms = if refused { refused_ms } else { doubled_ms.min(most_ms) };
    let less_ms = jitter::offset(id, &format!("account retry {failures}"), base_ms / 10 + 1);
    let pause_ms = i64::try_from(base_ms - less_ms).unwrap_or(i64::MAX);
    Trouble {
        cause: failed.cause(),
        since: before.map_or(now, |trouble| trouble.since),
        failures,
        until: now.plus_ms(pause_ms.max(retry_after_ms.unwrap_or(0))),
        retry_after: retry_after_ms.map(|retry_after_ms| RetryAfter { is_shown: waits::is_shown(retry_after_ms) }),
    }
}

/// Between two attempts at a code at most, in milliseconds: what the provider asks for beyond that would cost the consent.
const CODE_PAUSE_MAX_MS: i64 = 15 * 1_000;

/// What a failed settlement of a consent leads to. It is tried for as long as the code lives, and no `Retry-After` is kept that
/// outlives it.
pub(crate) fn after_failed_settlement(
    before: Option<&Trouble>,
    failed: &FailedCall,
    timing: &Timing,
    id: &str,
    now: UnixMs,
) -> Trouble {
    let trouble = after_failure(before, failed, timing, id, now);
    Trouble { until: trouble.until.min(now.plus_ms(CODE_PAUSE_MAX_MS)), retry_after: None, ..trouble }
}
