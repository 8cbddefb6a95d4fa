//! What is committed to a mirror: a page of a pass, or occurrences that are made anew.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::calendar::LastSync;
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{CalendarId, RemoteItem, Via};
use evercal_mirror::{Ends, Named, OwnerOccurrences, Plan, Snapshot};

use super::occurrences::OccurrenceRange;
use super::position::{Cursor, SyncPosition};
use super::sync_runs::SyncRun;
use crate::error::StoreError;

/// Planning and committing the pages of a pass.
#[async_trait]
pub trait MirrorPages: Send + Sync {
    /// What a page is planned beside ([`evercal_mirror::plan`]); `position` is the one that the commit will build on.
    async fn snapshot(
        &self,
        calendar: CalendarId,
        position: &SyncPosition,
        items: &[RemoteItem],
        ends: Ends,
    ) -> Result<Snapshot, StoreError>;
    /// The first of what the running pass has still to fetch, by their ids.
    async fn worklist(&self, calendar: CalendarId, limit: u32) -> Result<Vec<Named>, StoreError>;
    /// Carries out the plan of a page, and moves the cursor, in one transaction. Conflict if the revision moved.
    async fn commit_page(&self, commit: &PageCommit<'_>) -> Result<PageCommitted, StoreError>;
    /// Replaces occurrences outside of a pass; answers the new revision.
    async fn replace_occurrences(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        expanded: &Expanded<'_>,
    ) -> Result<i64, StoreError>;
}

/// One page of a pass, committed together with its cursor.
#[derive(Debug)]
pub struct PageCommit<'a> {
    /// Which calendar.
    pub calendar_id: CalendarId,
    /// The revision that this page builds on; another one there means conflict.
    pub expected_revision: i64,
    /// The generation that the page's rows are marked with.
    pub generation: i64,
    /// What the page does.
    pub plan: &'a Plan,
    /// Whether anything is to be fetched already, some of which the page may answer.
    pub has_worklist: bool,
    /// Where the occurrences of series are all there; outside of it there may be more of them.
    pub window: OccurrenceRange,
    /// The zone data by which they were made.
    pub zone_data: &'a ZoneDataVersion,
    /// The cursor after this page.
    pub cursor: &'a Cursor,
    /// Set on the last page of a pass.
    pub finish: Option<PassFinish>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What the last page of a pass does besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassFinish {
    /// The mirror is known to be complete as of this moment: the beginning of the pass.
    pub confirmed_at: DateTime<Utc>,
    /// What started the pass.
    pub via: Via,
    /// The end of the window for which occurrences of all series now exist; none where they are still to be expanded.
    pub window_end: Option<DateTime<Utc>>,
    /// The pass in numbers. `last_sync.changes` is what the run counted before this page; the store adds this page's.
    pub last_sync: LastSync,
    /// The line of the sync log, where nothing is left to do after this page. `pages` counts this page, `changes` what the
    /// run counted before it; the store adds this page's.
    pub run: Option<SyncRun>,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCommitted {
    /// The new revision.
    pub revision: i64,
    /// How many changes the page made.
    pub changes: i64,
}

/// Occurrences that are made anew outside of a pass: the window has moved, or clocks have changed.
#[derive(Debug)]
pub struct Expanded<'a> {
    /// Those of some owners; they replace what the store had for these.
    pub occurrences: &'a [OwnerOccurrences],
    /// The zone data by which they were made.
    pub zone_data: &'a ZoneDataVersion,
    /// What is known afterwards of the window that all series have.
    pub window: WindowNow,
}

/// The window for which occurrences exist, after some were made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowNow {
    /// As it was: others are still to come.
    Same,
    /// Nobody knows until all are made.
    Unknown,
    /// All are made, up to this end, and by the zone data that are given.
    Until(DateTime<Utc>),
}
