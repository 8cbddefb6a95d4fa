//! Errors as Temporal failures: the only place that makes an `ApplicationFailure`.
//!
//! The failure's type is the kind's wire name; workflows match on it. Temporal has no jitter, so the delay of the next
//! attempt is computed here.

use std::time::Duration;

use evercal_domain::{Provider, ProviderError, RetryClass};
use evercal_providers::TokenError;
use evercal_storage::{StoreError, StoreErrorKind};
use evercal_workflows::contract::{FailureDetails, SyncCounts};
use evercal_workflows::{jitter, names};
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// Jitter on top of a backoff, in percent.
const JITTER_PERCENT: u64 = 10;
/// Longest backoff between two attempts: what is repeated here, nobody cuts short.
const BACKOFF_MAX: Duration = Duration::from_mins(5);
/// A `Retry-After` is kept for so long before the provider is called again.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// So many workers find a provider off before what it is needed for is given up.
const OFF_ATTEMPTS: u32 = 4;

/// When a failed attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// By the activity's own retry policy: doubling from this first backoff, with jitter.
    Backoff {
        /// The first backoff.
        initial: Duration,
    },
    /// By the server's retry policy alone.
    Policy,
    /// Never: the workflow decides, and waits.
    ByWorkflow,
}

/// A provider's error; `counts` is what a sync has done by then.
pub fn from_provider(
    ctx: &ActivityContext,
    error: &ProviderError,
    repeat: Repeat,
    counts: Option<SyncCounts>,
) -> ActivityError {
    let permanent = error.kind.retry_class() == RetryClass::Permanent || repeat == Repeat::ByWorkflow;
    let backoff = match repeat {
        Repeat::Backoff { initial } => Some(backoff(ctx, initial)),
        Repeat::Policy | Repeat::ByWorkflow => None,
    };
    // The provider's `Retry-After` counts where it is longer, within reason; the workflow reads it from here too.
    let retry_after =
        error.retry_after.map(|retry_after| if permanent { retry_after } else { retry_after.min(RETRY_AFTER_MAX) });
    let delay = backoff.into_iter().chain(retry_after).max();
    tracing::warn!(
        kind = %error.kind, call = error.call, status = error.status, reason = error.reason, "provider call failed"
    );
    ApplicationFailure::builder(error.clone())
        .type_name(error.kind.as_str().to_owned())
        .non_retryable(permanent)
        .maybe_next_retry_delay(delay)
        .details(FailureDetails { reason: error.reason.clone(), advice: error.advice.map(str::to_owned), counts })
        .build()
        .into()
}

/// A store's error. Nothing about the store is final: rights are given back, rows restored, keys found again.
pub fn from_store(error: StoreError) -> ActivityError {
    let name = match error.kind {
        StoreErrorKind::Conflict => "store_conflict",
        StoreErrorKind::Unavailable => "store_unavailable",
        StoreErrorKind::AccessDenied => "store_refused",
        StoreErrorKind::Schema => "store_schema",
        StoreErrorKind::Lost => "store_lost",
        StoreErrorKind::Corrupt => "store_corrupt",
        StoreErrorKind::Sealed => "store_sealed",
        StoreErrorKind::NotFound => "store_not_found",
        StoreErrorKind::InvalidCursor | StoreErrorKind::Configuration => "store_misused",
    };
    tracing::warn!(kind = name, error = %error, cause = error.cause(), "store call failed");
    ApplicationFailure::builder(error).type_name(name.to_owned()).build().into()
}

/// An error on the way to an access token or with it.
pub fn from_token(ctx: &ActivityContext, error: &TokenError, repeat: Repeat) -> ActivityError {
    let (name, permanent) = match error {
        TokenError::Provider(error) => return from_provider(ctx, error, repeat, None),
        TokenError::Store(_) => ("store_unavailable", false),
        TokenError::NotConnected => ("not_connected", true),
    };
    tracing::warn!(kind = name, %error, "no access token");
    ApplicationFailure::builder(error.clone()).type_name(name.to_owned()).non_retryable(permanent).build().into()
}

/// This worker is not set up for a provider, and all workers of an installation should have the same settings. The workflow
/// says so to people, and tries again.
pub fn provider_off(provider: Provider) -> ActivityError {
    off(provider, true)
}

/// As [`provider_off`], where nobody tries again afterwards. One worker with wrong settings must not end what another one can do:
/// Temporal offers it to some more of them first.
pub fn provider_off_at_last(ctx: &ActivityContext, provider: Provider) -> ActivityError {
    off(provider, ctx.info().attempt >= OFF_ATTEMPTS)
}

fn off(provider: Provider, is_final: bool) -> ActivityError {
    // Accounts, calendars and health say so; each attempt of each of them would be too many lines.
    tracing::debug!(%provider, "this worker is not set up for the provider");
    ApplicationFailure::builder(anyhow::anyhow!("this worker is not set up for {provider}"))
        .type_name(names::FAILURE_PROVIDER_OFF.to_owned())
        .non_retryable(is_final)
        .build()
        .into()
}

/// A limit at which a pass is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassLimit {
    /// So many pages in a row had no event that the list may have no end.
    EmptyPages,
    /// It has more pages than a list of events can have.
    Pages,
    /// It has more events than a calendar can have.
    Events,
    /// It takes longer than a day.
    Duration,
}

// The words of people: sentences and audit entries show them.
evercal_domain::names! { PassLimit {
    EmptyPages = "too many empty pages in a row",
    Pages = "too many pages",
    Events = "too many events",
    Duration = "it takes longer than a day",
} }

/// A list of the provider's that does not end, or is larger than one may be.
pub fn endless_list(limit: PassLimit) -> ActivityError {
    tracing::warn!(%limit, "the provider's list does not end");
    ApplicationFailure::builder(anyhow::anyhow!("the provider's list does not end: {limit}"))
        .type_name(names::FAILURE_ENDLESS_LIST.to_owned())
        .non_retryable(true)
        .details(FailureDetails { reason: Some(limit.to_string()), ..FailureDetails::default() })
        .build()
        .into()
}

/// The type of [`superseded`].
pub const SUPERSEDED: &str = "superseded";

/// Another attempt took the work over. Retryable: should this be the one that the workflow waits for, it takes it back.
pub fn superseded() -> ActivityError {
    tracing::info!("another attempt took this work over");
    ApplicationFailure::builder(anyhow::anyhow!("another attempt took this work over"))
        .type_name(SUPERSEDED.to_owned())
        .build()
        .into()
}

/// Doubled with each attempt, plus up to 10 %, by workflow and attempt.
fn backoff(ctx: &ActivityContext, initial: Duration) -> Duration {
    let info = ctx.info();
    let doublings = info.attempt.saturating_sub(1).min(16);
    let base = initial.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    let span_ms = u64::try_from(base.as_millis()).unwrap_or(u64::MAX) / (100 / JITTER_PERCENT);
    let id = info.workflow_id.as_deref().unwrap_or_default();
    base + Duration::from_millis(jitter::offset(id, &format!("backoff {}", info.attempt), span_ms + 1))
}
