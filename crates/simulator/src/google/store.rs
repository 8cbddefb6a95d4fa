//! A calendar and its events with the indexes that lists and series need. Who may read or write is decided
//! elsewhere, and so is what a change means.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::core::access::AccessRole;
use crate::core::zones::Zone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::times::EventPoint;

/// A calendar without its events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CalendarRecord {
    pub(crate) id: String,
    pub(crate) summary: String,
    pub(crate) description: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) time_zone: String,
    /// The user who owns it.
    pub(crate) owner: String,
    /// What each user may do; a user who is not here does not see the calendar at all.
    pub(crate) access: BTreeMap<String, AccessRole>,
    /// False for calendars like holidays, which refuse channels.
    pub(crate) watchable: bool,
    pub(crate) deleted: bool,
    /// Sync tokens of an older generation answer 410.
    pub(crate) token_generation: u64,
    /// Page tokens of an older generation answer 400.
    #[serde(default)]
    pub(crate) page_token_generation: u64,
    /// Changes up to this version are no longer known.
    pub(crate) history_floor: u64,
    /// Grows with each change of the record itself.
    pub(crate) revision: u64,
}

/// An event with its place in the calendar's history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventRecord {
    pub(crate) calendar: String,
    pub(crate) id: String,
    /// Order of creation; never changes.
    pub(crate) ordinal: u64,
    /// The calendar's version at the last change of this event.
    pub(crate) version: u64,
    pub(crate) resource: Map<String, Value>,
    /// Of a series: instances that a free/busy reader may have been given and that are no more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) vanished_instances: BTreeSet<String>,
    /// Of a deleted series: its exceptions as they were, for the day on which it is restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed_exceptions: Vec<Map<String, Value>>,
    #[serde(skip)]
    pub(crate) span: Span,
}

/// Seconds since 1970 in which an event lies; for a cancelled exception its original start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl EventRecord {
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.resource.get(field).and_then(Value::as_str)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.text("status") == Some("cancelled")
    }

    /// The series that this is an exception of.
    pub(crate) fn master_id(&self) -> Option<&str> {
        self.text("recurringEventId")
    }

    pub(crate) fn is_master(&self) -> bool {
        self.resource.contains_key("recurrence")
    }

    fn find_span(&self, zone: Zone) -> Span {
        let seconds =
            |field: &str| EventPoint::stored(self.resource.get(field), zone).map(|point| point.unix_seconds(zone));
        let start = seconds("start").or_else(|| seconds("originalStartTime")).unwrap_or_default();
        Span { start, end: seconds("end").unwrap_or(start) }
    }
}

/// A calendar with its events.
pub(crate) struct Calendar {
    pub(crate) record: CalendarRecord,
    pub(crate) zone: Zone,
    events: HashMap<String, EventRecord>,
    by_version: BTreeMap<u64, String>,
    by_ordinal: BTreeMap<u64, String>,
    exceptions: HashMap<String, BTreeSet<String>>,
    by_ical_uid: HashMap<String, String>,
    last_version: u64,
    last_ordinal: u64,
}

impl Calendar {
    pub(crate) fn new(record: CalendarRecord) -> Self {
        let mut calendar = Self {
            zone: Zone::UTC,
            last_version: record.history_floor,
            last_ordinal: 0,
            events: HashMap::new(),
            by_version: BTreeMap::new(),
            by_ordinal: BTreeMap::new(),
            exceptions: HashMap::new(),
            by_ical_uid: HashMap::new(),
            record,
        };
        calendar.refresh_zone();
        calendar
    }

    /// To be called after the record's time zone changed.
    pub(crate) fn refresh_zone(&mut self) {
        self.zone = self.record.time_zone.parse().unwrap_or(Zone::UTC);
    }

    pub(crate) fn last_version(&self) -> u64 {
        self.last_version
    }

    pub(crate) fn last_ordinal(&self) -> u64 {
        self.last_ordinal
    }

    /// The `updated` field of the newest change that has one.
    pub(crate) fn updated(&self) -> Option<&str> {
        self.by_version.values().rev().filter_map(|id| self.events.get(id)).find_map(|event| event.text("updated"))
    }

    pub(crate) fn event(&self, id: &str) -> Option<&EventRecord> {
        self.events.get(id)
    }

    /// Changes what is kept beside an event, and answers the record to be journaled.
    pub(crate) fn amend(&mut self, id: &str, change: impl FnOnce(&mut EventRecord)) -> Option<&EventRecord> {
        let event = self.events.get_mut(id)?;
        change(event);
        Some(event)
    }

    /// Whether somebody sees of this calendar only when its owner is busy.
    pub(crate) fn has_free_busy_readers(&self) -> bool {
        self.record.access.values().any(|role| *role == AccessRole::FreeBusyReader)
    }

    pub(crate) fn event_by_ical_uid(&self, ical_uid: &str) -> Option<&EventRecord> {
        self.events.get(self.by_ical_uid.get(ical_uid)?)
    }

    /// The stored exceptions of a series, cancelled ones included.
    pub(crate) fn exceptions_of(&self, master_id: &str) -> impl Iterator<Item = &EventRecord> {
        self.exceptions.get(master_id).into_iter().flatten().filter_map(|id| self.events.get(id))
    }

    /// Events in the order of their creation, after one ordinal up to another.
    pub(crate) fn by_ordinal(&self, after: u64, last: u64) -> impl Iterator<Item = &EventRecord> {
        let range = (after < last).then(|| self.by_ordinal.range(after + 1..=last));
        range.into_iter().flatten().filter_map(|(_, id)| self.events.get(id))
    }

    /// Events in the order of their last change, after one version up to another.
    pub(crate) fn by_version(&self, after: u64, last: u64) -> impl Iterator<Item = &EventRecord> {
        let range = (after < last).then(|| self.by_version.range(after + 1..=last));
        range.into_iter().flatten().filter_map(|(_, id)| self.events.get(id))
    }

    /// All events in the order of their creation.
    pub(crate) fn all(&self) -> impl Iterator<Item = &EventRecord> {
        self.by_ordinal(0, self.last_ordinal)
    }

    /// The ordinal and version for the next change of `id`.
    pub(crate) fn next_position(&self, id: &str) -> (u64, u64) {
        let ordinal = self.events.get(id).map_or(self.last_ordinal + 1, |event| event.ordinal);
        (ordinal, self.last_version + 1)
    }

    /// Adds or replaces an event.
    pub(crate) fn put(&mut self, mut event: EventRecord) {
        self.remove(&event.id.clone());
        event.span = event.find_span(self.zone);
        self.last_version = self.last_version.max(event.version);
        self.last_ordinal = self.last_ordinal.max(event.ordinal);
        self.by_version.insert(event.version, event.id.clone());
        self.by_ordinal.insert(event.ordinal, event.id.clone());
        if let Some(master) = event.master_id() {
            self.exceptions.entry(master.to_owned()).or_default().insert(event.id.clone());
        } else if let Some(ical_uid) = event.text("iCalUID") {
            self.by_ical_uid.insert(ical_uid.to_owned(), event.id.clone());
        }
        self.events.insert(event.id.clone(), event);
    }

    /// Forgets an event without a trace.
    pub(crate) fn remove(&mut self, id: &str) -> Option<EventRecord> {
        let event = self.events.remove(id)?;
        self.by_version.remove(&event.version);
        self.by_ordinal.remove(&event.ordinal);
        if let Some(master) = event.master_id() {
            if let Some(siblings) = self.exceptions.get_mut(master) {
                siblings.remove(id);
            }
        } else if let Some(ical_uid) = event.text("iCalUID")
            && self.by_ical_uid.get(ical_uid).is_some_and(|owner| owner == id)
        {
            self.by_ical_uid.remove(ical_uid);
        }
        Some(event)
    }
}
