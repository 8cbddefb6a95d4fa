//! The one world of a running simulator, behind one lock, and what else its parts share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use evercal_process::Tasks;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::journal::JournalError;
use super::options::SimulatorOptions;
use super::world::World;

/// What the request handlers, the control API and the delivery task share.
pub struct Shared<P> {
    world: Mutex<World<P>>,
    pub(crate) options: SimulatorOptions,
    /// `http://host:port/`.
    pub(crate) root_url: String,
    pub(crate) webhook_client: reqwest::Client,
    /// Woken when a notice was queued.
    pub(crate) delivery_wake: Notify,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: Tasks,
}

impl<P> Shared<P> {
    pub(crate) fn new(
        world: World<P>,
        options: SimulatorOptions,
        root_url: String,
        webhook_client: reqwest::Client,
    ) -> Self {
        Self {
            world: Mutex::new(world),
            options,
            root_url,
            webhook_client,
            delivery_wake: Notify::new(),
            shutdown: CancellationToken::new(),
            tasks: Tasks::new(),
        }
    }

    /// Runs `work` on the state and journals what it changed before it returns. The lock is never held across an
    /// await, since `work` is not asynchronous. As long as what was changed before cannot be journaled, nothing is done: a
    /// full disk is an outage like any other.
    pub(crate) fn with_world<T>(&self, work: impl FnOnce(&mut World<P>) -> T) -> Result<T, JournalError> {
        let mut world = self.lock();
        world.journal.commit()?;
        let result = work(&mut world);
        world.journal.commit()?;
        self.wake(world);
        Ok(result)
    }

    /// The same for what nobody was promised, such as how the delivery of a notice ended: it is done in any case, and
    /// journaled with the next change where that is not possible now.
    pub(crate) fn with_world_unpromised<T>(&self, work: impl FnOnce(&mut World<P>) -> T) -> T {
        let mut world = self.lock();
        let result = work(&mut world);
        if let Err(error) = world.journal.commit() {
            tracing::warn!(%error, "journaled with the next change");
        }
        self.wake(world);
        result
    }

    fn lock(&self) -> MutexGuard<'_, World<P>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut world: MutexGuard<'_, World<P>>) {
        let wake = std::mem::take(&mut world.notices_queued);
        drop(world);
        if wake {
            self.delivery_wake.notify_one();
        }
    }
}
