//! The mirror: positions, reads and small writes. Committing a page is in `commit`, occurrences are in `reading`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::change::Change;
use evercal_domain::zones::{self, ZoneDataVersion};
use evercal_domain::{AccessRole, AccountId, CalendarId, CalendarState, Event, EventView, ProviderEventId};

use super::{Backend, by_keys, commit, conflict, failed, not_found, reading, revisions};
use crate::error::StoreError;
use crate::repository::Mirror;
use crate::sql::lookup::Lookup;
use crate::sql::mirror::{self as sql, ChangeRow, ItemRow, PositionRow, QuarantineRow, RunRow, StaleRow};
use crate::sql::{calendars, corrupt, from_json, micros, page_of, parsed, readable, rows_to_fetch, to_json};
use crate::touched::{Span, Touched};
use crate::types::{
    Cursor, Expanded, OccurrenceRange, Page, PageCommit, PageCommitted, PageRequest, QuarantinedEvent, ReadOccurrence,
    StaleItem, StoredItem, SyncPosition, SyncRun, WindowNow,
};

/// Withdrawn calendars whose mirror is erased in one go.
const ERASED_AT_A_TIME: i64 = 100;
/// Ids in one `IN (…)` list.
pub(super) const IDS_PER_STATEMENT: usize = 500;

#[async_trait]
impl Mirror for Backend {
    async fn sync_position(&self, calendar: CalendarId) -> Result<SyncPosition, StoreError> {
        let row: Option<PositionRow> = sqlx::query_as(sql::POSITION)
            .bind(calendar.to_string())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read a sync position"))?;
        row.ok_or_else(|| not_found("read a sync position"))?.try_into()
    }

    async fn begin_full_pass(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        page_events_max: u32,
    ) -> Result<SyncPosition, StoreError> {
        let cursor = Cursor::Full { page_events_max, reached: None };
        let row: Option<PositionRow> = sqlx::query_as(sql::BEGIN_FULL_PASS)
            .bind(calendar.to_string())
            .bind(expected_revision)
            .bind(to_json(&cursor, "calendars.sync_cursor")?)
            .bind(zones::version().as_str())
            .fetch_optional(&self.write)
            .await
            .map_err(failed("begin a full pass"))?;
        self.moved_position(calendar, row, "begin a full pass").await
    }

    async fn take_over_pass(&self, calendar: CalendarId, expected_revision: i64) -> Result<SyncPosition, StoreError> {
        let row: Option<PositionRow> = sqlx::query_as(sql::TAKE_OVER_PASS)
            .bind(calendar.to_string())
            .bind(expected_revision)
            .fetch_optional(&self.write)
            .await
            .map_err(failed("take a pass over"))?;
        self.moved_position(calendar, row, "take a pass over").await
    }

    async fn related_items(
        &self,
        calendar: CalendarId,
        ids: &[ProviderEventId],
    ) -> Result<Vec<StoredItem>, StoreError> {
        let named: BTreeSet<&str> = ids.iter().map(ProviderEventId::as_str).collect();
        let mut rows = BTreeMap::new();
        self.collect_items(calendar, Lookup::EventsById, &named, &mut rows).await?;
        // The owners of what was named, and what was named itself: it may be a master that is not mirrored.
        let owners: BTreeSet<String> = rows.values().map(|row: &ItemRow| row.owner().to_owned()).collect();
        let owners: BTreeSet<&str> = owners.iter().map(String::as_str).chain(named.iter().copied()).collect();
        let masters: BTreeSet<&str> = owners.difference(&named).copied().collect();
        self.collect_items(calendar, Lookup::EventsById, &masters, &mut rows).await?;
        self.collect_items(calendar, Lookup::EventsBySeries, &owners, &mut rows).await?;
        Ok(rows.into_values().map(ItemRow::read_or_unreadable).collect())
    }

    async fn stale_items(&self, calendar: CalendarId, generation: i64) -> Result<Vec<StaleItem>, StoreError> {
        let rows: Vec<StaleRow> = sqlx::query_as(sql::STALE_ITEMS)
            .bind(calendar.to_string())
            .bind(generation)
            .fetch_all(&self.read)
            .await
            .map_err(failed("read stale items"))?;
        Ok(rows.into_iter().map(StaleRow::read).collect())
    }

    async fn master_ids(
        &self,
        calendar: CalendarId,
        after: Option<&ProviderEventId>,
        limit: u32,
    ) -> Result<Vec<ProviderEventId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(sql::MASTER_IDS)
            .bind(calendar.to_string())
            .bind(after.map(ProviderEventId::as_str).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await
            .map_err(failed("list masters"))?;
        Ok(ids.into_iter().map(ProviderEventId::new).collect())
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
        let id = calendar.to_string();
        let zone_data = expanded.zone_data.as_str();
        let mut transaction = self.begin().await?;
        let claimed = commit::claim_revision(&mut transaction, &id, expected_revision, None, zone_data).await?;
        let mut touched = Touched::default();
        reading::replace(&mut transaction, &id, expanded.occurrences, &mut touched).await?;
        let spans = touched.into_spans();
        revisions::note(&mut transaction, &id, claimed.last_shown, &spans).await?;
        let window = match expanded.window {
            WindowNow::Same => None,
            WindowNow::Unknown => Some(sqlx::query(sql::FORGET_WINDOW).bind(&id)),
            WindowNow::Until(end) => Some(sqlx::query(sql::SET_WINDOW).bind(&id).bind(micros(end)).bind(zone_data)),
        };
        if let Some(window) = window {
            window.execute(&mut *transaction).await.map_err(failed("set the window"))?;
        }
        super::commit(self, transaction, "replace occurrences").await?;
        Ok(claimed.revision)
    }

    async fn by_older_zone_data(
        &self,
        version: &ZoneDataVersion,
        after: Option<&(CalendarId, ZoneDataVersion)>,
        limit: u32,
    ) -> Result<Vec<(CalendarId, ZoneDataVersion)>, StoreError> {
        let (id, zone_data) = after.map(|(id, version)| (id.to_string(), version.as_str())).unwrap_or_default();
        let rows: Vec<(String, String)> = sqlx::query_as(sql::BY_OLDER_ZONE_DATA)
            .bind(version.as_str())
            .bind(zone_data)
            .bind(id)
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await
            .map_err(failed("list calendars by zone data"))?;
        let read = |(id, zone_data): (String, String)| {
            let zone_data = ZoneDataVersion::read(&zone_data).ok_or_else(|| corrupt("calendars.zone_data"))?;
            Ok((parsed(&id, "calendars.id")?, zone_data))
        };
        rows.into_iter().map(read).collect()
    }

    async fn occurrences(
        &self,
        calendar: CalendarId,
        range: &OccurrenceRange,
        page: &PageRequest,
    ) -> Result<Page<ReadOccurrence>, StoreError> {
        let mut occurrences = reading::occurrences(self, calendar, range, page).await?;
        // Asked for after the rows: whoever sees less since before that gets no more from here.
        let Some(view) = self.view_of(calendar).await? else { return Ok(Page { items: Vec::new(), next: None }) };
        occurrences.items.iter_mut().for_each(|read| read.event.hide_beyond(view));
        Ok(occurrences)
    }

    async fn revision_of(&self, calendar: CalendarId, range: &OccurrenceRange) -> Result<i64, StoreError> {
        revisions::of(self, calendar, range).await
    }

    async fn event(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<Event>, StoreError> {
        // No row has such an id, and PostgreSQL takes no such text.
        if id.as_str().contains('\0') {
            return Ok(None);
        }
        let body: Option<String> = sqlx::query_scalar(sql::EVENT)
            .bind(calendar.to_string())
            .bind(id.as_str())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read an event"))?;
        let event: Option<Event> = body.map(|body| from_json(&body, "events.body")).transpose()?;
        let (Some(mut event), Some(view)) = (event, self.view_of(calendar).await?) else { return Ok(None) };
        event.hide_beyond(view);
        Ok(Some(event))
    }

    async fn items(&self, calendar: CalendarId, page: &PageRequest) -> Result<Page<StoredItem>, StoreError> {
        let rows: Vec<ItemRow> = sqlx::query_as(sql::ITEMS)
            .bind(calendar.to_string())
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(rows_to_fetch(page))
            .fetch_all(&self.read)
            .await
            .map_err(failed("list items"))?;
        Ok(page_of(rows, page, |row| row.provider_event_id.clone()))
    }

    async fn changes(&self, calendar: CalendarId, after_sequence: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let rows: Vec<ChangeRow> = sqlx::query_as(sql::CHANGES)
            .bind(calendar.to_string())
            .bind(after_sequence)
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await
            .map_err(failed("read changes"))?;
        rows.into_iter().map(Change::try_from).collect()
    }

    async fn quarantined(&self, calendar: CalendarId, limit: u32) -> Result<Vec<QuarantinedEvent>, StoreError> {
        let rows: Vec<QuarantineRow> = sqlx::query_as(sql::QUARANTINED)
            .bind(calendar.to_string())
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await
            .map_err(failed("read the quarantine"))?;
        Ok(readable(rows))
    }

    async fn warned(&self, calendar: CalendarId, limit: u32) -> Result<Vec<StoredItem>, StoreError> {
        let rows: Vec<ItemRow> = sqlx::query_as(sql::WARNED)
            .bind(calendar.to_string())
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await
            .map_err(failed("read warnings"))?;
        Ok(readable(rows))
    }

    async fn record_sync_run(&self, run: &SyncRun) -> Result<(), StoreError> {
        commit::record_run(&self.write, run).await
    }

    async fn sync_runs(&self, calendar: CalendarId, limit: u32) -> Result<Vec<SyncRun>, StoreError> {
        let rows: Vec<RunRow> = sqlx::query_as(sql::RUNS)
            .bind(calendar.to_string())
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await
            .map_err(failed("read the sync log"))?;
        Ok(readable(rows))
    }

    async fn erase_withdrawn(&self, since_before: DateTime<Utc>) -> Result<u64, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(calendars::WITHDRAWN)
            .bind(micros(since_before))
            .bind(ERASED_AT_A_TIME)
            .fetch_all(&self.read)
            .await
            .map_err(failed("find withdrawn mirrors"))?;
        self.erase(&ids, sql::RESET_WITHDRAWN).await
    }

    async fn erase_mirrors(&self, account: AccountId) -> Result<(), StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(sql::IDS_OF_ACCOUNT)
            .bind(account.to_string())
            .fetch_all(&self.read)
            .await
            .map_err(failed("erase mirrors"))?;
        self.erase(&ids, sql::RESET_POSITION).await.map(drop)
    }
}

impl Backend {
    /// How much of a calendar's events may be shown now; `None` where nothing may.
    async fn view_of(&self, calendar: CalendarId) -> Result<Option<EventView>, StoreError> {
        let seen_as: Option<(String, String)> = sqlx::query_as(calendars::SEEN_AS)
            .bind(calendar.to_string())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read what a reader may see"))?;
        let Some((role, state)) = seen_as else { return Ok(None) };
        let role = AccessRole::from_name(&role).ok_or_else(|| corrupt("calendars.access_role"))?;
        let state = CalendarState::from_name(&state).ok_or_else(|| corrupt("calendars.state"))?;
        Ok(state.serves_events().then(|| role.view()))
    }

    /// Forgets what is mirrored of those calendars that `reset` finds, one at a time: other writers get their turn between two
    /// large ones. Answers of how many.
    async fn erase(&self, ids: &[String], reset: &'static str) -> Result<u64, StoreError> {
        let start = to_json(&Cursor::Start, "calendars.sync_cursor")?;
        let mut erased = 0;
        for id in ids {
            let mut transaction = self.begin().await?;
            let found = sqlx::query(reset)
                .bind(id)
                .bind(&start)
                .execute(&mut *transaction)
                .await
                .map_err(failed("erase mirrors"))?;
            if found.rows_affected() == 0 {
                continue;
            }
            erased += 1;
            for statement in sql::ERASE {
                sqlx::query(statement).bind(id).execute(&mut *transaction).await.map_err(failed("erase mirrors"))?;
            }
            let last = revisions::last(&mut transaction, id).await?;
            revisions::note(&mut transaction, id, last, &[Span::EVERYTHING]).await?;
            super::commit(self, transaction, "erase mirrors").await?;
        }
        Ok(erased)
    }

    /// The position after a compare-and-set of the revision, or why there is none.
    async fn moved_position(
        &self,
        calendar: CalendarId,
        row: Option<PositionRow>,
        operation: &'static str,
    ) -> Result<SyncPosition, StoreError> {
        if let Some(row) = row {
            return row.try_into();
        }
        self.sync_position(calendar).await?;
        Err(conflict(operation))
    }

    /// Adds the rows with these ids, their own or their series'.
    async fn collect_items(
        &self,
        calendar: CalendarId,
        lookup: Lookup,
        ids: &BTreeSet<&str>,
        found: &mut BTreeMap<String, ItemRow>,
    ) -> Result<(), StoreError> {
        const COLUMNS: &str = "provider_event_id, kind, series_master_id, body";
        let ids: Vec<&str> = ids.iter().copied().collect();
        for ids in ids.chunks(IDS_PER_STATEMENT) {
            let mut query = by_keys::select(COLUMNS, lookup, &calendar.to_string(), ids);
            let rows: Vec<ItemRow> =
                query.build_query_as().fetch_all(&self.read).await.map_err(failed("read related items"))?;
            found.extend(rows.into_iter().map(|row| (row.provider_event_id.clone(), row)));
        }
        Ok(())
    }
}
