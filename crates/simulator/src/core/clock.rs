//! Time as the provider sees it: the machine's clock plus an offset, and a virtual clock for each watched
//! collection. Not for the delivery of notices, whose retries wait in real time.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::Clock;

/// The clocks of one simulator. A collection's clock never goes back.
pub(crate) struct WorldClock {
    base: Arc<dyn Clock>,
    offset: TimeDelta,
    latest: HashMap<String, DateTime<Utc>>,
}

impl WorldClock {
    pub(crate) fn new(base: Arc<dyn Clock>) -> Self {
        Self { base, offset: TimeDelta::zero(), latest: HashMap::new() }
    }

    /// The real instant, without the offset: for tokens, quotas and deliveries.
    pub(crate) fn real_now(&self) -> DateTime<Utc> {
        self.base.now()
    }

    /// The instant with the offset that the control API has set.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.base.now() + self.offset
    }

    pub(crate) fn offset(&self) -> TimeDelta {
        self.offset
    }

    pub(crate) fn set_offset(&mut self, offset: TimeDelta) {
        self.offset = offset;
    }

    /// The virtual instant of one collection: what the request asked for, else the offset clock, and never
    /// earlier than what the collection has seen before.
    pub(crate) fn advance(&mut self, collection: &str, asked: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let wanted = asked.unwrap_or_else(|| self.now());
        if let Some(latest) = self.latest.get_mut(collection) {
            *latest = wanted.max(*latest);
            return *latest;
        }
        self.latest.insert(collection.to_owned(), wanted);
        wanted
    }

    /// The virtual instant of one collection, without moving it.
    pub(crate) fn peek(&self, collection: &str) -> DateTime<Utc> {
        let now = self.now();
        self.latest.get(collection).map_or(now, |latest| now.max(*latest))
    }

    /// The furthest instant that each collection has seen.
    pub(crate) fn latest(&self) -> impl Iterator<Item = (&String, &DateTime<Utc>)> {
        self.latest.iter()
    }
}
