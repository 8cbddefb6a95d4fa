//! Where the reading of a calendar stands, and the revision that commits compare and set.

use async_trait::async_trait;
use evercal_domain::CalendarId;
use evercal_domain::zones::{self, ZoneDataVersion};

use super::calendars::calendar_columns;
use super::{Backend, Connection, Engine, calendars, conflict, failed, not_found};
use crate::columns::{corrupt, micros, parsed, to_json};
use crate::entities::mirror::commit::{PassFinish, WindowNow};
use crate::entities::mirror::position::{Cursor, PositionRow, StartRow, SyncPosition, SyncPositions, SyncStart};
use crate::error::StoreError;

/// The columns of a [`PositionRow`], beside the end of the window; `$1` is the calendar.
macro_rules! position_columns {
    () => {
        "revision, generation, sync_cursor, zone_data, \
         EXISTS (SELECT 1 FROM quarantine WHERE calendar_id = $1) AS has_quarantine, \
         EXISTS (SELECT 1 FROM events WHERE calendar_id = $1 AND kind = 'cancelled' AND series_master_id > '') \
         AS has_cancelled, \
         EXISTS (SELECT 1 FROM pass_worklist WHERE calendar_id = $1) AS has_worklist"
    };
}

pub const POSITION: &str = concat!("SELECT window_end, ", position_columns!(), " FROM calendars WHERE id = $1");

pub const START: &str = concat!(
    "SELECT ",
    calendar_columns!(),
    ", ",
    position_columns!(),
    ", (SELECT provider FROM accounts WHERE accounts.id = calendars.account_id) AS provider \
     FROM calendars WHERE id = $1"
);

const BEGIN_FULL_PASS: &str = concat!(
    "UPDATE calendars SET revision = revision + 1, generation = generation + 1, \
     sync_cursor = $3, zone_data = COALESCE(zone_data, $4) \
     WHERE id = $1 AND revision = $2 RETURNING window_end, ",
    position_columns!()
);

const TAKE_OVER_PASS: &str = concat!(
    "UPDATE calendars SET revision = revision + 1 WHERE id = $1 AND revision = $2 RETURNING window_end, ",
    position_columns!()
);

/// Those whose series stand by older zone data than `$1`, after the key `$2`, `$3`.
pub const BY_OLDER_ZONE_DATA: &str = "SELECT id, zone_data FROM calendars \
     WHERE zone_data < $1 AND (zone_data, id) > ($2, $3) ORDER BY zone_data, id LIMIT $4";

#[async_trait]
impl SyncPositions for Backend {
    async fn sync_start(&self, calendar: CalendarId) -> Result<Option<SyncStart>, StoreError> {
        let query = sqlx::query_as::<_, StartRow>(START).bind(calendar.to_string());
        self.read_one(query, "read where a sync starts").await
    }

    async fn sync_position(&self, calendar: CalendarId) -> Result<SyncPosition, StoreError> {
        let row: Option<PositionRow> = sqlx::query_as(POSITION)
            .bind(calendar.to_string())
            .fetch_optional(self.read_pool())
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
        let row: Option<PositionRow> = sqlx::query_as(BEGIN_FULL_PASS)
            .bind(calendar.to_string())
            .bind(expected_revision)
            .bind(to_json(&cursor, "calendars.sync_cursor")?)
            .bind(zones::version().as_str())
            .fetch_optional(self.write_pool())
            .await
            .map_err(failed("begin a full pass"))?;
        moved(self, calendar, row, "begin a full pass").await
    }

    async fn take_over_pass(&self, calendar: CalendarId, expected_revision: i64) -> Result<SyncPosition, StoreError> {
        let row: Option<PositionRow> = sqlx::query_as(TAKE_OVER_PASS)
            .bind(calendar.to_string())
            .bind(expected_revision)
            .fetch_optional(self.write_pool())
            .await
            .map_err(failed("take a pass over"))?;
        moved(self, calendar, row, "take a pass over").await
    }

    async fn by_older_zone_data(
        &self,
        version: &ZoneDataVersion,
        after: Option<&(CalendarId, ZoneDataVersion)>,
        limit: u32,
    ) -> Result<Vec<(CalendarId, ZoneDataVersion)>, StoreError> {
        let (id, zone_data) = after.map(|(id, version)| (id.to_string(), version.as_str())).unwrap_or_default();
        let rows: Vec<(String, String)> = sqlx::query_as(BY_OLDER_ZONE_DATA)
            .bind(version.as_str())
            .bind(zone_data)
            .bind(id)
            .bind(i64::from(limit))
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("list calendars by zone data"))?;
        let read = |(id, zone_data): (String, String)| {
            let zone_data = ZoneDataVersion::read(&zone_data).ok_or_else(|| corrupt("calendars.zone_data"))?;
            Ok((parsed(&id, "calendars.id")?, zone_data))
        };
        rows.into_iter().map(read).collect()
    }
}

/// The position after a compare-and-set of the revision, or why there is none.
async fn moved(
    store: &Backend,
    calendar: CalendarId,
    row: Option<PositionRow>,
    operation: &'static str,
) -> Result<SyncPosition, StoreError> {
    if let Some(row) = row {
        return row.try_into();
    }
    store.sync_position(calendar).await?;
    Err(conflict(operation))
}

/// The compare-and-set that every commit begins with, in which the calendar's row gets all that the commit says of it. Older
/// zone data than the others' are noted.
macro_rules! claim_revision {
    ($columns:literal) => {
        concat!(
            "UPDATE calendars SET revision = revision + 1, sync_cursor = COALESCE($3, sync_cursor), \
             zone_data = CASE WHEN zone_data > $4 THEN $4 ELSE zone_data END, \
             change_sequence = change_sequence + $5, event_count = event_count + $6",
            $columns,
            " WHERE id = $1 AND revision = $2 RETURNING revision, change_sequence - $5 AS last_sequence, \
             (SELECT COALESCE(MAX(revision), 0) FROM mirror_revisions WHERE calendar_id = $1) AS last_shown"
        )
    };
}

pub const CLAIM_REVISION: &str = claim_revision!("");

/// The same for the last page of a pass. `confirmed_at` never moves back, and `confirmed_via` belongs to it.
pub const FINISH_PASS: &str = claim_revision!(
    ", confirmed_via = CASE WHEN confirmed_at > $7 THEN confirmed_via ELSE $8 END, \
     confirmed_at = CASE WHEN confirmed_at > $7 THEN confirmed_at ELSE $7 END, \
     window_end = $9, last_sync_finished_at = $10, last_sync_changes = $11, last_sync_notice_to_stored_ms = $12"
);

/// What a commit says of its calendar's row.
pub struct Claim<'a> {
    /// The revision that it builds on.
    pub expected_revision: i64,
    /// Where the reading stands after it; none where that stays.
    pub cursor: Option<&'a str>,
    pub zone_data: &'a ZoneDataVersion,
    /// How many changes it appends to the feed.
    pub changes: i64,
    pub event_count_delta: i64,
    /// Where it ends a pass.
    pub finish: Option<&'a PassFinish>,
}

/// What a commit finds when it begins.
#[derive(sqlx::FromRow)]
pub struct Claimed {
    pub revision: i64,
    /// The last number that was given in the feed, before this commit.
    pub last_sequence: i64,
    /// The last number of what readers see.
    pub last_shown: i64,
}

/// Moves the revision on, or says that another attempt did.
pub async fn claim_revision(
    connection: &mut Connection,
    calendar: &str,
    claim: &Claim<'_>,
) -> Result<Claimed, StoreError> {
    let statement = if claim.finish.is_some() { FINISH_PASS } else { CLAIM_REVISION };
    let mut query = sqlx::query_as(statement)
        .bind(calendar)
        .bind(claim.expected_revision)
        .bind(claim.cursor)
        .bind(claim.zone_data.as_str())
        .bind(claim.changes)
        .bind(claim.event_count_delta);
    if let Some(finish) = claim.finish {
        query = query
            .bind(micros(finish.confirmed_at))
            .bind(finish.via.as_str())
            .bind(finish.window_end.map(micros))
            .bind(micros(finish.last_sync.finished_at))
            .bind(finish.last_sync.changes + claim.changes)
            .bind(finish.last_sync.notice_to_stored_ms);
    }
    let claimed: Option<Claimed> = query.fetch_optional(&mut *connection).await.map_err(failed("claim a revision"))?;
    if let Some(claimed) = claimed {
        return Ok(claimed);
    }
    let exists = calendars::exists(connection, calendar, "claim a revision").await?;
    Err(if exists { conflict("claim a revision") } else { not_found("claim a revision") })
}

const FORGET_WINDOW: &str = "UPDATE calendars SET window_end = NULL WHERE id = $1";

const SET_WINDOW: &str = "UPDATE calendars SET window_end = $2, zone_data = $3 WHERE id = $1";

/// Writes down what is known of the window for which occurrences exist.
pub async fn set_window(
    connection: &mut Connection,
    calendar: &str,
    window: WindowNow,
    zone_data: &ZoneDataVersion,
) -> Result<(), StoreError> {
    let statement = match window {
        WindowNow::Same => return Ok(()),
        WindowNow::Unknown => sqlx::query(FORGET_WINDOW).bind(calendar),
        WindowNow::Until(end) => sqlx::query(SET_WINDOW).bind(calendar).bind(micros(end)).bind(zone_data.as_str()),
    };
    statement.execute(connection).await.map(drop).map_err(failed("set the window"))
}
