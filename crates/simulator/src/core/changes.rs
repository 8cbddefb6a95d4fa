//! Changes in bulk, as if people were at work: what may be asked for, and what was done. How an event is changed, the
//! provider knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One way of changing a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A new event, now and then a series.
    Insert,
    /// Another title or time of an event.
    Update,
    /// An event gets another place and other guests.
    EditDetails,
    /// An event that does not recur is deleted.
    Delete,
    /// One occurrence of a series is moved.
    MoveInstance,
    /// One occurrence of a series is cancelled.
    CancelInstance,
    /// A whole series gets another title or time.
    EditSeries,
    /// A whole series is deleted.
    DeleteSeries,
}

/// Which notices channels get for a bulk change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeNotices {
    /// One notice for each change, as the provider does.
    #[default]
    Each,
    /// One notice after the last change.
    Once,
    /// None.
    None,
}

/// A bulk change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkChanges {
    /// The calendar's id.
    pub calendar: String,
    /// How many changes, at most `COUNT_MAX`.
    pub count: u32,
    /// Chooses what is changed and how.
    #[serde(default)]
    pub seed: u64,
    /// Which changes may happen; all when empty. Where a kind finds nothing to change, an event is inserted.
    #[serde(default)]
    pub kinds: Vec<ChangeKind>,
    /// Pause after each change, in milliseconds of real time.
    #[serde(default)]
    pub spacing_ms: u64,
    /// Which notices channels get.
    #[serde(default)]
    pub notices: ChangeNotices,
}

/// The most changes of one bulk change.
pub(crate) const COUNT_MAX: u32 = 100_000;

/// What a bulk change did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSummary {
    /// Changes of each kind.
    pub counts: BTreeMap<ChangeKind, u32>,
    /// The ids of inserted events, in their order.
    pub inserted: Vec<String>,
}
