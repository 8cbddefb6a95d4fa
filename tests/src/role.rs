//! A gateway or a worker that runs in this process.

use std::pin::Pin;

use anyhow::Context as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Completes when a role has to stop.
pub type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The role stops when this is dropped.
pub struct Role {
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Role {
    /// Starts it.
    pub fn start<Serving>(serve: impl FnOnce(Stopped) -> Serving + Send + 'static) -> Self
    where
        Serving: Future<Output = anyhow::Result<()>>,
    {
        let (stop, stopped) = oneshot::channel();
        let stopped = Box::pin(async move { drop(stopped.await) });
        let runtime = tokio::runtime::Handle::current();
        // On a thread of its own: the compiler cannot see that its future may move between threads.
        let task = tokio::task::spawn_blocking(move || {
            runtime.block_on(serve(stopped)).inspect_err(|error| tracing::error!("a role has ended: {error:#}"))
        });
        Self { stop, task }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops it, and waits for its end.
    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.task.await.context("the role's task")?
    }
}
