//! The security log's way into the store: counted in memory, written in the background, so that a flood of forged
//! requests neither waits for the database nor fills it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evercal_domain::Clock;
use evercal_domain::journal::{SecurityEvent, SecurityKind};
use evercal_process::Pulse;
use evercal_storage::Store;
use tokio::sync::Notify;

/// The first event of its kind is written at once, those after it together, this far apart.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// Sources that are told apart between two writes; those beyond count together.
const SOURCES_MAX: usize = 256;
/// The source of events beyond [`SOURCES_MAX`].
const OTHER_SOURCES: &str = "others";

/// Takes security events.
pub(crate) struct SecurityLog {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    waiting: Mutex<HashMap<Key, SecurityEvent>>,
    arrived: Notify,
}

type Key = (&'static str, String);

impl SecurityLog {
    /// Writes into `store` as long as [`Self::run`] runs.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, waiting: Mutex::default(), arrived: Notify::new() }
    }

    /// Notes an event. `message` says what was wrong and holds nothing from the request.
    pub(crate) fn note(&self, kind: SecurityKind, source: IpAddr, message: &str) {
        let mut waiting = self.waiting();
        let mut key = (kind.as_str(), source.to_string());
        if waiting.len() >= SOURCES_MAX && !waiting.contains_key(&key) {
            OTHER_SOURCES.clone_into(&mut key.1);
        }
        let source = key.1.clone();
        waiting.entry(key).and_modify(|event| event.count = event.count.saturating_add(1)).or_insert_with(|| {
            SecurityEvent { at: self.clock.now(), kind, source, message: message.to_owned(), count: 1 }
        });
        self.arrived.notify_one();
    }

    /// Writes what arrives, until stopped; the rest is written before it ends.
    pub(crate) async fn run(self: Arc<Self>, pulse: Pulse) {
        while pulse.wait(self.arrived.notified()).await.is_some() {
            // Not cut off by the stop.
            self.write(&pulse).await;
            pulse.work(tokio::time::sleep(WRITE_INTERVAL)).await;
        }
        self.write(&pulse).await;
    }

    async fn write(&self, pulse: &Pulse) {
        let events = std::mem::take(&mut *self.waiting());
        for event in events.into_values() {
            pulse.beat();
            if let Err(error) = self.store.count_security_event(&event).await {
                let (kind, cause) = (event.kind.as_str(), error.cause());
                tracing::error!(kind, count = event.count, %error, cause, "security events are lost");
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Key, SecurityEvent>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
