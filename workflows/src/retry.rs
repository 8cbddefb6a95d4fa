//! Every duration and every retry policy of the workflows, named by intent. Not for decisions.

use std::time::Duration;

use evercal_domain::profile::Defaults;
use evercal_domain::{Priority, Provider, ProviderErrorKind, RetryClass, SyncReason, TenantId};
use serde::{Deserialize, Serialize};
use temporalio_workflow::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityOptions, RetryPolicy, WorkflowCancellationToken,
};

use crate::names;

/// The durations that an installation may set. They travel in the inputs, since workflow code reads no configuration; the
/// account workflow signals new ones to its subscriptions once a day. A field that is left out has its default, since
/// `EVERCAL_TIMING` names only those durations that an operator wants otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// How long before its expiry a channel is renewed, in seconds (`RENEW_LEAD`).
    pub renew_lead_s: u32,
    /// The first attempt is due at least this much before the lead, in seconds.
    pub renew_margin_s: u32,
    /// The first attempt moves up to this much earlier still, by a hash of the id, in seconds.
    pub renew_spread_s: u32,
    /// The lifetime asked for, in seconds.
    pub channel_lifetime_s: u32,
    /// Up to this much less is asked for, by a hash of the id, in seconds, so that expiries spread from the start.
    pub channel_lifetime_spread_s: u32,
    /// When a failed attempt is repeated, in seconds after each failure. After the last one the poller starts.
    pub ladder_s: Vec<u32>,
    /// How often opening a channel is tried afterwards, in seconds.
    pub regain_interval_s: u32,
    /// How often a calendar is reconciled although no notice came, in seconds (`RECONCILE_INTERVAL`).
    pub reconcile_interval_s: u32,
    /// How often the poller asks for a sync, in seconds (`POLLING_INTERVAL_MS`).
    pub polling_interval_s: u32,
    /// How often an account's calendars are listed, in seconds.
    pub discovery_interval_s: u32,
    /// How long after a failed call of an account's, about its list of calendars or its grant, the next one is made at most,
    /// in seconds.
    pub account_retry_s: u32,
    /// How long after a sync whose attempts all failed the next one begins, in seconds.
    pub failed_sync_pause_s: u32,
    /// How long an authorization code is good for, in seconds.
    pub code_lives_s: u32,
    /// The first backoff of a sync, in milliseconds; doubled with each attempt.
    pub sync_backoff_initial_ms: u64,
    /// Caps the attempts after the first one (`SYNC_MAX_RETRIES`).
    pub sync_retries_max: Option<u32>,
    /// How long one attempt of a sync may take, in milliseconds (`SYNC_TIMEOUT_MS`).
    pub sync_timeout_ms: u64,
    /// After how long a sync that has more to read frees its slot, in milliseconds.
    pub sync_slice_ms: u64,
    /// How long an activity may send no heartbeat before another worker retries it, in seconds.
    pub heartbeat_timeout_s: u32,
    /// The timeout of an attempt at a channel, missing workers included, in seconds.
    pub channel_timeout_s: u32,
    /// The timeout of stopping channels when a subscription ends, in seconds.
    pub close_timeout_s: u32,
    /// Found changes that no notice announced, in so many reconciles in a row, make the channel suspect.
    pub missed_pushes_max: u32,
    /// Events of history after which a workflow continues as new.
    pub history_events_max: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            renew_lead_s: 24 * 3600,
            renew_margin_s: 5 * 60,
            renew_spread_s: 55 * 60,
            channel_lifetime_s: 7 * 24 * 3600,
            channel_lifetime_spread_s: 12 * 3600,
            ladder_s: vec![5 * 60, 10 * 60, 20 * 60],
            regain_interval_s: 3600,
            reconcile_interval_s: 6 * 3600,
            polling_interval_s: 15 * 60,
            discovery_interval_s: 24 * 3600,
            account_retry_s: 30,
            failed_sync_pause_s: 15 * 60,
            code_lives_s: 10 * 60,
            sync_backoff_initial_ms: 30_000,
            sync_retries_max: None,
            sync_timeout_ms: 600_000,
            sync_slice_ms: 60_000,
            heartbeat_timeout_s: 5,
            channel_timeout_s: 5 * 60,
            close_timeout_s: 24 * 3600,
            missed_pushes_max: 3,
            history_events_max: 500,
        }
    }
}

impl Timing {
    /// The durations that suit a provider.
    pub fn of(defaults: &Defaults) -> Self {
        Self {
            channel_lifetime_s: defaults.channel_lifetime_s,
            channel_lifetime_spread_s: defaults.channel_lifetime_spread_s,
            code_lives_s: defaults.code_lives_s,
            sync_backoff_initial_ms: defaults.sync_backoff_initial_ms,
            ..Self::default()
        }
    }
}

/// One slice of a sync. A provider's error is final here, since the workflow owns that backoff and can cut it short; only a
/// lost worker and a store that does not answer are retried, for seconds, before the workflow gets the failure.
pub fn sync_slice(
    provider: Provider,
    timing: &Timing,
    reason: SyncReason,
    priority: Priority,
    tenant: TenantId,
    stop: &WorkflowCancellationToken,
) -> ActivityOptions {
    let timeouts = ActivityCloseTimeouts::StartToClose(Duration::from_millis(timing.sync_timeout_ms));
    let policy = retried(QUICK_INTERVAL_MAX, SLICE_ATTEMPTS_MAX, permanent_kinds());
    let summary = format!("sync: {}", reason.as_str().replace('_', " "));
    let mut options = options(names::provider_queue(provider), timeouts, policy, timing, stop, &summary);
    options.priority = Some(
        temporalio_common::Priority::builder().priority_key(priority.key()).fairness_key(tenant.to_string()).build(),
    );
    options.cancellation_type = ActivityCancellationType::TryCancel;
    options
}

/// Opening or stopping channels, for `timeout_s` in all, missing workers included. Opening is one rung of the ladder, and the
/// provider's errors are final for it; when stopping fails, the activity sets its own backoff.
pub fn channel_call(
    provider: Provider,
    timing: &Timing,
    timeout_s: u32,
    detached: &WorkflowCancellationToken,
    summary: &str,
) -> ActivityOptions {
    let schedule_to_close = Duration::from_secs(timeout_s.into());
    let timeouts = ActivityCloseTimeouts::ScheduleAndStartToClose { schedule_to_close, start_to_close: ONE_CALL };
    let policy = retried(QUICK_INTERVAL_MAX, UNLIMITED, permanent_kinds());
    options(names::channel_queue(provider), timeouts, policy, timing, detached, summary)
}

/// A call of an account: reading its list of calendars, revoking its grant. A provider's error is final here, since a person
/// can cut the workflow's wait short; only a lost worker and a store that does not answer are retried, for as long as it takes.
/// A cancelled call is waited for: what it writes down must not come after what follows.
pub fn account_call(
    provider: Provider,
    timing: &Timing,
    stop: &WorkflowCancellationToken,
    summary: &str,
) -> ActivityOptions {
    account_call_on(names::provider_queue(provider), timing, stop, summary)
}

/// Reading or erasing an account's rows in the store: retried like a call of an account, and without its provider, which may
/// be off.
pub fn account_rows(timing: &Timing, stop: &WorkflowCancellationToken, summary: &str) -> ActivityOptions {
    account_call_on(names::QUEUE_STORE.to_owned(), timing, stop, summary)
}

/// Settling a consent, whose code is good for minutes: beside the imports, and before everything else.
pub fn consent_settlement(
    provider: Provider,
    timing: &Timing,
    stop: &WorkflowCancellationToken,
    summary: &str,
) -> ActivityOptions {
    let mut options = account_call_on(names::channel_queue(provider), timing, stop, summary);
    options.priority = Some(temporalio_common::Priority::builder().priority_key(Priority::Critical.key()).build());
    options
}

fn account_call_on(queue: String, timing: &Timing, stop: &WorkflowCancellationToken, summary: &str) -> ActivityOptions {
    let policy = retried(ACCOUNT_INTERVAL_MAX, UNLIMITED, permanent_kinds());
    let mut options = options(queue, ActivityCloseTimeouts::StartToClose(ONE_CALL), policy, timing, stop, summary);
    options.cancellation_type = ActivityCancellationType::WaitCancellationCompleted;
    options
}

/// Writing something down: retried until the store takes it.
pub fn record(timing: &Timing, detached: &WorkflowCancellationToken, summary: &str) -> ActivityOptions {
    let policy = retried(QUICK_INTERVAL_MAX, UNLIMITED, Vec::new());
    let timeouts = ActivityCloseTimeouts::StartToClose(ONE_WRITE);
    options(names::QUEUE_STORE.to_owned(), timeouts, policy, timing, detached, summary)
}

/// What all calls have in common. Lanes wait for them: when a worker is lost, the heartbeat timeout gives its call to another
/// one sooner than the whole time of an attempt would.
fn options(
    queue: String,
    timeouts: ActivityCloseTimeouts,
    policy: RetryPolicy,
    timing: &Timing,
    token: &WorkflowCancellationToken,
    summary: &str,
) -> ActivityOptions {
    ActivityOptions::with_close_timeouts(timeouts)
        .task_queue(queue)
        .heartbeat_timeout(Duration::from_secs(timing.heartbeat_timeout_s.into()))
        .retry_policy(policy)
        .cancellation_token(token.clone())
        .do_not_eagerly_execute(true)
        .summary(summary)
        .build()
}

/// Retries, each after twice the backoff of the one before.
fn retried(interval_max: Duration, attempts_max: u32, final_error_types: Vec<String>) -> RetryPolicy {
    RetryPolicy::builder()
        .initial_interval(SECOND)
        .backoff_coefficient(2.0)
        .maximum_interval(interval_max)
        .maximum_attempts(attempts_max)
        .non_retryable_error_types(final_error_types)
        .build()
}

/// Kinds of failures that are not retried, by their wire names.
fn permanent_kinds() -> Vec<String> {
    ProviderErrorKind::ALL
        .into_iter()
        .filter(|kind| kind.retry_class() == RetryClass::Permanent)
        .map(|kind| kind.as_str().to_owned())
        .collect()
}

/// The longest backoff of an account's calls while the store does not answer.
const ACCOUNT_INTERVAL_MAX: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// How Temporal writes that attempts have no limit.
const UNLIMITED: u32 = 0;
/// The longest pause after a lost worker or a store that did not answer: whatever was lost, it is tried again this soon.
const QUICK_INTERVAL_MAX: Duration = Duration::from_secs(5);
/// How long a worker may take for a step of a workflow, which takes milliseconds: when it is frozen, this is what its workflows
/// lose before another takes them.
pub const WORKFLOW_TASK: Duration = Duration::from_secs(3);
/// Attempts at a slice that workers or the store may fail before the workflow gets the failure, and shows it.
const SLICE_ATTEMPTS_MAX: u32 = 4;
/// One call to a provider with its token refresh, including the wait for a hung peer.
const ONE_CALL: Duration = Duration::from_secs(90);

/// A channel that is granted for less is of no use, in seconds; where channels are asked for that live less than four times
/// as long, it is a quarter of that.
pub const CHANNEL_LIFETIME_MIN_S: u32 = 15 * 60;
/// The timeout of stopping a superfluous channel, in seconds: then other work of the lane goes first.
pub const STOP_TIMEOUT_MAX_S: u32 = 10 * 60;
/// The least timeout of that, in seconds: one call. Much shorter than the margin that a renewal has.
pub const STOP_TIMEOUT_MIN_S: u32 = 90;

/// The longest backoff between two attempts, in milliseconds.
pub const BACKOFF_MAX_MS: i64 = 3_600_000;
/// Doublings after which a backoff or a pause does not grow any more, whatever its beginning.
pub const BACKOFF_DOUBLINGS_MAX: u32 = 16;
/// A provider that asks for a longer wait than this, in milliseconds, gets it instead of a backoff.
pub const LONG_RETRY_AFTER_MS: i64 = 60_000;
/// The longest pause while the store fails, in milliseconds.
pub const STORE_PAUSE_MS: i64 = 10_000;
/// The longest pause while the provider refuses an account or the whole installation, in milliseconds.
pub const WIDER_PAUSE_MS: i64 = 4 * 60 * 1_000;
/// The pause before the first refusal of a calendar is confirmed, in milliseconds.
pub const CONFIRM_REFUSAL_MS: i64 = 30_000;
/// The longest pause before a refused calendar is tried again, in milliseconds.
pub const REFUSED_PAUSE_MAX_MS: i64 = 24 * 3_600_000;

/// One transaction of the store.
const ONE_WRITE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
