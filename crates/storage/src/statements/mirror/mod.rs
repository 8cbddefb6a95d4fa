//! The mirror. Each of its parts has its statements in a file of its own; `commit` puts them together in one transaction.

pub mod commit;
pub mod erasure;
pub mod events;
pub mod feed;
pub mod occurrences;
pub mod position;
pub mod quarantine;
pub mod revisions;
pub mod snapshot;
pub mod sync_runs;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::change::Change;
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{AccountId, CalendarId, Event, ProviderEventId, RemoteItem};
use evercal_mirror::{Ends, Snapshot, StoredRow};

use super::{Backend, Connection, Database, Engine, calendars, conflict, execute, failed, fetch_value, not_found};
use crate::entities::mirror::Mirror;
use crate::entities::mirror::commit::{Expanded, PageCommit, PageCommitted};
use crate::entities::mirror::occurrences::{OccurrenceRange, ReadOccurrence};
use crate::entities::mirror::position::SyncPosition;
use crate::entities::mirror::quarantine::QuarantinedEvent;
use crate::entities::mirror::sync_runs::SyncRun;
use crate::error::StoreError;
use crate::paging::{Page, PageRequest};

/// Ids in one `IN (…)` list.
const IDS_PER_STATEMENT: usize = 500;
/// Rows in one `INSERT`. Large enough that the cost per statement vanishes, far below the parameters that an
/// engine takes (SQLite 32,766).
const ROWS_PER_STATEMENT: usize = 200;

#[async_trait]
impl Mirror for Backend {
    async fn sync_position(&self, calendar: CalendarId) -> Result<SyncPosition, StoreError> {
        position::read(self, calendar).await
    }

    async fn begin_full_pass(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        page_events_max: u32,
    ) -> Result<SyncPosition, StoreError> {
        position::begin_full_pass(self, calendar, expected_revision, page_events_max).await
    }

    async fn take_over_pass(&self, calendar: CalendarId, expected_revision: i64) -> Result<SyncPosition, StoreError> {
        position::take_over_pass(self, calendar, expected_revision).await
    }

    async fn snapshot(
        &self,
        calendar: CalendarId,
        position: &SyncPosition,
        items: &[RemoteItem],
        ends: Ends,
    ) -> Result<Snapshot, StoreError> {
        snapshot::read(self, calendar, position, items, ends).await
    }

    async fn related_rows(&self, calendar: CalendarId, ids: &[ProviderEventId]) -> Result<Vec<StoredRow>, StoreError> {
        events::related(self, calendar, &ids.iter().map(ProviderEventId::as_str).collect()).await
    }

    async fn master_ids(
        &self,
        calendar: CalendarId,
        after: Option<&ProviderEventId>,
        limit: u32,
    ) -> Result<Vec<ProviderEventId>, StoreError> {
        events::master_ids(self, calendar, after, limit).await
    }

    async fn commit_page(&self, page: &PageCommit<'_>) -> Result<PageCommitted, StoreError> {
        commit::commit_page(self, page).await
    }

    async fn replace_occurrences(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        expanded: &Expanded<'_>,
    ) -> Result<i64, StoreError> {
        commit::replace_occurrences(self, calendar, expected_revision, expanded).await
    }

    async fn by_older_zone_data(
        &self,
        version: &ZoneDataVersion,
        after: Option<&(CalendarId, ZoneDataVersion)>,
        limit: u32,
    ) -> Result<Vec<(CalendarId, ZoneDataVersion)>, StoreError> {
        position::by_older_zone_data(self, version, after, limit).await
    }

    async fn occurrences(
        &self,
        calendar: CalendarId,
        range: &OccurrenceRange,
        page: &PageRequest,
    ) -> Result<Page<ReadOccurrence>, StoreError> {
        occurrences::read(self, calendar, range, page).await
    }

    async fn revision_of(&self, calendar: CalendarId, range: &OccurrenceRange) -> Result<i64, StoreError> {
        revisions::of(self, calendar, range).await
    }

    async fn event(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<Event>, StoreError> {
        events::read(self, calendar, id).await
    }

    async fn event_raw(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<String>, StoreError> {
        events::raw(self, calendar, id).await
    }

    async fn items(&self, calendar: CalendarId, page: &PageRequest) -> Result<Page<StoredRow>, StoreError> {
        events::list(self, calendar, page).await
    }

    async fn changes(&self, calendar: CalendarId, after_sequence: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        feed::read(self, calendar, after_sequence, limit).await
    }

    async fn quarantined(&self, calendar: CalendarId, limit: u32) -> Result<Vec<QuarantinedEvent>, StoreError> {
        quarantine::list(self, calendar, limit).await
    }

    async fn warned(&self, calendar: CalendarId, limit: u32) -> Result<Vec<StoredRow>, StoreError> {
        events::warned(self, calendar, limit).await
    }

    async fn record_sync_run(&self, run: &SyncRun) -> Result<(), StoreError> {
        sync_runs::record(self.write_pool(), run).await
    }

    async fn sync_runs(&self, calendar: CalendarId, limit: u32) -> Result<Vec<SyncRun>, StoreError> {
        sync_runs::list(self, calendar, limit).await
    }

    async fn erase_withdrawn(&self, since_before: DateTime<Utc>) -> Result<u64, StoreError> {
        erasure::erase_withdrawn(self, since_before).await
    }

    async fn erase_mirrors(&self, account: AccountId) -> Result<(), StoreError> {
        erasure::erase_of_account(self, account).await
    }
}
