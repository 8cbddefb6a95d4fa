//! The heartbeat of a worker: a row in the store that moves while the worker reaches Temporal and the store, by which
//! gateways see whether there is anybody to do the work (`gateway/src/workers.rs`).

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use evercal_domain::Clock;
use evercal_domain::heartbeat::{WORKER_BEAT_INTERVAL, WORKERS, worker_service};
use evercal_domain::random::{self, RandomnessUnavailable};
use evercal_process::Pulse;
use evercal_storage::Store;
use temporalio_client::Connection;
use temporalio_client::grpc::WorkflowService as _;
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeNamespaceRequest;
use tonic::IntoRequest as _;

/// How long Temporal and the store may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the loop may be silent: all that it waits for, and some more.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The row of a worker that was killed is deleted after this time.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::hours(1);

/// Heartbeats between two deletions of rows that killed workers left.
const BEATS_PER_TIDYING: u32 = 12;

/// What a heartbeat needs.
pub(crate) struct Heartbeat {
    service: String,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    connection: Connection,
    namespace: String,
}

impl Heartbeat {
    /// A new name among the workers.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        connection: Connection,
        namespace: String,
    ) -> Result<Self, RandomnessUnavailable> {
        let id = u64::from_be_bytes(random::bytes()?);
        Ok(Self { service: worker_service(&format!("{id:016x}")), store, clock, connection, namespace })
    }

    /// Sends heartbeats until stopped; then the row is deleted.
    pub(crate) async fn run(self, pulse: Pulse) {
        let mut interval = tokio::time::interval(WORKER_BEAT_INTERVAL);
        let mut beats: u32 = 0;
        while pulse.wait(interval.tick()).await.is_some() {
            if let Some(Err(error)) = pulse.work(self.beat(beats.is_multiple_of(BEATS_PER_TIDYING))).await {
                tracing::warn!(error, "the heartbeat could not be written");
            }
            beats = beats.wrapping_add(1);
        }
        if let Ok(Err(error)) = tokio::time::timeout(TIMEOUT, self.store.forget_beat(&self.service)).await {
            tracing::warn!(%error, "the last heartbeat stays in the store; it is soon too old to count");
        }
    }

    async fn beat(&self, tidy_up: bool) -> Result<(), String> {
        let mut temporal = self.connection.clone();
        let request = DescribeNamespaceRequest { namespace: self.namespace.clone(), ..Default::default() };
        in_time("Temporal", temporal.describe_namespace(request.into_request())).await?;
        let now = self.clock.now();
        in_time("the store", self.store.beat(&self.service, now)).await?;
        if tidy_up {
            in_time("the store", self.store.forget_beats(WORKERS, now - FORGOTTEN_AFTER)).await?;
        }
        Ok(())
    }
}

async fn in_time<T, E: std::fmt::Display>(who: &str, answer: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(|error| format!("{who}: {error}")),
        Err(_) => Err(format!("{who} does not answer")),
    }
}
