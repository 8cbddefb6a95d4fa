//! Consents that came back and are being kept, whether or not their browser still waits: each is good for one use.
//! Not for: what keeping one means (`routes/oauth.rs`).

use std::sync::Arc;

use evercal_process::Tasks;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// The tasks that keep them.
pub(crate) struct Consents {
    /// A browser that leaves frees the permit of its request, not the one in here.
    permits: Arc<Semaphore>,
    tasks: Tasks,
}

impl Consents {
    /// Keeps so many at a time, by tasks of this group.
    pub(crate) fn new(consents_max: usize, tasks: Tasks) -> Self {
        Self { permits: Arc::new(Semaphore::new(consents_max)), tasks }
    }

    /// Keeps one to the end. `None` when too many are being kept already.
    pub(crate) fn keep<F>(&self, keeping: F) -> Option<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let keeping = async move {
            let _permit = permit;
            keeping.await
        };
        Some(self.tasks.spawn("consent", keeping))
    }

    /// Waits for those that are being kept.
    pub(crate) async fn drain(&self) {
        self.tasks.drain().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn one_too_many_is_refused_until_another_is_kept_although_nobody_waits_for_that() {
        let consents = Consents::new(1, Tasks::new());
        let (end, ended) = oneshot::channel::<()>();
        drop(consents.keep(ended).unwrap());
        tokio::task::yield_now().await;
        assert!(consents.keep(async {}).is_none());
        end.send(()).unwrap();
        consents.drain().await;
        assert!(consents.keep(async {}).is_some());
    }
}
