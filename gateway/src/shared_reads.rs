//! Reads that many callers want at the same time: callers that come while a read waits to begin share it. No caller is answered
//! by a read that began before the caller came, so that all see what was committed (or revoked) by then.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

/// How long a read waits for the one before it.
const PREVIOUS_READ_TIMEOUT: Duration = Duration::from_millis(250);

/// Reads by what they are about.
pub(crate) struct SharedReads<K, V: Clone>(Arc<Mutex<HashMap<K, Round<V>>>>);

#[derive(Clone)]
struct Round<V: Clone> {
    began: Arc<AtomicBool>,
    read: Shared<BoxFuture<'static, V>>,
}

impl<K, V> SharedReads<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Reads, or shares a read of the same that has not begun.
    pub(crate) async fn read<F>(&self, key: K, read: impl FnOnce() -> F + Send + 'static) -> V
    where
        F: Future<Output = V> + Send,
    {
        let round = self.round(&key, read);
        let _cleanup = Cleanup { rounds: &self.0, key, began: Arc::clone(&round.began) };
        round.read.await
    }

    fn round<F>(&self, key: &K, read: impl FnOnce() -> F + Send + 'static) -> Round<V>
    where
        F: Future<Output = V> + Send,
    {
        let mut rounds = rounds(&self.0);
        let last = rounds.get(key);
        if let Some(waiting) = last.filter(|round| !round.began.load(Ordering::SeqCst)) {
            return waiting.clone();
        }
        // One at a time: so those who come meanwhile gather.
        let before = last.map(|round| round.read.clone());
        let began = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&began);
        let read = async move {
            if let Some(before) = before {
                // One that hangs does not keep the next ones from beginning.
                let _ended_or_late = tokio::time::timeout(PREVIOUS_READ_TIMEOUT, before).await;
            }
            begins.store(true, Ordering::SeqCst);
            read().await
        };
        let round = Round { began, read: read.boxed().shared() };
        rounds.insert(key.clone(), round.clone());
        round
    }
}

/// Removes a round when a caller has its answer, or goes away: an answer that no caller waits for is not kept. Other callers
/// that wait for the round get its answer all the same.
struct Cleanup<'a, K: Eq + Hash, V: Clone> {
    rounds: &'a Mutex<HashMap<K, Round<V>>>,
    key: K,
    began: Arc<AtomicBool>,
}

impl<K: Eq + Hash, V: Clone> Drop for Cleanup<'_, K, V> {
    fn drop(&mut self) {
        let mut rounds = rounds(self.rounds);
        // A later round may have replaced it.
        if rounds.get(&self.key).is_some_and(|last| Arc::ptr_eq(&last.began, &self.began)) {
            rounds.remove(&self.key);
        }
    }
}

fn rounds<K, V: Clone>(rounds: &Mutex<HashMap<K, Round<V>>>) -> MutexGuard<'_, HashMap<K, Round<V>>> {
    rounds.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
