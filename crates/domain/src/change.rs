//! The change feed: exactly the difference between two states of a mirror.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::Fingerprint;
use crate::ids::ProviderEventId;

/// What happened to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// New to our mirror (not: new at the provider).
    Created,
    /// Its content changed.
    Updated,
    /// One occurrence of a series was cancelled.
    Cancelled,
    /// It is gone.
    Deleted,
}

names! { ChangeKind { Created = "created", Updated = "updated", Cancelled = "cancelled", Deleted = "deleted" } }

/// One line of a calendar's change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number in this calendar, from 1, without gaps.
    pub sequence: i64,
    /// What happened.
    pub kind: ChangeKind,
    /// To which event.
    pub event_id: ProviderEventId,
    /// The fingerprint before, if it existed.
    pub before: Option<Fingerprint>,
    /// The fingerprint after, if it still exists.
    pub after: Option<Fingerprint>,
    /// When it was committed here.
    pub committed_at: DateTime<Utc>,
}
