//! One worker per task queue. Activities run on the shared async threads; workflow code has a thread of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use evercal_activities::{AccountActivities, ChannelActivities, Deps, RecordActivities, SyncActivities};
use evercal_domain::Profile;
use evercal_process::Tasks;
use evercal_providers::registry;
use evercal_settings::TemporalTarget;
use evercal_workflow_client::{CALL_TIMEOUT, TemporalWorkflows};
use evercal_workflows::{AccountWorkflow, PollingWorkflow, SubscriptionWorkflow, names};
use temporalio_client::{Client, Connection};
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder, WorkerTuner};
use temporalio_sdk::runtime::{PollerBehavior, Runtime};
use temporalio_sdk::{Worker, WorkerOptions};
use tokio::time::Instant;

use crate::config::WorkerConfig;
use crate::heartbeat::{self, Heartbeat};
use crate::{builds, erasure, memory, providers_off, recovery, zone_data};

/// Workflows kept in memory between their tasks.
const CACHED_WORKFLOWS_MAX: usize = 5_000;
/// How long running activities may go on after the worker was asked to stop. Longer than a page and its commit; what is
/// cut off goes on at its page.
const GRACE: Duration = Duration::from_secs(10);
/// Activities at a time on the queues of channels and of the store.
const CONCURRENT_CALLS: usize = 50;

/// Heartbeats of activities go out at least this often. The SDK would save them up for most of the heartbeat timeout, and a
/// busy machine would then seem lost.
const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// Set explicitly: unset, a namespace may switch to autoscaling that goes down to one poller.
const POLLERS: PollerBehavior = PollerBehavior::SimpleMaximum(5);
/// Four for workflows that are in memory, and two for the others. The SDK would leave one for the others: after a start all
/// workflows are replayed, and one poller alone has them wait for each other. Not more: each poll of a frozen worker swallows
/// one task for as long as a workflow task may take.
const WORKFLOW_POLLERS: PollerBehavior = PollerBehavior::SimpleMaximum(6);
const SHARE_OF_REPLAYS: f32 = 0.34;
/// How long a task waits for the worker that has its workflow in memory. When that worker was lost, this is what its workflows
/// lose, beside the heartbeat timeout: together below twenty seconds. Not shorter: a thousand notices at a time need some
/// seconds, and a task that waited too long costs a replay of the whole history. With five seconds, most of them did.
const WAIT_FOR_CACHED: Duration = Duration::from_secs(8);
/// Slots for kinds of tasks that a queue does not have; the tuner wants a number for each.
const UNUSED_SLOTS: usize = 1;

/// Serves until `stop` completes. A worker that fails ends the process: whoever supervises it starts it again.
pub(crate) async fn serve(
    config: &WorkerConfig,
    target: TemporalTarget,
    runtime: &Arc<Runtime>,
    deps: Arc<Deps>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    // Connects when it is needed: after an outage of a provider.
    let subscriptions = TemporalWorkflows::new(target.connection.clone(), target.client.clone(), CALL_TIMEOUT);
    let connection = Connection::connect(target.connection).await.context("connecting to Temporal")?;
    let (store, clock, namespace) = (Arc::clone(&deps.store), Arc::clone(&deps.clock), target.client.namespace.clone());
    let heartbeat = Heartbeat::new(store, clock, connection.clone(), namespace)?;
    let client =
        Client::new(connection, target.client).map_err(|error| anyhow!("making the Temporal client: {error}"))?;

    let handle = tokio::runtime::Handle::current();
    let mut stops: Vec<Box<dyn Fn() + Send + Sync>> = Vec::new();
    let mut queues: Vec<Queue> = Vec::new();
    for options in activity_options(config, &deps) {
        let mut worker =
            Worker::new(runtime, client.clone(), options).map_err(|error| anyhow!("making a worker: {error}"))?;
        stops.push(Box::new(worker.shutdown_handle()));
        let handle = handle.clone();
        // The future of `run` is not `Send`: each worker polls it on a thread of its own.
        queues
            .push(Box::new(move || handle.block_on(worker.run()).map_err(|error| anyhow!("a worker ended: {error}"))));
    }
    let (stop_workflows, workflows_stopped) = tokio::sync::watch::channel(false);
    // Nobody listens any more once the workflows' queue has ended by itself.
    stops.push(Box::new(move || {
        let _nobody_listens = stop_workflows.send(true);
    }));
    let workflows = Workflows {
        client,
        runtime: Arc::clone(runtime),
        build_id: config.build_id.clone(),
        memory_max_bytes: config.memory_mib.saturating_mul(1024 * 1024),
        stopped: workflows_stopped,
    };
    queues.push(Box::new(move || handle.block_on(workflows.serve())));
    let tasks = Tasks::new();
    let zone_deps = Arc::clone(&deps);
    tasks.spawn_loop("time zone data", heartbeat::SILENCE_MAX, |pulse| zone_data::watch(pulse, zone_deps));
    tasks.spawn_loop("heartbeat", heartbeat::SILENCE_MAX, |pulse| heartbeat.run(pulse));
    let erasing_deps = Arc::clone(&deps);
    tasks.spawn_loop("erasure", erasure::SILENCE_MAX, |pulse| erasure::run(pulse, erasing_deps));
    let deps_of_providers_off = Arc::clone(&deps);
    tasks.spawn_loop("providers that are off", providers_off::SILENCE_MAX, |pulse| {
        providers_off::run(pulse, deps_of_providers_off)
    });
    tasks.spawn_loop("recovery", recovery::SILENCE_MAX, |pulse| recovery::run(pulse, Arc::new(subscriptions), deps));
    let mut failed = None;
    let stop = async {
        tokio::select! {
            () = stop => {}
            failure = tasks.failed() => failed = Some(failure),
        }
        // No heartbeat any more: from now on no new work is taken.
        tasks.stop();
    };
    let served = serve_on_threads(queues, stop, || stops.iter().for_each(|stop| stop())).await;
    tasks.stop();
    tasks.drain().await;
    served?;
    failed.map_or(Ok(()), |failure| Err(failure.into()))
}

type Queue = Box<dyn FnOnce() -> anyhow::Result<()> + Send>;

/// The workflows' queue. Its worker is begun anew when the process has grown too large.
struct Workflows {
    client: Client,
    runtime: Arc<Runtime>,
    build_id: Option<builds::BuildId>,
    memory_max_bytes: u64,
    stopped: tokio::sync::watch::Receiver<bool>,
}

impl Workflows {
    async fn serve(mut self) -> anyhow::Result<()> {
        let mut let_go_at = None;
        loop {
            let options = workflow_options(self.build_id.as_ref())?;
            let mut worker = Worker::new(&self.runtime, self.client.clone(), options)
                .map_err(|error| anyhow!("making a worker: {error}"))?;
            let stop = worker.shutdown_handle();
            let run = worker.run();
            tokio::pin!(run);
            let failed = |error| anyhow!("a worker ended: {error}");
            tokio::select! {
                ended = &mut run => return ended.map_err(failed),
                // Also where nobody is left who could say so.
                _ = self.stopped.wait_for(|stopped| *stopped) => {
                    stop();
                    return run.await.map_err(failed);
                }
                () = memory::grown_too_large(self.memory_max_bytes, let_go_at) => {
                    stop();
                    run.await.map_err(failed)?;
                    let_go_at = Some(Instant::now());
                }
            }
        }
    }
}

/// Serves each queue on a thread of its own until `stop` completes or the first of them ends, whether by itself, with an
/// error or in a panic; then all are asked to stop and waited for.
async fn serve_on_threads<Q>(
    queues: Vec<Q>,
    stop: impl Future<Output = ()>,
    stop_all: impl FnOnce(),
) -> anyhow::Result<()>
where
    Q: FnOnce() -> anyhow::Result<()> + Send + 'static,
{
    let (ended, mut first_end) = tokio::sync::mpsc::channel(queues.len().max(1));
    let mut threads = Vec::new();
    for queue in queues {
        let ended = SaysWhenDropped(ended.clone());
        let thread = std::thread::Builder::new().name("evercal-queue".into()).spawn(move || {
            let _ended = ended;
            queue()
        });
        threads.push(thread.context("starting a worker's thread")?);
    }
    tracing::info!("the worker serves all queues");
    let ended_by_itself = tokio::select! {
        () = stop => false,
        _ = first_end.recv() => true,
    };
    if ended_by_itself {
        tracing::error!("a queue's worker ended by itself; stopping the others");
    }
    stop_all();
    tokio::task::spawn_blocking(move || {
        // All of them, also after the first error: one that still runs when the process ends its runtime would panic.
        let ends: Vec<_> = threads.into_iter().map(std::thread::JoinHandle::join).collect();
        ends.into_iter()
            .try_for_each(|end| end.map_err(|_| anyhow!("a worker's thread panicked: see the log above"))?)
    })
    .await
    .context("waiting for the workers")??;
    // Also where it saw no error: only an error has the process started again.
    if ended_by_itself { Err(anyhow!("a queue's worker ended by itself")) } else { Ok(()) }
}

/// Says that a thread has ended, also when it ends in a panic: else its queue would be served by nobody while the process
/// looks alive.
struct SaysWhenDropped(tokio::sync::mpsc::Sender<()>);

impl Drop for SaysWhenDropped {
    fn drop(&mut self) {
        // There is room for all; nobody listens any more once one was received.
        let _said = self.0.try_send(());
    }
}

fn workflow_options(build_id: Option<&builds::BuildId>) -> anyhow::Result<WorkerOptions> {
    Ok(WorkerOptions::new(names::QUEUE_WORKFLOWS)
        .max_cached_workflows(CACHED_WORKFLOWS_MAX)
        .sticky_queue_schedule_to_start_timeout(WAIT_FOR_CACHED)
        .workflow_task_poller_behavior(WORKFLOW_POLLERS)
        .nonsticky_to_sticky_poll_ratio(SHARE_OF_REPLAYS)
        .graceful_shutdown_period(GRACE)
        .deployment_options(builds::deployment_options(build_id))
        .register_workflow::<SubscriptionWorkflow>()?
        .register_workflow::<PollingWorkflow>()?
        .register_workflow::<AccountWorkflow>()?
        .build())
}

/// The queues of all providers, also of those that are off: activities fail there with that reason.
fn activity_options(config: &WorkerConfig, deps: &Arc<Deps>) -> Vec<WorkerOptions> {
    let options = |queue: String, at_a_time: usize| {
        WorkerOptions::new(queue)
            .tuner(activities_at_a_time(at_a_time))
            .activity_task_poller_behavior(POLLERS)
            .max_heartbeat_throttle_interval(HEARTBEAT_INTERVAL_MAX)
            .graceful_shutdown_period(GRACE)
            .deployment_options(builds::deployment_options(config.build_id.as_ref()))
            .register_activities(AccountActivities { deps: deps.clone() })
    };
    let of_provider = |profile: &Profile| {
        let calendars = options(names::provider_queue(profile.provider), config.concurrent_syncs)
            .register_activities(SyncActivities { deps: deps.clone() });
        // Consents are settled here too: their codes are good for minutes.
        let channels = options(names::channel_queue(profile.provider), CONCURRENT_CALLS)
            .register_activities(ChannelActivities { deps: deps.clone() });
        [calendars.build(), channels.build()]
    };
    let store = options(names::QUEUE_STORE.to_owned(), CONCURRENT_CALLS)
        .register_activities(RecordActivities { deps: deps.clone() });
    registry::profiles().flat_map(of_provider).chain([store.build()]).collect()
}

fn activities_at_a_time(count: usize) -> WorkerTuner {
    TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(UNUSED_SLOTS))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(count))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(UNUSED_SLOTS))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(UNUSED_SLOTS))
        .build()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue that is served until all are asked to stop, and the sender that asks it.
    fn served_until_stopped() -> (Queue, std::sync::mpsc::Sender<()>) {
        let (stop, stopped) = std::sync::mpsc::channel();
        let queue = move || {
            stopped.recv()?;
            Ok(())
        };
        (Box::new(queue), stop)
    }

    #[tokio::test]
    async fn a_panic_in_one_queues_thread_ends_the_worker_with_an_error() {
        let (served, stop) = served_until_stopped();
        let queues: Vec<Queue> = vec![served, Box::new(|| panic!("on purpose"))];
        let served = serve_on_threads(queues, std::future::pending(), move || stop.send(()).unwrap());
        let ended = tokio::time::timeout(Duration::from_secs(60), served).await.expect("it ends by itself");
        assert!(ended.unwrap_err().to_string().contains("panicked"));
    }

    #[tokio::test]
    async fn a_queue_that_ends_by_itself_ends_the_worker_with_an_error() {
        let (served, stop) = served_until_stopped();
        let queues: Vec<Queue> = vec![served, Box::new(|| Ok(()))];
        let served = serve_on_threads(queues, std::future::pending(), move || stop.send(()).unwrap());
        let ended = tokio::time::timeout(Duration::from_secs(60), served).await.expect("it ends by itself");
        assert!(ended.unwrap_err().to_string().contains("by itself"));
    }

    #[tokio::test]
    async fn a_worker_that_is_asked_to_stop_ends_without_an_error() {
        let (served, stop) = served_until_stopped();
        let served = serve_on_threads(vec![served], std::future::ready(()), move || stop.send(()).unwrap());
        tokio::time::timeout(Duration::from_secs(60), served).await.expect("it ends").unwrap();
    }
}
