//! All that a running simulator knows, and the way every change to it is journaled.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SimulatedProvider;
use super::calls::{CallLog, CallRecord};
use super::clock::WorldClock;
use super::deliveries::{Deliveries, DeliveryRecord};
use super::error::SimulatorError;
use super::faults::{CallSubject, FaultAction, FaultBook};
use super::ids::IdSource;
use super::journal::Journal;
use super::notices::{NoticeBook, NoticeFate, NoticePlan};
use super::options::SimulatorOptions;

/// The state itself.
pub struct World<P> {
    /// What the simulated provider knows: users, calendars, events, grants and channels.
    pub(crate) provider: P,
    pub(crate) clock: WorldClock,
    pub(crate) calls: CallLog,
    pub(crate) faults: FaultBook,
    pub(crate) notices: NoticeBook,
    pub(crate) deliveries: Deliveries,
    /// Set by whoever queues a notice, so that whoever delivers them is woken.
    pub(crate) notices_queued: bool,
    /// `http://host:port/`.
    pub(crate) root_url: String,
    pub(crate) journal: Journal,
    ids: IdSource,
}

/// A call that was counted.
pub(crate) struct BegunCall {
    pub(crate) index: u64,
    pub(crate) method_count: u64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) fault: Option<FaultAction>,
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

impl<P: SimulatedProvider> World<P> {
    /// Builds the state from the journal's entries; an empty map gives an empty world. The provider's entries are those
    /// whose keys begin with its name and a slash.
    pub(crate) fn restore(
        journal: Journal,
        entries: BTreeMap<String, Value>,
        options: &SimulatorOptions,
        root_url: &str,
    ) -> Result<Self, SimulatorError> {
        let mut world = Self {
            provider: P::new(options),
            clock: WorldClock::new(Arc::clone(&options.clock)),
            calls: CallLog::default(),
            faults: FaultBook::default(),
            notices: NoticeBook::default(),
            deliveries: Deliveries::default(),
            notices_queued: false,
            root_url: root_url.to_owned(),
            journal,
            ids: IdSource::new(options.seed),
        };
        let mut later = Vec::new();
        for (key, value) in entries {
            let is_the_providers = key.strip_prefix(P::NAME).is_some_and(|rest| rest.starts_with('/'));
            if is_the_providers && P::is_first(&key) {
                world.provider.restore_entry(&key, value)?;
            } else if is_the_providers {
                later.push((key, value));
            } else {
                world.restore_entry(&key, value)?;
            }
        }
        for (key, value) in later {
            world.provider.restore_entry(&key, value)?;
        }
        Ok(world)
    }
}

impl<P> World<P> {
    fn restore_entry(&mut self, key: &str, value: Value) -> Result<(), SimulatorError> {
        match key {
            IDS_KEY => self.ids.restore(decode(key, value)?),
            OFFSET_KEY => self.clock.set_offset(TimeDelta::milliseconds(decode(key, value)?)),
            FAULTS_KEY => self.faults = decode(key, value)?,
            NOTICES_KEY => self.notices = decode(key, value)?,
            _ => match key.split('/').next() {
                Some("call") => self.calls.restore(decode(key, value)?),
                Some("delivery") => self.deliveries.restore(decode(key, value)?),
                Some("clock") => {
                    let record: ClockRecord = decode(key, value)?;
                    self.clock.advance(&record.collection, Some(record.latest));
                }
                _ => return Err(SimulatorError::unknown_key(key)),
            },
        }
        Ok(())
    }

    /// A new id that no one else has: 25 characters of `a`–`v` and `0`–`9`.
    pub(crate) fn new_id(&mut self, purpose: &str) -> String {
        let new = self.ids.new_id(purpose);
        if let Some(reserved) = new.reserved {
            self.journal.put(IDS_KEY, &reserved);
        }
        new.id
    }

    /// An id that is always the same for the same thing.
    pub(crate) fn stable_id(&self, purpose: &str, thing: &str) -> String {
        self.ids.stable_id(purpose, thing)
    }

    pub(crate) fn seed(&self) -> u64 {
        self.ids.seed()
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

    /// Counts a call, and decides what goes wrong with it.
    pub(crate) fn begin_call(&mut self, call: &CallSubject<'_>) -> BegunCall {
        let (index, method_count) = self.calls.number(call.method);
        let fault = self.faults.decide(call);
        if self.faults.is_armed() {
            self.save_faults();
        }
        BegunCall { index, method_count, at: self.clock.real_now(), fault }
    }

    /// Keeps a call that has ended.
    pub(crate) fn finish_call(&mut self, record: CallRecord) {
        self.journal.put(&call_key(record.index), &record);
        if let Some(forgotten) = self.calls.keep(record) {
            self.journal.remove(&call_key(forgotten));
        }
    }

    /// Forgets the calls so far.
    pub(crate) fn reset_calls(&mut self) {
        for index in self.calls.reset() {
            self.journal.remove(&call_key(index));
        }
    }

    pub(crate) fn save_faults(&mut self) {
        self.journal.put(FAULTS_KEY, &self.faults);
    }

    pub(crate) fn save_notices(&mut self) {
        self.journal.put(NOTICES_KEY, &self.notices);
    }

    /// Counts one notice and decides what becomes of it.
    pub(crate) fn fate_of_notice(&mut self) -> NoticeFate {
        let fate = self.notices.decide();
        if *self.notices.plan() != NoticePlan::default() {
            self.save_notices();
        }
        fate
    }

    /// Keeps a notice and what became of it so far.
    pub(crate) fn save_delivery(&mut self, record: DeliveryRecord) {
        self.journal.put(&delivery_key(record.number), &record);
        if let Some(forgotten) = self.deliveries.keep(record) {
            self.journal.remove(&delivery_key(forgotten));
        }
    }
}

fn call_key(index: u64) -> String {
    format!("call/{index}")
}

fn delivery_key(number: u64) -> String {
    format!("delivery/{number}")
}

/// Reads a journal value as the type that its key stands for.
pub(crate) fn decode<T: DeserializeOwned>(key: &str, value: Value) -> Result<T, SimulatorError> {
    serde_json::from_value(value)
        .map_err(|error| SimulatorError::State { key: key.to_owned(), reason: error.to_string() })
}
