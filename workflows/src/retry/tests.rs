//! What each call may take, as a table: durations and attempts are promises to operators and to the provider.

#![expect(clippy::disallowed_methods, reason = "tests make ids")]

use evercal_domain::{Provider, SyncReason, TenantId};
use temporalio_workflow::{ActivityCancellationType, ActivityOptions, WorkflowCancellationToken};

use super::*;

const DAY_S: u64 = 24 * 3600;
const PROVIDER: Provider = Provider::new("somewhere");
const CALENDARS: &str = "evercal-somewhere";
const CHANNELS: &str = "evercal-somewhere-channels";

/// A call's limits in seconds; `attempts_max` 0 and `None` mean without an end.
#[derive(Debug, PartialEq)]
struct Row {
    queue: &'static str,
    attempts_max: u32,
    first_interval_s: u64,
    interval_max_s: Option<u64>,
    start_to_close_s: Option<u64>,
    schedule_to_close_s: Option<u64>,
    permanent_kinds_are_final: bool,
}

fn row(options: &ActivityOptions) -> Row {
    let policy = options.retry_policy.as_ref().unwrap();
    assert!((policy.backoff_coefficient() - 2.0).abs() < f64::EPSILON, "each backoff is twice the one before");
    assert_eq!(options.heartbeat_timeout, Some(Duration::from_secs(5)), "a lost worker is missed within seconds");
    assert!(options.do_not_eagerly_execute, "eager execution goes around the limits of queues");
    assert!(options.summary.is_some(), "the Temporal UI shows what it is for");
    assert!(options.cancellation_token.is_some(), "the workflow's own cancellation must not reach the clean-up");
    let queues = [CALENDARS, CHANNELS, names::QUEUE_STORE];
    Row {
        queue: queues.into_iter().find(|queue| options.task_queue.as_deref() == Some(*queue)).unwrap(),
        attempts_max: policy.maximum_attempts(),
        first_interval_s: policy.initial_interval().as_secs(),
        interval_max_s: policy.maximum_interval().map(|interval| interval.as_secs()),
        start_to_close_s: options.close_timeouts.start_to_close().map(|timeout| timeout.as_secs()),
        schedule_to_close_s: options.close_timeouts.schedule_to_close().map(|timeout| timeout.as_secs()),
        permanent_kinds_are_final: policy.non_retryable_error_types() == permanent_kinds(),
    }
}

fn sync(timing: &Timing, reason: SyncReason) -> ActivityOptions {
    sync_slice(PROVIDER, timing, reason, reason.priority(), TenantId::generate(), &WorkflowCancellationToken::new())
}

#[test]
fn a_sync_ranks_as_high_as_its_reason_deserves_and_what_lost_it_costs_seconds() {
    let cases = [
        (SyncReason::Connect, 4),
        (SyncReason::Operator, 1),
        (SyncReason::CatchUp, 3),
        (SyncReason::NewChannel, 3),
        (SyncReason::Reconcile, 3),
        (SyncReason::Notice, 2),
        (SyncReason::Poll, 3),
    ];
    for (reason, priority_key) in cases {
        let options = sync(&Timing::default(), reason);
        let expected = Row {
            queue: CALENDARS,
            attempts_max: 4,
            first_interval_s: 1,
            interval_max_s: Some(5),
            start_to_close_s: Some(600),
            schedule_to_close_s: None,
            permanent_kinds_are_final: true,
        };
        assert_eq!(row(&options), expected, "{reason:?}");
        let priority = options.priority.unwrap();
        assert_eq!(priority.priority_key, Some(priority_key), "{reason:?}");
        assert!(priority.fairness_key.is_some(), "tenants share the queue fairly");
        assert_eq!(options.cancellation_type, ActivityCancellationType::TryCancel, "who is more urgent does not wait");
    }
}

#[test]
fn every_other_call_has_the_limits_of_its_kind() {
    let (timing, token) = (Timing::default(), WorkflowCancellationToken::new());
    let channel = Row {
        queue: CHANNELS,
        attempts_max: 0,
        first_interval_s: 1,
        interval_max_s: Some(5),
        start_to_close_s: Some(90),
        schedule_to_close_s: Some(DAY_S),
        permanent_kinds_are_final: true,
    };
    let stop = channel_call(PROVIDER, &timing, timing.close_timeout_s, &token, "stop all channels");
    assert_eq!(row(&stop), channel, "stopping a channel is tried for a day");
    let attempt = channel_call(PROVIDER, &timing, timing.channel_timeout_s, &token, "open a channel");
    let rung = Row { schedule_to_close_s: Some(300), ..channel };
    assert_eq!(row(&attempt), rung, "a rung of the ladder makes good for a lost worker alone");
    let account = Row {
        queue: CALENDARS,
        attempts_max: 0,
        first_interval_s: 1,
        interval_max_s: Some(10),
        start_to_close_s: Some(90),
        schedule_to_close_s: None,
        permanent_kinds_are_final: true,
    };
    let call = account_call(PROVIDER, &timing, &token, "find the calendars");
    assert_eq!(row(&call), account, "nobody else can do it");
    assert_eq!(
        call.cancellation_type,
        ActivityCancellationType::WaitCancellationCompleted,
        "what it writes down must not come after the end"
    );
    let rows = account_rows(&timing, &token, "erase the tokens");
    assert_eq!(row(&rows), Row { queue: names::QUEUE_STORE, ..account }, "also where the provider is off");
    let settle = consent_settlement(PROVIDER, &timing, &token, "settle the consent");
    assert_eq!(row(&settle), Row { queue: CHANNELS, ..account }, "beside the imports");
    assert_eq!(settle.priority.unwrap().priority_key, Some(1), "and before everything else");
    let write = Row {
        queue: names::QUEUE_STORE,
        attempts_max: 0,
        first_interval_s: 1,
        interval_max_s: Some(5),
        start_to_close_s: Some(30),
        schedule_to_close_s: None,
        permanent_kinds_are_final: false,
    };
    assert_eq!(row(&record(&timing, &token, "state: live")), write, "it is tried until the store takes it");
}

#[test]
fn what_an_operator_sets_reaches_the_calls() {
    let timing = Timing { sync_backoff_initial_ms: 2_000, sync_timeout_ms: 5_000, ..Timing::default() };
    let token = WorkflowCancellationToken::new();
    let sync = row(&sync(&timing, SyncReason::Notice));
    assert_eq!(sync.start_to_close_s, Some(5));
    assert_eq!(row(&channel_call(PROVIDER, &timing, 9, &token, "stop")).schedule_to_close_s, Some(9));
}
