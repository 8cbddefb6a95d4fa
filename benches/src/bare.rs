//! The yardstick: Temporal without evercal. Workflows that wait for a signal and then call an activity on another queue,
//! on the same server and in the same run as what they are compared with.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use evercal_tests::temporal::{TestTemporal, connect};
use futures::{TryStreamExt as _, stream};
use temporalio_client::{WorkflowDescribeOptions, WorkflowSignalOptions, WorkflowStartOptions};
use temporalio_common::data_converters::RawValue;
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::runtime::{Runtime, RuntimeOptions};
use temporalio_sdk::{Worker, WorkerOptions};
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult,
};
use tokio::sync::{mpsc, oneshot};

use crate::installation::TIMEOUT;
use crate::work::Work;

const WORKFLOWS: &str = "bare";
const ACTIVITIES: &str = "bare-activities";
/// Between two queries of a workflow that is not idle yet.
const IDLE_POLL: Duration = Duration::from_millis(100);
/// A history that has not grown for so long has all that was to come.
const QUIET: Duration = Duration::from_secs(1);
/// As many as evercal's worker keeps, so that neither reads histories again.
const CACHED_WORKFLOWS_MAX: usize = 5_000;

/// Waits for signals, and touches once for all that came.
#[workflow]
pub struct Bare {
    number: u32,
    signals: u32,
}

#[workflow_methods]
impl Bare {
    #[init]
    pub fn new(_ctx: &WorkflowContextView, number: u32) -> Self {
        Self { number, signals: 0 }
    }

    #[run(name = "bare")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        loop {
            ctx.wait_condition(|s: &Self| s.signals > 0).await?;
            let number = ctx.state_mut(|s| {
                s.signals = 0;
                s.number
            });
            let options =
                ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(Duration::from_secs(10)))
                    .task_queue(ACTIVITIES)
                    .do_not_eagerly_execute(true)
                    .build();
            let _touched = ctx.execute_activity(Touch::touch, number, options).await;
        }
    }

    #[signal(name = "poke")]
    pub fn poke(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) {
        self.signals += 1;
    }
}

/// What the activity does before it says that it ran.
type Duty = Arc<Mutex<Option<Arc<Work>>>>;

/// Says when it has run, and for which workflow.
pub struct Touch {
    ran: mpsc::UnboundedSender<(u32, Instant)>,
    duty: Duty,
}

#[activities]
impl Touch {
    #[activity(name = "touch")]
    pub async fn touch(self: Arc<Self>, _ctx: ActivityContext, number: u32) -> Result<(), ActivityError> {
        let work = self.duty.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(work) = work {
            work.once(number).await?;
        }
        // The receiver is there as long as anybody measures.
        let _sent = self.ran.send((number, Instant::now()));
        Ok(())
    }
}

/// Running bare workflows, numbered from 0.
pub struct Yardstick {
    temporal: TestTemporal,
    workflows: u32,
    ran: mpsc::UnboundedReceiver<(u32, Instant)>,
    duty: Duty,
    stop: Option<oneshot::Sender<()>>,
    worker: Option<std::thread::JoinHandle<()>>,
}

impl Yardstick {
    /// Starts a worker and so many workflows in a namespace of their own.
    pub async fn start(workflows: u32) -> anyhow::Result<Self> {
        let temporal = TestTemporal::start().await?;
        let (sender, ran) = mpsc::unbounded_channel();
        let duty = Duty::default();
        let duty_of_worker = Arc::clone(&duty);
        let (address, namespace) = (temporal.address.clone(), temporal.namespace.clone());
        let handle = tokio::runtime::Handle::current();
        let (started, ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        // The future of a worker is not `Send`: it gets a thread.
        let worker = std::thread::spawn(move || {
            handle.block_on(async move {
                let client = connect(&address, &namespace, "bare").await.expect("a client");
                let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).expect("the SDK's runtime");
                let workflows = WorkerOptions::new(WORKFLOWS)
                    .max_cached_workflows(CACHED_WORKFLOWS_MAX)
                    .register_workflow::<Bare>()
                    .expect("a workflow")
                    .build();
                let activities = WorkerOptions::new(ACTIVITIES)
                    .register_activities(Touch { ran: sender, duty: duty_of_worker })
                    .build();
                let mut workflows = Worker::new(&runtime, client.clone(), workflows).expect("a worker");
                let mut activities = Worker::new(&runtime, client, activities).expect("a worker");
                let stops = (workflows.shutdown_handle(), activities.shutdown_handle());
                started.send(()).expect("somebody waits");
                let stop = async {
                    // A sender that is gone means the same.
                    drop(stopped.await);
                    stops.0();
                    stops.1();
                };
                let _ended = tokio::join!(workflows.run(), activities.run(), stop);
            });
        });
        ready.await?;
        let mut yardstick = Self { temporal, workflows, ran, duty, stop: Some(stop), worker: Some(worker) };
        stream::iter((0..workflows).map(anyhow::Ok))
            .try_for_each_concurrent(32, |number| yardstick.start_workflow(number))
            .await?;
        // The first signal of each pays for caches.
        yardstick.signals_to_activities(32).await?;
        yardstick.idle().await?;
        Ok(yardstick)
    }

    async fn start_workflow(&self, number: u32) -> anyhow::Result<()> {
        let options = WorkflowStartOptions::new(WORKFLOWS, workflow_id(number)).build();
        self.temporal.client.start_workflow(Bare::run, number, options).await?;
        Ok(())
    }

    /// Stops the worker in order; the workflows stay, and take signals.
    pub async fn stop_worker(&mut self) -> anyhow::Result<()> {
        drop(self.stop.take());
        let Some(worker) = self.worker.take() else { return Ok(()) };
        match tokio::task::spawn_blocking(move || worker.join()).await? {
            Ok(()) => Ok(()),
            Err(_) => bail!("the bare worker panicked: see above"),
        }
    }

    async fn signal(&self, number: u32) -> anyhow::Result<()> {
        let workflow = self.temporal.client.get_workflow_handle::<Bare>(workflow_id(number));
        Ok(workflow.signal(Bare::poke, RawValue::empty(), WorkflowSignalOptions::default()).await?)
    }

    /// Sends `total` signals round about to the first `workflows` workflows, so many at a time: how long until Temporal
    /// has them all.
    pub async fn signals(&self, total: u32, workflows: u32, in_flight: usize) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let numbers = stream::iter((0..total).map(|n| anyhow::Ok(n % workflows)));
        numbers.try_for_each_concurrent(in_flight, |number| self.signal(number)).await?;
        Ok(begun.elapsed())
    }

    /// The same, with activities that work.
    pub async fn signals_to_work(&mut self, in_flight: usize, work: &Arc<Work>) -> anyhow::Result<Duration> {
        let set = |duty| *self.duty.lock().unwrap_or_else(PoisonError::into_inner) = duty;
        set(Some(Arc::clone(work)));
        let taken = self.signals_to_activities(in_flight).await;
        *self.duty.lock().unwrap_or_else(PoisonError::into_inner) = None;
        taken
    }

    /// One signal to each workflow, so many at a time: how long until the last activity has run.
    pub async fn signals_to_activities(&mut self, in_flight: usize) -> anyhow::Result<Duration> {
        while self.ran.try_recv().is_ok() {}
        let begun = Instant::now();
        self.signals(self.workflows, self.workflows, in_flight).await?;
        let (mut touched, mut last) = (BTreeSet::new(), begun);
        while touched.len() < self.workflows as usize {
            let (number, at) = self.ran.recv().await.context("the worker is gone")?;
            if touched.insert(number) {
                last = last.max(at);
            }
        }
        Ok(last - begun)
    }

    /// From the call of the client to the activity's first line.
    pub async fn signal_to_activity(&mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.signal(0).await?;
        loop {
            let (number, ran) = self.ran.recv().await.context("the worker is gone")?;
            if number == 0 {
                return Ok(ran - begun);
            }
        }
    }

    /// Waits until none of the workflows has anything to do: what is left of one run is not to weigh on the next.
    pub async fn idle(&self) -> anyhow::Result<()> {
        idle(&self.temporal, (0..self.workflows).map(workflow_id)).await
    }

    /// Events in the history of the first workflow.
    pub async fn history_events(&self) -> anyhow::Result<i64> {
        history_events(&self.temporal, &workflow_id(0)).await
    }
}

/// Waits until none of these workflows has anything to do.
pub async fn idle(temporal: &TestTemporal, ids: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let each = stream::iter(ids.map(anyhow::Ok));
    let until = Instant::now() + TIMEOUT;
    each.try_for_each_concurrent(4, |id| async move {
        let handle = temporal.client.get_workflow_handle::<temporalio_common::UntypedWorkflow>(id.clone());
        loop {
            ensure!(Instant::now() < until, "{id} still has something to do");
            let description = handle.describe(WorkflowDescribeOptions::default()).await?;
            let now = description.raw();
            if now.pending_workflow_task.is_none() && now.pending_activities.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(IDLE_POLL).await;
        }
    })
    .await
}

/// How many events the history of a workflow's current run has, as soon as that does not change any more.
pub async fn history_events(temporal: &TestTemporal, workflow_id: &str) -> anyhow::Result<i64> {
    let mut before = None;
    loop {
        let handle = temporal.client.get_workflow_handle::<temporalio_common::UntypedWorkflow>(workflow_id.to_owned());
        let description = handle.describe(WorkflowDescribeOptions::default()).await?;
        let info = description.raw().workflow_execution_info.clone().context("a workflow's description")?;
        if before == Some(info.history_length) {
            return Ok(info.history_length);
        }
        before = Some(info.history_length);
        tokio::time::sleep(QUIET).await;
    }
}

fn workflow_id(number: u32) -> String {
    format!("bare-{number}")
}
