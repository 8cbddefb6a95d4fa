//! SQL and rows of the mirror: events, occurrences, changes, quarantine, the sync position and the sync log.

use evercal_domain::change::{Change, ChangeKind};
use evercal_domain::event::Fingerprint;
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{ProviderEventId, SyncReason};

use super::{corrupt, from_json, instant, instant_or_none, parsed};
use crate::error::StoreError;
use crate::page::{RowKind, RowState};
use crate::types::{QuarantinedEvent, StaleItem, StoredBody, StoredItem, SyncPosition, SyncRun, SyncRunOutcome};

pub const POSITION: &str =
    "SELECT revision, generation, sync_cursor, window_end, zone_data FROM calendars WHERE id = $1";

pub const BEGIN_FULL_PASS: &str = "UPDATE calendars SET revision = revision + 1, generation = generation + 1, \
     sync_cursor = $3, zone_data = CASE WHEN zone_data = '' THEN $4 ELSE zone_data END \
     WHERE id = $1 AND revision = $2 RETURNING revision, generation, sync_cursor, window_end, zone_data";

pub const TAKE_OVER_PASS: &str = "UPDATE calendars SET revision = revision + 1 \
     WHERE id = $1 AND revision = $2 RETURNING revision, generation, sync_cursor, window_end, zone_data";

/// The compare-and-set that every commit begins with. Older zone data than the others' are noted. It also says whether there
/// is anything to look through in what is nearly always empty, so that a commit asks no question of its own about that.
pub const CLAIM_REVISION: &str = "UPDATE calendars SET revision = revision + 1, sync_cursor = COALESCE($3, sync_cursor), \
     zone_data = CASE WHEN zone_data > $4 THEN $4 ELSE zone_data END \
     WHERE id = $1 AND revision = $2 RETURNING revision, change_sequence AS last_sequence, \
     EXISTS (SELECT 1 FROM quarantine WHERE calendar_id = $1) AS has_quarantine, \
     EXISTS (SELECT 1 FROM events WHERE calendar_id = $1 AND kind = 'cancelled' AND series_master_id > '') \
     AS has_cancelled, \
     (SELECT COALESCE(MAX(revision), 0) FROM mirror_revisions WHERE calendar_id = $1) AS last_shown";

pub const COUNT_CHANGES: &str =
    "UPDATE calendars SET change_sequence = $2, event_count = event_count + $3 WHERE id = $1";

/// `confirmed_at` never moves back, and `confirmed_via` belongs to it.
pub const FINISH_PASS: &str = "UPDATE calendars SET \
     confirmed_via = CASE WHEN confirmed_at > $2 THEN confirmed_via ELSE $3 END, \
     confirmed_at = CASE WHEN confirmed_at > $2 THEN confirmed_at ELSE $2 END, \
     window_end = $4, last_sync_finished_at = $5, last_sync_changes = $6, last_sync_notice_to_stored_ms = $7, \
     change_sequence = $8, event_count = event_count + $9 WHERE id = $1";

pub const FORGET_WINDOW: &str = "UPDATE calendars SET window_end = NULL WHERE id = $1";

pub const SET_WINDOW: &str = "UPDATE calendars SET window_end = $2, zone_data = $3 WHERE id = $1";

/// Those whose series stand by older zone data than `$1`, after the key `$2`, `$3`.
pub const BY_OLDER_ZONE_DATA: &str = "SELECT id, zone_data FROM calendars \
     WHERE zone_data > '' AND zone_data < $1 AND (zone_data, id) > ($2, $3) ORDER BY zone_data, id LIMIT $4";

// The fresh revision shuts out a sync that still runs; the numbering of changes goes on, so that a reader who kept a
// number never sees it used again.
macro_rules! reset_position {
    ($which:literal) => {
        concat!(
            "UPDATE calendars SET revision = revision + 1, sync_cursor = $2, window_end = NULL, zone_data = '', \
             event_count = 0, confirmed_at = NULL, confirmed_via = NULL, last_sync_finished_at = NULL, last_sync_changes = NULL, \
             last_sync_notice_to_stored_ms = NULL WHERE id = $1",
            $which
        )
    };
}

pub const RESET_POSITION: &str = reset_position!("");

/// The same, unless the calendar has come back meanwhile.
pub const RESET_WITHDRAWN: &str = reset_position!(" AND state IN ('closed', 'action_required')");

/// Calendars that are closed or refused since then, and still mirrored.
pub const WITHDRAWN: &str = "SELECT id FROM calendars WHERE state IN ('closed', 'action_required') \
     AND state_changed_at < $1 AND EXISTS (SELECT 1 FROM events e WHERE e.calendar_id = calendars.id) LIMIT $2";

pub const IDS_OF_ACCOUNT: &str = "SELECT id FROM calendars WHERE account_id = $1 ORDER BY id";

pub const ERASE: [&str; 4] = [
    "DELETE FROM occurrences WHERE calendar_id = $1",
    "DELETE FROM events WHERE calendar_id = $1",
    "DELETE FROM changes WHERE calendar_id = $1",
    "DELETE FROM quarantine WHERE calendar_id = $1",
];

pub const RENEW_GENERATION: &str =
    "UPDATE events SET generation = $3 WHERE calendar_id = $1 AND provider_event_id = $2";

pub const STALE_STATES: &str = "SELECT provider_event_id, kind, series_master_id, fingerprint, updated_at FROM events \
     WHERE calendar_id = $1 AND generation < $2 ORDER BY provider_event_id";

/// Cancelled occurrences whose series is neither mirrored nor waiting in quarantine. All of them have a master; saying so
/// leads SQLite to the index of cancelled rows instead of through all events.
pub const ORPHAN_STATES: &str = "SELECT c.provider_event_id, c.kind, c.series_master_id, c.fingerprint, c.updated_at \
     FROM events c \
     WHERE c.calendar_id = $1 AND c.kind = 'cancelled' AND c.series_master_id > '' \
     AND NOT EXISTS (SELECT 1 FROM events m WHERE m.calendar_id = c.calendar_id \
     AND m.provider_event_id = c.series_master_id) \
     AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.calendar_id = c.calendar_id \
     AND q.item_key = 'id:' || c.series_master_id) ORDER BY c.provider_event_id";

pub const STALE_ITEMS: &str = "SELECT provider_event_id, series_master_id FROM events \
     WHERE calendar_id = $1 AND generation < $2 ORDER BY provider_event_id";

pub const MASTER_IDS: &str = "SELECT provider_event_id FROM events \
     WHERE calendar_id = $1 AND kind = 'master' AND provider_event_id > $2 ORDER BY provider_event_id LIMIT $3";

pub const ITEMS: &str = "SELECT provider_event_id, kind, series_master_id, body FROM events \
     WHERE calendar_id = $1 AND provider_event_id > $2 ORDER BY provider_event_id LIMIT $3";

pub const EVENT: &str = "SELECT body FROM events \
     WHERE calendar_id = $1 AND provider_event_id = $2 AND kind <> 'cancelled'";

pub const WARNED: &str = "SELECT provider_event_id, kind, series_master_id, body FROM events \
     WHERE calendar_id = $1 AND warned ORDER BY provider_event_id LIMIT $2";

pub const CHANGES: &str = "SELECT sequence, kind, provider_event_id, before_fingerprint, after_fingerprint, \
     committed_at FROM changes WHERE calendar_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

/// `first_seen_at` stays; the rest is what was sent last.
pub const QUARANTINE: &str = "INSERT INTO quarantine (calendar_id, item_key, provider_event_id, generation, reason, raw, \
     first_seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
     ON CONFLICT (calendar_id, item_key) DO UPDATE SET generation = excluded.generation, reason = excluded.reason, \
     raw = excluded.raw";

pub const QUARANTINED_KEYS: &str = "SELECT item_key FROM quarantine WHERE calendar_id = $1";

pub const RELEASE: &str = "DELETE FROM quarantine WHERE calendar_id = $1 AND item_key = $2";

pub const SWEEP_QUARANTINE: &str = "DELETE FROM quarantine WHERE calendar_id = $1 AND generation < $2";

pub const QUARANTINED: &str = "SELECT provider_event_id, reason, raw, first_seen_at FROM quarantine \
     WHERE calendar_id = $1 ORDER BY first_seen_at DESC, item_key LIMIT $2";

pub const RECORD_RUN: &str = "INSERT INTO sync_runs (dedup_key, calendar_id, reason, started_at, finished_at, outcome, \
     pages, changes, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (dedup_key) DO NOTHING";

pub const RUNS: &str = "SELECT dedup_key, calendar_id, reason, started_at, finished_at, outcome, pages, changes, detail \
     FROM sync_runs WHERE calendar_id = $1 ORDER BY started_at DESC, dedup_key DESC LIMIT $2";

#[derive(sqlx::FromRow)]
pub struct PositionRow {
    revision: i64,
    generation: i64,
    sync_cursor: String,
    window_end: Option<i64>,
    zone_data: String,
}

impl TryFrom<PositionRow> for SyncPosition {
    type Error = StoreError;

    fn try_from(row: PositionRow) -> Result<Self, StoreError> {
        Ok(Self {
            revision: row.revision,
            generation: row.generation,
            cursor: from_json(&row.sync_cursor, "calendars.sync_cursor")?,
            window_end: instant_or_none(row.window_end, "calendars.window_end")?,
            zone_data: ZoneDataVersion::read(&row.zone_data),
        })
    }
}

/// What a commit needs to know of a row.
#[derive(sqlx::FromRow)]
pub struct StateRow {
    provider_event_id: String,
    kind: String,
    series_master_id: Option<String>,
    fingerprint: String,
    updated_at: Option<i64>,
}

impl StateRow {
    pub fn read(self) -> (ProviderEventId, RowState) {
        // A kind of a newer version is an event, as nearly all are; a fresh copy of it has to be able to heal the row.
        let kind = RowKind::from_name(&self.kind).unwrap_or(RowKind::Single);
        let state = RowState {
            kind,
            series_master_id: self.series_master_id.map(ProviderEventId::new),
            fingerprint: Fingerprint::from_stored(self.fingerprint),
            updated_us: self.updated_at,
        };
        (ProviderEventId::new(self.provider_event_id), state)
    }
}

/// A row and the series that it belongs to, whatever its body is.
#[derive(sqlx::FromRow)]
pub struct StaleRow {
    provider_event_id: String,
    series_master_id: Option<String>,
}

impl StaleRow {
    pub fn read(self) -> StaleItem {
        let owner = self.series_master_id.unwrap_or_else(|| self.provider_event_id.clone());
        StaleItem { provider_id: ProviderEventId::new(self.provider_event_id), owner: ProviderEventId::new(owner) }
    }
}

#[derive(sqlx::FromRow)]
pub struct ItemRow {
    pub provider_event_id: String,
    kind: String,
    series_master_id: Option<String>,
    body: String,
}

impl ItemRow {
    /// See [`StoredItem::owner`]; known also of a row whose body cannot be read.
    pub fn owner(&self) -> &str {
        self.series_master_id.as_deref().unwrap_or(&self.provider_event_id)
    }

    /// Its item, also where the body cannot be read: because it is damaged, or because a newer version wrote it.
    pub fn read_or_unreadable(self) -> StoredItem {
        let provider_id = ProviderEventId::new(self.provider_event_id.clone());
        let master_id = self.series_master_id.clone().map(ProviderEventId::new);
        StoredItem::try_from(self).unwrap_or_else(|error| {
            tracing::error!(%error, "a stored event cannot be read");
            StoredItem { provider_id, body: StoredBody::Unreadable { master_id } }
        })
    }
}

impl TryFrom<ItemRow> for StoredItem {
    type Error = StoreError;

    fn try_from(row: ItemRow) -> Result<Self, StoreError> {
        let body = match RowKind::from_name(&row.kind).ok_or_else(|| corrupt("events.kind"))? {
            RowKind::Cancelled => StoredBody::Cancelled(from_json(&row.body, "events.body")?),
            RowKind::Single | RowKind::Master | RowKind::Exception => {
                StoredBody::Event(from_json(&row.body, "events.body")?)
            }
        };
        Ok(Self { provider_id: ProviderEventId::new(row.provider_event_id), body })
    }
}

#[derive(sqlx::FromRow)]
pub struct ChangeRow {
    sequence: i64,
    kind: String,
    provider_event_id: String,
    before_fingerprint: Option<String>,
    after_fingerprint: Option<String>,
    committed_at: i64,
}

impl TryFrom<ChangeRow> for Change {
    type Error = StoreError;

    fn try_from(row: ChangeRow) -> Result<Self, StoreError> {
        Ok(Self {
            sequence: row.sequence,
            kind: ChangeKind::from_name(&row.kind).ok_or_else(|| corrupt("changes.kind"))?,
            event_id: ProviderEventId::new(row.provider_event_id),
            before: row.before_fingerprint.map(Fingerprint::from_stored),
            after: row.after_fingerprint.map(Fingerprint::from_stored),
            committed_at: instant(row.committed_at, "changes.committed_at")?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub struct QuarantineRow {
    provider_event_id: Option<String>,
    reason: String,
    raw: String,
    first_seen_at: i64,
}

impl TryFrom<QuarantineRow> for QuarantinedEvent {
    type Error = StoreError;

    fn try_from(row: QuarantineRow) -> Result<Self, StoreError> {
        Ok(Self {
            provider_id: row.provider_event_id.map(ProviderEventId::new),
            reason: row.reason,
            raw: row.raw,
            at: instant(row.first_seen_at, "quarantine.first_seen_at")?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub struct RunRow {
    dedup_key: String,
    calendar_id: String,
    reason: String,
    started_at: i64,
    finished_at: i64,
    outcome: String,
    pages: i64,
    changes: i64,
    detail: Option<String>,
}

impl TryFrom<RunRow> for SyncRun {
    type Error = StoreError;

    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        let reason = serde_json::from_value::<SyncReason>(row.reason.into());
        Ok(Self {
            dedup_key: row.dedup_key,
            calendar_id: parsed(&row.calendar_id, "sync_runs.calendar_id")?,
            reason: reason.map_err(|_| corrupt("sync_runs.reason"))?,
            started_at: instant(row.started_at, "sync_runs.started_at")?,
            finished_at: instant(row.finished_at, "sync_runs.finished_at")?,
            outcome: SyncRunOutcome::from_name(&row.outcome).ok_or_else(|| corrupt("sync_runs.outcome"))?,
            pages: row.pages,
            changes: row.changes,
            detail: row.detail,
        })
    }
}
