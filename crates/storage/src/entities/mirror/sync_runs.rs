//! The sync log.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{CalendarId, SyncReason, names};
use serde::{Deserialize, Serialize};

use crate::columns::{corrupt, instant, parsed};
use crate::error::StoreError;

/// The log of syncs.
#[async_trait]
pub trait SyncLog: Send + Sync {
    /// Writes a line of the sync log. The same key again is no error.
    async fn record_sync_run(&self, run: &SyncRun) -> Result<(), StoreError>;
    /// The sync log, newest first.
    async fn sync_runs(&self, calendar: CalendarId, limit: u32) -> Result<Vec<SyncRun>, StoreError>;
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

/// How a sync run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncRunOutcome {
    /// All was read.
    Done,
    /// It failed; `detail` says how.
    Failed,
}

names! { SyncRunOutcome { Done = "done", Failed = "failed" } }

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
