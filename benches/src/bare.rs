//! The yardstick: Temporal without evercal. A workflow that waits for a signal and then calls an activity on another queue,
//! on the same server and in the same run as what it is compared with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evercal_tests::temporal::{TestTemporal, connect};
use temporalio_client::{WorkflowSignalOptions, WorkflowStartOptions};
use temporalio_common::data_converters::RawValue;
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::runtime::{Runtime, RuntimeOptions};
use temporalio_sdk::{Worker, WorkerOptions};
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, SyncWorkflowContext, WorkflowContext, WorkflowResult,
};
use tokio::sync::mpsc;

const WORKFLOWS: &str = "bare";
const ACTIVITIES: &str = "bare-activities";

/// Waits for signals, and touches once for all that came.
#[workflow]
#[derive(Default)]
pub struct Bare {
    signals: u32,
}

#[workflow_methods]
impl Bare {
    #[run(name = "bare")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        loop {
            ctx.wait_condition(|s: &Self| s.signals > 0).await?;
            ctx.state_mut(|s| s.signals = 0);
            let options =
                ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(Duration::from_secs(10)))
                    .task_queue(ACTIVITIES)
                    .do_not_eagerly_execute(true)
                    .build();
            let _touched = ctx.execute_activity(Touch::touch, (), options).await;
        }
    }

    #[signal(name = "poke")]
    pub fn poke(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _payload: RawValue) {
        self.signals += 1;
    }
}

/// Says when it runs.
pub struct Touch {
    ran: mpsc::UnboundedSender<Instant>,
}

#[activities]
impl Touch {
    #[activity(name = "touch")]
    #[expect(clippy::unused_async, reason = "what is asynchronous runs on the worker's threads, as ours does")]
    pub async fn touch(self: Arc<Self>, _ctx: ActivityContext, _input: ()) -> Result<(), ActivityError> {
        // The receiver is there as long as anybody measures.
        let _sent = self.ran.send(Instant::now());
        Ok(())
    }
}

/// A running bare workflow.
pub struct Yardstick {
    temporal: TestTemporal,
    ran: mpsc::UnboundedReceiver<Instant>,
}

impl Yardstick {
    /// Starts worker and workflow in a namespace of their own.
    pub async fn start() -> anyhow::Result<Self> {
        let temporal = TestTemporal::start().await?;
        let (sender, ran) = mpsc::unbounded_channel();
        let (address, namespace) = (temporal.address.clone(), temporal.namespace.clone());
        let handle = tokio::runtime::Handle::current();
        let (started, ready) = tokio::sync::oneshot::channel();
        // The future of a worker is not `Send`: it gets a thread. It lives as long as the process.
        std::thread::spawn(move || {
            handle.block_on(async move {
                let client = connect(&address, &namespace, "bare").await.expect("a client");
                let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).expect("the SDK's runtime");
                let workflows = WorkerOptions::new(WORKFLOWS).register_workflow::<Bare>().expect("a workflow").build();
                let activities = WorkerOptions::new(ACTIVITIES).register_activities(Touch { ran: sender }).build();
                let mut workflows = Worker::new(&runtime, client.clone(), workflows).expect("a worker");
                let mut activities = Worker::new(&runtime, client, activities).expect("a worker");
                started.send(()).expect("somebody waits");
                let _ended = tokio::join!(workflows.run(), activities.run());
            });
        });
        ready.await?;
        let options = WorkflowStartOptions::new(WORKFLOWS, "bare").build();
        temporal.client.start_workflow(Bare::run, (), options).await?;
        let mut yardstick = Self { temporal, ran };
        // The first one pays for caches.
        yardstick.signal_to_activity().await?;
        Ok(yardstick)
    }

    /// From the call of the client to the activity's first line.
    pub async fn signal_to_activity(&mut self) -> anyhow::Result<Duration> {
        let workflow = self.temporal.client.get_workflow_handle::<Bare>("bare");
        let begun = Instant::now();
        workflow.signal(Bare::poke, RawValue::empty(), WorkflowSignalOptions::default()).await?;
        let ran = self.ran.recv().await.ok_or_else(|| anyhow::anyhow!("the worker is gone"))?;
        Ok(ran - begun)
    }
}
