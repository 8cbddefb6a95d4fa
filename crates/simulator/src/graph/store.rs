//! A calendar and its events with the indexes that lists and delta need. Who may read or write is decided elsewhere, and so is
//! what a change means.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::recurrence::Recurrence;
use super::times::EventTime;
use crate::core::access::AccessRole;

/// Changes whose real times are remembered.
const TIMES_KEPT: usize = 1_000;

/// A calendar without its events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CalendarRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) color: String,
    /// The object id of the user who owns it.
    pub(crate) owner: String,
    pub(crate) is_default: bool,
    pub(crate) time_zone: String,
    /// What each user may do, by object id; a user who is not here does not see the calendar at all.
    pub(crate) access: BTreeMap<String, AccessRole>,
    /// False for calendars that refuse subscriptions.
    pub(crate) watchable: bool,
    pub(crate) deleted: bool,
    /// Delta tokens of an older generation have ended.
    pub(crate) token_generation: u64,
    /// Order of creation among all calendars.
    pub(crate) ordinal: u64,
    /// Grows with each change of the record itself.
    pub(crate) revision: u64,
}

/// An event that does not recur, or a series with what became of its occurrences, and its place in the calendar's history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventRecord {
    pub(crate) calendar: String,
    /// The simulator's own name of it, the same in every calendar.
    pub(crate) key: String,
    /// Order of creation; never changes.
    pub(crate) ordinal: u64,
    /// The calendar's version at the last change of this event.
    pub(crate) version: u64,
    /// The calendar's version at the last change that was about more than single exceptions.
    pub(crate) own_version: u64,
    /// It is not here any more: deleted, or moved away.
    pub(crate) deleted: bool,
    /// Grows when it moves to another calendar.
    pub(crate) generation: u32,
    /// Of a series: grows when it is rescheduled.
    pub(crate) epoch: u32,
    pub(crate) created: DateTime<Utc>,
    pub(crate) modified: DateTime<Utc>,
    pub(crate) time: EventTime,
    pub(crate) recurrence: Option<Recurrence>,
    /// What its author wrote, but for when it is.
    pub(crate) fields: Map<String, Value>,
    /// Occurrences that differ from their series, by the day on which the series has them.
    pub(crate) exceptions: BTreeMap<NaiveDate, ExceptionRecord>,
    /// Occurrences that do not take place.
    pub(crate) cancelled: BTreeSet<NaiveDate>,
    /// By which client it was made.
    pub(crate) transaction_id: Option<String>,
    /// Its zone has rules of its own, and no name.
    pub(crate) has_custom_zone: bool,
    /// Laid over everything that is shown of it, legal or not.
    pub(crate) raw: Map<String, Value>,
}

/// An occurrence that differs from its series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ExceptionRecord {
    pub(crate) version: u64,
    pub(crate) modified: DateTime<Utc>,
    pub(crate) time: EventTime,
    /// Only what differs.
    pub(crate) fields: Map<String, Value>,
}

impl EventRecord {
    pub(crate) fn is_series(&self) -> bool {
        self.recurrence.is_some()
    }

    pub(crate) fn journal_key(&self) -> String {
        event_journal_key(&self.calendar, &self.key)
    }
}

pub(crate) fn event_journal_key(calendar: &str, key: &str) -> String {
    format!("microsoft/event/{calendar}/{key}")
}

/// A calendar with its events.
pub(crate) struct Calendar {
    pub(crate) record: CalendarRecord,
    events: HashMap<String, EventRecord>,
    by_version: BTreeMap<u64, String>,
    by_ordinal: BTreeMap<u64, String>,
    by_transaction: HashMap<String, String>,
    /// The real times of the newest changes, oldest first. Not journaled.
    changed_at: VecDeque<(u64, DateTime<Utc>)>,
    last_version: u64,
    last_ordinal: u64,
}

impl Calendar {
    pub(crate) fn new(record: CalendarRecord) -> Self {
        Self {
            record,
            events: HashMap::new(),
            by_version: BTreeMap::new(),
            by_ordinal: BTreeMap::new(),
            by_transaction: HashMap::new(),
            changed_at: VecDeque::new(),
            last_version: 0,
            last_ordinal: 0,
        }
    }

    pub(crate) fn last_version(&self) -> u64 {
        self.last_version
    }

    /// Notes when the newest change was made.
    pub(crate) fn note_change(&mut self, now: DateTime<Utc>) {
        self.changed_at.push_back((self.last_version, now));
        if self.changed_at.len() > TIMES_KEPT {
            self.changed_at.pop_front();
        }
    }

    /// The version that the calendar had at an instant, as far as that is known.
    pub(crate) fn version_at(&self, instant: DateTime<Utc>) -> u64 {
        let before = self.changed_at.iter().rev().find(|(_, at)| *at <= instant).map(|(version, _)| *version);
        let oldest = self.changed_at.front().map(|(version, _)| version.saturating_sub(1));
        before.or(oldest).unwrap_or(self.last_version)
    }

    pub(crate) fn last_ordinal(&self) -> u64 {
        self.last_ordinal
    }

    /// An event that is here.
    pub(crate) fn live(&self, key: &str) -> Option<&EventRecord> {
        self.events.get(key).filter(|event| !event.deleted)
    }

    pub(crate) fn of_transaction(&self, id: &str) -> Option<&EventRecord> {
        self.live(self.by_transaction.get(id)?)
    }

    /// Events in the order of their creation, deleted ones included, from one ordinal up to another.
    pub(crate) fn by_ordinal(&self, from: u64, last: u64) -> impl Iterator<Item = &EventRecord> {
        let range = (from <= last).then(|| self.by_ordinal.range(from..=last));
        range.into_iter().flatten().filter_map(|(_, key)| self.events.get(key))
    }

    /// Events in the order of their last change, from one version up to another.
    pub(crate) fn by_version(&self, from: u64, last: u64) -> impl Iterator<Item = &EventRecord> {
        let range = (from <= last).then(|| self.by_version.range(from..=last));
        range.into_iter().flatten().filter_map(|(_, key)| self.events.get(key))
    }

    /// All that is here, in the order of creation.
    pub(crate) fn all_live(&self) -> impl Iterator<Item = &EventRecord> {
        self.by_ordinal(0, self.last_ordinal).filter(|event| !event.deleted)
    }

    /// The ordinal and version for the next change of `key`.
    pub(crate) fn next_position(&self, key: &str) -> (u64, u64) {
        let ordinal = self.events.get(key).map_or(self.last_ordinal + 1, |event| event.ordinal);
        (ordinal, self.last_version + 1)
    }

    /// Adds or replaces an event.
    pub(crate) fn put(&mut self, event: EventRecord) {
        if let Some(before) = self.events.remove(&event.key) {
            self.by_version.remove(&before.version);
            self.by_ordinal.remove(&before.ordinal);
        }
        self.last_version = self.last_version.max(event.version);
        self.last_ordinal = self.last_ordinal.max(event.ordinal);
        self.by_version.insert(event.version, event.key.clone());
        self.by_ordinal.insert(event.ordinal, event.key.clone());
        if let Some(transaction) = &event.transaction_id {
            self.by_transaction.insert(transaction.clone(), event.key.clone());
        }
        self.events.insert(event.key.clone(), event);
    }
}

/// What happened to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Updated,
    /// One occurrence differs now, or differs otherwise.
    Exception(NaiveDate),
    Deleted,
}

impl Change {
    /// The word of `changeType`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated | Self::Exception(_) => "updated",
            Self::Deleted => "deleted",
        }
    }
}
