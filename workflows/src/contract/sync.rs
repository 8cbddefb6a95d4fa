//! The activity that reads a calendar, and what it takes and returns.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use evercal_domain::{CalendarId, Priority, ProviderErrorKind, SyncReason, UnixMs};
use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

use crate::names;

pub use sync_activities::SyncCalendar;

/// The activity that reads.
pub struct SyncActivities;

#[activity_definitions]
#[expect(clippy::unimplemented, reason = "the macro asks for this body; implementations are in `activities/`")]
impl SyncActivities {
    #[activity(name = names::SYNC_CALENDAR)]
    pub async fn sync_calendar(_input: SyncInput) -> Result<SyncOutcome, ActivityError> {
        unimplemented!()
    }
}

/// Input of `sync_calendar`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SyncInput {
    /// The calendar.
    pub calendar_id: CalendarId,
    /// Why.
    pub reason: SyncReason,
    /// When the first notice reached the gateway, where there was one.
    pub notice_at: Option<UnixMs>,
    /// What earlier slices of this sync did.
    pub so_far: SyncCounts,
    /// After how long a sync that has more to read frees its slot, in milliseconds.
    pub slice_ms: u64,
}

/// A sync in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncCounts {
    /// When the sync began; `None` before its first slice.
    pub started_at: Option<UnixMs>,
    /// Pages read.
    pub pages: i64,
    /// Changes found.
    pub changes: i64,
    /// Changes that the provider dates so far back that a notice should have announced them.
    pub unannounced: i64,
    /// Entries read.
    pub items: i64,
    /// Pages without an entry, one after the other, up to now.
    pub empty_pages: i64,
}

/// How a slice ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SyncOutcome {
    /// All is read.
    Done {
        /// The whole sync in numbers.
        counts: SyncCounts,
        /// When its last page was committed.
        finished_at: UnixMs,
    },
    /// Time is up for this slice; the rest is read by the next one.
    More {
        /// The sync so far.
        counts: SyncCounts,
        /// How urgent the rest is, where that is less than what the sync began with.
        priority: Option<Priority>,
    },
    /// The calendar does not exist any more, or not for us, while others of its account answer.
    Refused {
        /// How the provider said so: not found, or forbidden.
        error: ProviderErrorKind,
        /// The provider's own word for it.
        reason: Option<String>,
        /// What a person has to know of it.
        advice: Option<String>,
    },
    /// The grant is dead.
    NeedsReauth {
        /// Why, in a sentence for people, where the provider says more than that.
        why: Option<String>,
    },
    /// The store has no row of this calendar.
    NoRow,
    /// Something that only a newer version knows; the next reconcile reads again.
    #[serde(other)]
    Unknown,
}
