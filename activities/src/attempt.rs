//! One attempt at an activity: its time, its heartbeats, its name in the logs.

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::time::Instant;
use tracing::Instrument as _;

/// Heartbeats go out this many times per heartbeat timeout.
const BEATS_PER_TIMEOUT: u32 = 3;
/// The pause between them where the activity has no heartbeat timeout.
const BEAT_PAUSE_DEFAULT: Duration = Duration::from_secs(10);

tokio::task_local! {
    /// The attempt whose work runs here.
    static CURRENT: Attempt;
}

/// An attempt at an activity.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// When it started, by the server's clock.
    pub started_at: DateTime<Utc>,
    /// The same moment, by this process's.
    pub begun: Instant,
}

/// The attempt whose work runs in this task; none outside of activities. For whoever composes a worker whose time or whose
/// transport goes by the attempt's time.
pub fn current() -> Option<Attempt> {
    CURRENT.try_with(|attempt| *attempt).ok()
}

/// When this attempt started, by the server's clock. For a workflow whose time is skipped this is its virtual time, which
/// is why activities compute with it and not with the machine's clock.
pub(crate) fn started_at(ctx: &ActivityContext) -> DateTime<Utc> {
    ctx.info().started_time.map_or(DateTime::UNIX_EPOCH, DateTime::from)
}

/// A name for what this activity does, the same in every attempt: key of rows that must not be written twice.
pub(crate) fn dedup_key(ctx: &ActivityContext) -> String {
    let info = ctx.info();
    // Activity ids count from one in each run, so the run belongs to the key.
    let run = info.workflow_run_id.as_deref().unwrap_or_default();
    format!("{run}/{}", info.activity_id)
}

/// Runs the work of an activity: sends heartbeats meanwhile, stops when it is cancelled, and puts a span around it.
/// The work must stand being dropped at any await: what it did is in the store, what it did not is done by the next try.
pub(crate) async fn run<T>(
    ctx: &ActivityContext,
    work: impl Future<Output = Result<T, ActivityError>>,
) -> Result<T, ActivityError> {
    let info = ctx.info();
    let span = tracing::info_span!(
        "activity",
        activity = %info.activity_type,
        workflow_id = info.workflow_id.as_deref().unwrap_or_default(),
        attempt = info.attempt,
    );
    let attempt = Attempt { started_at: started_at(ctx), begun: Instant::now() };
    let work = CURRENT.scope(attempt, work);
    let pause = info.heartbeat_timeout.map_or(BEAT_PAUSE_DEFAULT, |timeout| timeout / BEATS_PER_TIMEOUT);
    async {
        tokio::pin!(work);
        // The timeout counts from the start, so that the first one is due after a pause: most attempts are over before, and
        // each heartbeat costs Temporal a transaction.
        let pause = pause.max(Duration::from_millis(100));
        let mut beats = tokio::time::interval_at(Instant::now() + pause, pause);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                () = ctx.cancelled() => return Err(ActivityError::cancelled()),
                _ = beats.tick() => ctx.record_heartbeat(()).await?,
            }
        }
    }
    .instrument(span)
    .await
}
