//! The sync log.

use async_trait::async_trait;
use evercal_domain::CalendarId;

use super::{Backend, Database, Engine, failed};
use crate::columns::{micros, storable};
use crate::entities::mirror::sync_runs::{RunRow, SyncLog, SyncRun};
use crate::error::StoreError;

pub const RUNS: &str = "SELECT dedup_key, calendar_id, reason, started_at, finished_at, outcome, pages, changes, detail \
     FROM sync_runs WHERE calendar_id = $1 ORDER BY started_at DESC, dedup_key DESC LIMIT $2";

#[async_trait]
impl SyncLog for Backend {
    async fn sync_runs(&self, calendar: CalendarId, limit: u32) -> Result<Vec<SyncRun>, StoreError> {
        let query = sqlx::query_as::<_, RunRow>(RUNS).bind(calendar.to_string()).bind(i64::from(limit));
        self.read_all(query, "read the sync log").await
    }

    async fn record_sync_run(&self, run: &SyncRun) -> Result<(), StoreError> {
        record(self.write_pool(), run).await
    }
}

const RECORD_RUN: &str = "INSERT INTO sync_runs (dedup_key, calendar_id, reason, started_at, finished_at, outcome, \
     pages, changes, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (dedup_key) DO NOTHING";

/// Writes a line of the sync log, alone or with the page that ends the sync.
pub async fn record<'e>(
    executor: impl sqlx::Executor<'e, Database = Database>,
    run: &SyncRun,
) -> Result<(), StoreError> {
    sqlx::query(RECORD_RUN)
        .bind(&run.dedup_key)
        .bind(run.calendar_id.to_string())
        .bind(run.reason.as_str())
        .bind(micros(run.started_at))
        .bind(micros(run.finished_at))
        .bind(run.outcome.as_str())
        .bind(run.pages)
        .bind(run.changes)
        .bind(run.detail.as_deref().map(storable))
        .execute(executor)
        .await
        .map(drop)
        .map_err(failed("record a sync run"))
}
