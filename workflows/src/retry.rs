//! Every duration and every retry policy of the workflows, named by intent. Not for decisions.

use std::time::Duration;

use evercal_domain::profile::Defaults;
use evercal_domain::{Priority, Provider, ProviderErrorKind, RetryClass, SyncReason, TenantId};
use serde::{Deserialize, Serialize};
use temporalio_workflow::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityOptions, RetryPolicy, WorkflowCancellationToken,
};

use crate::names;

/// The durations that an installation may set. They travel in the inputs, since workflow code reads no configuration;
/// the account workflow hands new ones on once a day. A field that is left out has its default, since `EVERCAL_TIMING` names
/// only those durations that an operator wants otherwise.
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
    /// How often a lost channel is tried for afterwards, in seconds.
    pub regain_interval_s: u32,
    /// How often all is looked at although it seems healthy, in seconds (`RECONCILE_INTERVAL`).
    pub reconcile_interval_s: u32,
    /// How often the poller looks, in seconds (`POLLING_INTERVAL_MS`).
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
    /// After how long a sync that has more to read hands its slot back, in milliseconds.
    pub sync_slice_ms: u64,
    /// How long a worker may be silent before its activity is given to another, in seconds.
    pub heartbeat_timeout_s: u32,
    /// How long an attempt at a channel may take in all, missing workers included, in seconds.
    pub channel_patience_s: u32,
    /// How long stopping a channel is tried when a subscription ends, in seconds.
    pub close_patience_s: u32,
    /// Found changes that no notice announced, in so many reconciles in a row, make the channel suspect.
    pub missed_pushes_max: u32,
    /// Events after which a run hands over to the next.
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
            heartbeat_timeout_s: 6,
            channel_patience_s: 5 * 60,
            close_patience_s: 24 * 3600,
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
            code_lives_s: defaults.code_lives_s,
            sync_backoff_initial_ms: defaults.sync_backoff_initial_ms,
            ..Self::default()
        }
    }
}

/// Kinds of failures that are not repeated, by their wire names.
fn permanent_kinds() -> Vec<String> {
    ProviderErrorKind::ALL
        .into_iter()
        .filter(|kind| kind.retry_class() == RetryClass::Permanent)
        .map(|kind| kind.as_str().to_owned())
        .collect()
}

/// One slice of a sync. What the provider fails is final here, since the workflow owns its backoff and can cut it short;
/// a lost worker and a store that does not answer are made good within seconds, and then the workflow hears of them.
pub fn sync_slice(
    provider: Provider,
    timing: &Timing,
    reason: SyncReason,
    priority: Priority,
    tenant: TenantId,
    stop: &WorkflowCancellationToken,
) -> ActivityOptions {
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(Duration::from_millis(
        timing.sync_timeout_ms,
    )))
    .task_queue(names::provider_queue(provider))
    .heartbeat_timeout(seconds(timing.heartbeat_timeout_s))
    .retry_policy(
        RetryPolicy::builder()
            .initial_interval(SECOND)
            .backoff_coefficient(2.0)
            .maximum_interval(QUICK_INTERVAL_MAX)
            .maximum_attempts(SLICE_ATTEMPTS_MAX)
            .non_retryable_error_types(permanent_kinds())
            .build(),
    )
    .priority(
        temporalio_common::Priority::builder().priority_key(priority.key()).fairness_key(tenant.to_string()).build(),
    )
    .cancellation_type(ActivityCancellationType::TryCancel)
    .cancellation_token(stop.clone())
    .do_not_eagerly_execute(true)
    .summary(format!("sync: {}", reason.as_str().replace('_', " ")))
    .build()
}

/// One rung of the ladder. The provider's errors are all final here (the ladder is in the workflow); only a lost worker
/// and the store are made good within the patience.
pub fn channel_attempt(
    provider: Provider,
    timing: &Timing,
    detached: &WorkflowCancellationToken,
    summary: &str,
) -> ActivityOptions {
    channel_call(provider, timing, timing.channel_patience_s, detached, summary)
}

/// Stopping a channel: repeated for as long as `patience_s`. What the provider fails is repeated by the activity's own
/// backoff.
pub fn channel_stop(
    provider: Provider,
    timing: &Timing,
    patience_s: u32,
    detached: &WorkflowCancellationToken,
    summary: &str,
) -> ActivityOptions {
    channel_call(provider, timing, patience_s, detached, summary)
}

fn channel_call(
    provider: Provider,
    timing: &Timing,
    patience_s: u32,
    detached: &WorkflowCancellationToken,
    summary: &str,
) -> ActivityOptions {
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::ScheduleAndStartToClose {
        schedule_to_close: seconds(patience_s),
        start_to_close: ONE_CALL,
    })
    .task_queue(names::channel_queue(provider))
    .heartbeat_timeout(seconds(timing.heartbeat_timeout_s))
    .retry_policy(
        RetryPolicy::builder()
            .initial_interval(SECOND)
            .backoff_coefficient(2.0)
            .maximum_interval(QUICK_INTERVAL_MAX)
            .non_retryable_error_types(permanent_kinds())
            .build(),
    )
    .cancellation_token(detached.clone())
    .do_not_eagerly_execute(true)
    .summary(summary)
    .build()
}

/// A call of an account: reading its list of calendars, giving its grant back. What the provider refuses ends it, since the workflow waits where a person can cut the wait short; only a lost worker and a store that does
/// not answer are made good here, for as long as it takes. Whoever cancels it hears when it has really ended: what it writes
/// down must not come after what follows.
pub fn account_call(
    provider: Provider,
    timing: &Timing,
    stop: &WorkflowCancellationToken,
    summary: &str,
) -> ActivityOptions {
    account_call_on(names::provider_queue(provider), timing, stop, summary)
}

/// Looking into the register, or erasing what stands there: as patient as a call of an account, and without its provider, which may
/// be off.
pub fn account_rows(timing: &Timing, stop: &WorkflowCancellationToken, summary: &str) -> ActivityOptions {
    account_call_on(names::QUEUE_STORE.to_owned(), timing, stop, summary)
}

/// Redeeming a code, which is good for minutes: beside the imports, and before everything else.
pub fn redemption(
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
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(ONE_CALL))
        .task_queue(queue)
        .heartbeat_timeout(seconds(timing.heartbeat_timeout_s))
        .retry_policy(
            RetryPolicy::builder()
                .initial_interval(SECOND)
                .backoff_coefficient(2.0)
                .maximum_interval(ACCOUNT_INTERVAL_MAX)
                .non_retryable_error_types(permanent_kinds())
                .build(),
        )
        .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
        .cancellation_token(stop.clone())
        .do_not_eagerly_execute(true)
        .summary(summary)
        .build()
}

/// Writing something down: tried until the store takes it.
pub fn record(timing: &Timing, detached: &WorkflowCancellationToken, summary: &str) -> ActivityOptions {
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(ONE_WRITE))
        .task_queue(names::QUEUE_STORE)
        // A lane waits for it: when the worker is lost, the next one has to get it sooner than after the whole time.
        .heartbeat_timeout(seconds(timing.heartbeat_timeout_s))
        .retry_policy(
            RetryPolicy::builder()
                .initial_interval(SECOND)
                .backoff_coefficient(2.0)
                .maximum_interval(QUICK_INTERVAL_MAX)
                .build(),
        )
        .cancellation_token(detached.clone())
        .do_not_eagerly_execute(true)
        .summary(summary)
        .build()
}

/// The longest backoff of an account's calls while the store does not answer.
const ACCOUNT_INTERVAL_MAX: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// The longest pause after a lost worker or a store that did not answer: whatever was lost, it is tried again this soon.
const QUICK_INTERVAL_MAX: Duration = Duration::from_secs(5);
/// How long a worker may take for a step of a workflow, which takes milliseconds: when it is frozen, this is what its workflows
/// lose before another takes them.
pub const WORKFLOW_TASK: Duration = Duration::from_secs(5);
/// Attempts at a slice that workers or the store may fail before the workflow hears of it, and shows it.
const SLICE_ATTEMPTS_MAX: u32 = 4;
/// One call to a provider with its token refresh, including the wait for a hung peer.
const ONE_CALL: Duration = Duration::from_secs(90);

/// A channel that is granted for less is of no use, in seconds; where channels are asked for that live less than four times
/// as long, it is a quarter of that.
pub const CHANNEL_LIFETIME_MIN_S: u32 = 15 * 60;
/// How long stopping a superfluous channel is tried before other work of the lane goes first, in seconds.
pub const STOP_PATIENCE_S: u32 = 10 * 60;
/// How long it is tried at least: one call. Much shorter than the margin that a renewal has.
pub const STOP_PATIENCE_MIN_S: u32 = 90;

/// The longest backoff between two attempts, in milliseconds.
pub const BACKOFF_MAX_MS: i64 = 3_600_000;
/// Doublings after which a backoff or a pause does not grow any more, whatever its beginning.
pub const BACKOFF_DOUBLINGS_MAX: u32 = 16;
/// A provider that asks for a longer wait than this, in milliseconds, gets it instead of a backoff.
pub const ASKED_WAIT_MIN_MS: i64 = 60_000;
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

/// Seconds as a duration.
pub fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

#[cfg(test)]
mod tests;
