//! What goes into the store and comes out of it, where the domain has no type of its own for it.

mod mirror;

use chrono::{DateTime, Utc};
use evercal_domain::{CalendarId, ProviderEventId, SyncReason};
use serde::{Deserialize, Serialize};

pub use crate::entities::accounts::{AccountAdmission, ConsentVersion, CredentialsVersion, Settlement};
pub use crate::entities::authorizations::{AuthorizationAttempt, TakenAttempt};
pub use crate::entities::calendars::{CalendarsReconciled, StateRecord};
pub use crate::entities::claims::ClaimRounds;
pub use crate::entities::journal::{AuditOf, ProviderIncident};
pub use crate::paging::{Page, PageRequest};
pub use mirror::{
    Cursor, Expanded, OccurrenceRange, OwnerOccurrences, PageCommit, PageCommitted, PassFinish, ReadOccurrence,
    SeriesRows, StaleItem, StoredBody, StoredItem, SyncPosition, WindowNow,
};

/// An event that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedEvent {
    /// Its id at the provider, where that could be read.
    pub provider_id: Option<ProviderEventId>,
    /// What was wrong.
    pub reason: String,
    /// What the provider sent.
    pub raw: String,
    /// When it was first seen.
    pub at: DateTime<Utc>,
}

/// How a sync run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncRunOutcome {
    /// All was read.
    Done,
    /// It failed; `detail` says how.
    Failed,
}

impl SyncRunOutcome {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Done, Self::Failed];

    /// The name in rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// One line of a calendar's sync log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRun {
    /// Unique per run and attempt, so that writing it twice is one line.
    pub dedup_key: String,
    /// Which calendar.
    pub calendar_id: CalendarId,
    /// Why.
    pub reason: SyncReason,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// How it ended.
    pub outcome: SyncRunOutcome,
    /// Pages read.
    pub pages: i64,
    /// Changes found.
    pub changes: i64,
    /// What went wrong, by kind; no content.
    pub detail: Option<String>,
}
