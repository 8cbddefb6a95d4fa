//! All that a running simulator knows, behind one lock, and the way every change to it is journaled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use evercal_process::Tasks;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::SimulatorError;
use crate::core::calls::CallLog;
use crate::core::clock::WorldClock;
use crate::core::faults::FaultBook;
use crate::core::journal::{Journal, JournalError};
use crate::core::notices::NoticeBook;
use crate::core::options::SimulatorOptions;
use crate::google::Google;

/// Ids are numbered in blocks, so that a restart needs one journal line for many ids.
const ID_BLOCK: u64 = 1_000;

/// What the request handlers, the control API and the delivery task share.
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) options: SimulatorOptions,
    /// `http://host:port/`.
    pub(crate) root_url: String,
    pub(crate) webhook_client: reqwest::Client,
    /// Woken when a notice was queued.
    pub(crate) delivery_wake: Notify,
    pub(crate) delivery_slots: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: Tasks,
}

impl Shared {
    pub(crate) fn new(
        world: World,
        options: SimulatorOptions,
        root_url: String,
        webhook_client: reqwest::Client,
        delivery_slots: usize,
    ) -> Self {
        Self {
            world: Mutex::new(world),
            options,
            root_url,
            webhook_client,
            delivery_wake: Notify::new(),
            delivery_slots: Arc::new(Semaphore::new(delivery_slots)),
            shutdown: CancellationToken::new(),
            tasks: Tasks::new(),
        }
    }

    /// Runs `work` on the state and journals what it changed before it returns. The lock is never held across an
    /// await, since `work` is not asynchronous. As long as what was changed before cannot be journaled, nothing is done: a
    /// full disk is an outage like any other.
    pub(crate) fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> Result<T, JournalError> {
        let mut world = self.lock();
        world.journal.commit()?;
        let result = work(&mut world);
        world.journal.commit()?;
        self.wake(world);
        Ok(result)
    }

    /// The same for what nobody was promised, such as how the delivery of a notice ended: it is done in any case, and
    /// journaled with the next change where that is not possible now.
    pub(crate) fn with_world_unpromised<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        let result = work(&mut world);
        if let Err(error) = world.journal.commit() {
            tracing::warn!(%error, "journaled with the next change");
        }
        self.wake(world);
        result
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut world: MutexGuard<'_, World>) {
        let wake = std::mem::take(&mut world.notices_queued);
        drop(world);
        if wake {
            self.delivery_wake.notify_one();
        }
    }
}

/// The state itself.
pub(crate) struct World {
    pub(crate) journal: Journal,
    pub(crate) clock: WorldClock,
    pub(crate) calls: CallLog,
    pub(crate) faults: FaultBook,
    pub(crate) notices: NoticeBook,
    pub(crate) google: Google,
    /// Set by whoever queues a notice; see [`Shared::with_world`].
    pub(crate) notices_queued: bool,
    /// `http://host:port/`.
    pub(crate) root_url: String,
    ids: IdSource,
}

/// Makes ids that differ after a restart too.
struct IdSource {
    seed: u64,
    next: u64,
    reserved: u64,
}

#[derive(Serialize, Deserialize)]
struct ClockRecord {
    collection: String,
    latest: DateTime<Utc>,
}

const IDS_KEY: &str = "meta/ids";
const OFFSET_KEY: &str = "meta/clock_offset_ms";
const FAULTS_KEY: &str = "meta/faults";
const NOTICES_KEY: &str = "meta/notices";

impl World {
    /// Builds the state from the journal's entries; an empty map gives an empty world.
    pub(crate) fn restore(
        journal: Journal,
        entries: BTreeMap<String, Value>,
        options: &SimulatorOptions,
        root_url: &str,
    ) -> Result<Self, SimulatorError> {
        let mut world = Self {
            journal,
            clock: WorldClock::new(Arc::clone(&options.clock)),
            calls: CallLog::default(),
            faults: FaultBook::default(),
            notices: NoticeBook::default(),
            google: Google::new(options),
            notices_queued: false,
            root_url: root_url.to_owned(),
            ids: IdSource { seed: options.seed, next: 0, reserved: 0 },
        };
        // Lists hang on users, events on calendars.
        let comes_first = |key: &String| key.starts_with("user/") || key.starts_with("calendar/");
        let (first, rest): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| comes_first(key));
        for (key, value) in first.into_iter().chain(rest) {
            world.restore_entry(&key, value)?;
        }
        Ok(world)
    }

    fn restore_entry(&mut self, key: &str, value: Value) -> Result<(), SimulatorError> {
        match key {
            IDS_KEY => {
                let reserved: u64 = decode(key, value)?;
                self.ids.next = reserved;
                self.ids.reserved = reserved;
            }
            OFFSET_KEY => self.clock.set_offset(TimeDelta::milliseconds(decode(key, value)?)),
            FAULTS_KEY => self.faults = decode(key, value)?,
            NOTICES_KEY => self.notices = decode(key, value)?,
            _ => match key.split('/').next() {
                Some("call") => self.calls.restore(decode(key, value)?),
                Some("clock") => {
                    let record: ClockRecord = decode(key, value)?;
                    self.clock.advance(&record.collection, Some(record.latest));
                }
                _ => self.google.restore_entry(key, value)?,
            },
        }
        Ok(())
    }

    /// A new id that no one else has: 25 characters of `a`–`v` and `0`–`9`.
    pub(crate) fn new_id(&mut self, purpose: &str) -> String {
        let number = self.ids.next;
        self.ids.next += 1;
        if self.ids.next > self.ids.reserved {
            self.ids.reserved = self.ids.next + ID_BLOCK;
            self.journal.put(IDS_KEY, &self.ids.reserved);
        }
        digest_id(&[&self.ids.seed.to_be_bytes(), purpose.as_bytes(), &number.to_be_bytes()])
    }

    /// An id that is always the same for the same thing.
    pub(crate) fn stable_id(&self, purpose: &str, thing: &str) -> String {
        digest_id(&[&self.ids.seed.to_be_bytes(), purpose.as_bytes(), b"=", thing.as_bytes()])
    }

    pub(crate) fn seed(&self) -> u64 {
        self.ids.seed
    }

    /// The virtual instant of a collection; see [`WorldClock::advance`]. Kept when a request asked for it.
    pub(crate) fn now_for(&mut self, collection: &str, asked: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let before = asked.map(|_| self.clock.peek(collection));
        let now = self.clock.advance(collection, asked);
        if before.is_some_and(|before| now > before) {
            let record = ClockRecord { collection: collection.to_owned(), latest: now };
            self.journal.put(&format!("clock/{collection}"), &record);
        }
        now
    }

    pub(crate) fn set_clock_offset(&mut self, offset: TimeDelta) {
        self.clock.set_offset(offset);
        self.journal.put(OFFSET_KEY, &offset.num_milliseconds());
    }

    pub(crate) fn save_faults(&mut self) {
        self.journal.put(FAULTS_KEY, &self.faults);
    }

    pub(crate) fn save_notices(&mut self) {
        self.journal.put(NOTICES_KEY, &self.notices);
    }
}

/// Reads a journal value as the type that its key stands for.
pub(crate) fn decode<T: DeserializeOwned>(key: &str, value: Value) -> Result<T, SimulatorError> {
    serde_json::from_value(value)
        .map_err(|error| SimulatorError::State { key: key.to_owned(), reason: error.to_string() })
}

const BASE32HEX: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const ID_BYTES: usize = 16;

fn digest_id(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut text = String::with_capacity(25);
    let mut bits = 0_u32;
    let mut bit_count = 0_u32;
    for byte in hash.finalize().iter().take(ID_BYTES) {
        bits = (bits << 8) | u32::from(*byte);
        bit_count += 8;
        while bit_count >= 5 {
            bit_count -= 5;
            let index = usize::try_from((bits >> bit_count) & 31).unwrap_or(0);
            text.push(BASE32HEX.get(index).copied().map_or('0', char::from));
        }
        bits &= (1 << bit_count) - 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_legal_client_event_ids_and_differ() {
        let mut world =
            World::restore(Journal::in_memory(), BTreeMap::new(), &SimulatorOptions::default(), "http://127.0.0.1/")
                .unwrap();
        let first = world.new_id("event");
        let second = world.new_id("event");
        assert_ne!(first, second);
        assert_eq!(first.len(), 25);
        assert!(first.bytes().all(|byte| BASE32HEX.contains(&byte)));
    }
}
