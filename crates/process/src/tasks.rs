//! Supervised background tasks: a panic in any of them, and a loop that ends without being stopped, is a failure of the process;
//! a loop that shows no sign of life is named.
//!
//! All tasks of a process belong to one family of [`Tasks`], whose groups are stopped and waited for one after the other.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A wait without a limit shows this often within the time that a loop may be silent that the loop is alive.
const BEATS_PER_SILENCE: u32 = 4;

/// A task that ended as none may. The process has to end too: whoever supervises it starts it anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskFailure {
    /// It panicked.
    #[error("the background task `{0}` panicked: see the log above")]
    Panicked(&'static str),
    /// It is to run until it is stopped.
    #[error("the background task `{0}` ended by itself")]
    Ended(&'static str),
}

/// A loop that should have shown a sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentTask {
    /// The name that it was spawned with.
    pub name: &'static str,
    /// How long it has been silent.
    pub silent_for: Duration,
}

/// A group of tasks.
#[derive(Debug)]
pub struct Tasks {
    family: Arc<Family>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// What all groups of a process share.
#[derive(Debug)]
struct Family {
    failure: watch::Sender<Option<TaskFailure>>,
    loops: Mutex<Vec<Arc<Life>>>,
}

/// A loop's signs of life.
#[derive(Debug)]
struct Life {
    name: &'static str,
    silence_max: Duration,
    last_beat: Mutex<Instant>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// The first group of a process.
    pub fn new() -> Self {
        Self::of(Arc::new(Family { failure: watch::Sender::new(None), loops: Mutex::default() }))
    }

    /// Another group of the same process, stopped and waited for by itself.
    #[must_use]
    pub fn group(&self) -> Self {
        Self::of(Arc::clone(&self.family))
    }

    fn of(family: Arc<Family>) -> Self {
        Self { family, tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// Runs a task that ends by itself.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let family = Arc::clone(&self.family);
        self.tracker.spawn(async move {
            match AssertUnwindSafe(task).catch_unwind().await {
                Ok(output) => output,
                Err(panic) => {
                    family.fail(TaskFailure::Panicked(name));
                    // For the caller that waits for the task.
                    resume_unwind(panic)
                }
            }
        })
    }

    /// Runs a task that goes on until the group is stopped, and shows a sign of life at least once in `silence_max`.
    pub fn spawn_loop<F>(&self, name: &'static str, silence_max: Duration, task: impl FnOnce(Pulse) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let life = Arc::new(Life { name, silence_max, last_beat: Mutex::new(Instant::now()) });
        self.family.loops().push(Arc::clone(&life));
        let running = task(Pulse { life: Arc::clone(&life), stop: self.stop.clone() });
        let (family, stop) = (Arc::clone(&self.family), self.stop.clone());
        // Nobody waits for it but `drain`.
        drop(self.spawn(name, async move {
            running.await;
            if stop.is_cancelled() {
                family.loops().retain(|other| !Arc::ptr_eq(other, &life));
            } else {
                family.fail(TaskFailure::Ended(name));
            }
        }));
    }

    /// Asks the loops of this group to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Completes when the loops of this group are to end.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits until all tasks of this group have ended.
    pub async fn drain(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Completes when a task of the process has failed.
    pub async fn failed(&self) -> TaskFailure {
        let mut failure = self.family.failure.subscribe();
        // The sender lives in `self`, and what was waited for is there.
        let first = failure.wait_for(Option::is_some).await.ok().and_then(|first| first.clone());
        match first {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }

    /// The loops of the process that should have shown a sign of life; one that has failed is among them.
    pub fn silent(&self) -> Vec<SilentTask> {
        let silent = |life: &Arc<Life>| {
            let silent_for = life.last_beat().elapsed();
            (silent_for > life.silence_max).then_some(SilentTask { name: life.name, silent_for })
        };
        self.family.loops().iter().filter_map(silent).collect()
    }
}

impl Family {
    fn fail(&self, failure: TaskFailure) {
        tracing::error!(%failure, "the process has to end");
        self.failure.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(failure);
            is_first
        });
    }

    fn loops(&self) -> MutexGuard<'_, Vec<Arc<Life>>> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    fn last_beat(&self) -> MutexGuard<'_, Instant> {
        self.last_beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A loop's own hold on its signs of life, and on its end.
#[derive(Debug, Clone)]
pub struct Pulse {
    life: Arc<Life>,
    stop: CancellationToken,
}

impl Pulse {
    /// Shows that the loop goes on.
    pub fn beat(&self) {
        *self.life.last_beat() = Instant::now();
    }

    /// Does a piece of work, which has to end within the time that the loop may be silent; `None` when the loop is to end.
    pub async fn work<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.beat();
        self.stop.run_until_cancelled(work).await
    }

    /// Waits for something that may never come, which is no silence; `None` when the loop is to end.
    pub async fn wait<T>(&self, event: impl Future<Output = T>) -> Option<T> {
        let beating = async {
            loop {
                self.beat();
                tokio::time::sleep(self.life.silence_max / BEATS_PER_SILENCE).await;
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            event = event => Some(event),
            () = beating => None,
        }
    }
}

#[cfg(test)]
mod tests;
