//! The mirror of a calendar: its rows, their occurrences, how far it was read, and what pages of a pass do to it.

pub mod commit;
pub mod events;
pub mod feed;
pub mod occurrence_key;
pub mod occurrences;
pub mod position;
pub mod quarantine;
pub mod sync_runs;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::change::Change;
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{AccountId, CalendarId, Event, ProviderEventId, RemoteItem};
use evercal_mirror::{Ends, Snapshot, StoredRow};

use self::commit::{Expanded, PageCommit, PageCommitted};
use self::occurrences::{OccurrenceRange, ReadOccurrence};
use self::position::SyncPosition;
use self::quarantine::QuarantinedEvent;
use self::sync_runs::SyncRun;
use crate::error::StoreError;
use crate::paging::{Page, PageRequest};

/// The mirror itself.
#[async_trait]
pub trait Mirror: Send + Sync {
    /// Where a calendar's reading stands.
    async fn sync_position(&self, calendar: CalendarId) -> Result<SyncPosition, StoreError>;
    /// Begins a full pass: a new generation, cursor at its first page. Conflict if the revision moved.
    async fn begin_full_pass(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        page_events_max: u32,
    ) -> Result<SyncPosition, StoreError>;
    /// Goes on with a pass that somebody else began: the position stays, the revision moves, so that their next commit
    /// fails and they stop. Conflict if the revision moved.
    async fn take_over_pass(&self, calendar: CalendarId, expected_revision: i64) -> Result<SyncPosition, StoreError>;
    /// What a page is planned beside ([`evercal_mirror::plan`]); `position` is the one that the commit will build on.
    async fn snapshot(
        &self,
        calendar: CalendarId,
        position: &SyncPosition,
        items: &[RemoteItem],
        ends: Ends,
    ) -> Result<Snapshot, StoreError>;
    /// All rows that have one of these ids, or belong to a series that one of these ids is or belongs to. Those that cannot
    /// be read are among them as such: a fresh copy heals them, and until then their series is not known whole.
    async fn related_rows(&self, calendar: CalendarId, ids: &[ProviderEventId]) -> Result<Vec<StoredRow>, StoreError>;
    /// Ids of masters after `after`, in order: for rolling the window forward.
    async fn master_ids(
        &self,
        calendar: CalendarId,
        after: Option<&ProviderEventId>,
        limit: u32,
    ) -> Result<Vec<ProviderEventId>, StoreError>;
    /// Carries out the plan of a page, and moves the cursor, in one transaction. Conflict if the revision moved.
    async fn commit_page(&self, commit: &PageCommit<'_>) -> Result<PageCommitted, StoreError>;
    /// Replaces occurrences outside of a pass; answers the new revision.
    async fn replace_occurrences(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        expanded: &Expanded<'_>,
    ) -> Result<i64, StoreError>;
    /// Calendars whose series stand by older zone data than these, with what they stand by; after one of these pairs.
    async fn by_older_zone_data(
        &self,
        version: &ZoneDataVersion,
        after: Option<&(CalendarId, ZoneDataVersion)>,
        limit: u32,
    ) -> Result<Vec<(CalendarId, ZoneDataVersion)>, StoreError>;
    /// Occurrences that overlap `from..to`, by start, without what the account may not see (any more): of a calendar that the
    /// provider refuses or does not list, none. All-day ones are compared by date: those that overlap the dates
    /// `from_date..to_date` (end exclusive), which the caller computes in the calendar's zone; they come before all that
    /// begins on their first day there.
    async fn occurrences(
        &self,
        calendar: CalendarId,
        range: &OccurrenceRange,
        page: &PageRequest,
    ) -> Result<Page<ReadOccurrence>, StoreError>;
    /// The number of the last commit that changed what is in a range, as [`Self::occurrences`] takes it. It never goes back,
    /// and what is read after it was asked for is at least as new. It may move although nothing changed: after many commits,
    /// and for changes of a series where none of its occurrences are kept.
    async fn revision_of(&self, calendar: CalendarId, range: &OccurrenceRange) -> Result<i64, StoreError>;
    /// One event: a single one, a master or an exception. Not a cancelled occurrence.
    async fn event(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<Event>, StoreError>;
    /// The provider's own text of an event, where it is kept and the account may see all of the event.
    async fn event_raw(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<String>, StoreError>;
    /// All rows of the mirror, by id: for proofs and exports.
    async fn items(&self, calendar: CalendarId, page: &PageRequest) -> Result<Page<StoredRow>, StoreError>;
    /// The change feed after `after_sequence`, oldest first.
    async fn changes(&self, calendar: CalendarId, after_sequence: i64, limit: u32) -> Result<Vec<Change>, StoreError>;
    /// Events that could not be read, newest first.
    async fn quarantined(&self, calendar: CalendarId, limit: u32) -> Result<Vec<QuarantinedEvent>, StoreError>;
    /// Events of which something could not be taken as it was sent, by id.
    async fn warned(&self, calendar: CalendarId, limit: u32) -> Result<Vec<StoredRow>, StoreError>;
    /// Writes a line of the sync log. The same key again is no error.
    async fn record_sync_run(&self, run: &SyncRun) -> Result<(), StoreError>;
    /// The sync log, newest first.
    async fn sync_runs(&self, calendar: CalendarId, limit: u32) -> Result<Vec<SyncRun>, StoreError>;
    /// Forgets what is mirrored of calendars that are closed or refused since before then, of some at a time, and answers of
    /// how many.
    async fn erase_withdrawn(&self, since_before: DateTime<Utc>) -> Result<u64, StoreError>;
    /// Forgets the events, occurrences, changes and quarantine of all calendars of an account, closed ones included.
    async fn erase_mirrors(&self, account: AccountId) -> Result<(), StoreError>;
}
