//! The sync log.

use async_trait::async_trait;
use evercal_domain::CalendarId;
use sqlx::QueryBuilder;

use super::inserts::Inserts;
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
        let mut query = QueryBuilder::default();
        push_insert(&mut query, run);
        query.build().execute(self.write_pool()).await.map(drop).map_err(failed("record a sync run"))
    }
}

/// Adds a line of the sync log with the page that ends the sync.
pub async fn add(inserts: &mut Inserts<'_>, run: &SyncRun) -> Result<(), StoreError> {
    inserts.add("record a sync run", 1, |query| push_insert(query, run)).await
}

fn push_insert(query: &mut QueryBuilder<Database>, run: &SyncRun) {
    query.push(
        "INSERT INTO sync_runs (dedup_key, calendar_id, reason, started_at, finished_at, outcome, pages, changes, \
         detail) ",
    );
    query.push_values([run], |mut values, run| {
        values
            .push_bind(run.dedup_key.as_str())
            .push_bind(run.calendar_id.to_string())
            .push_bind(run.reason.as_str())
            .push_bind(micros(run.started_at))
            .push_bind(micros(run.finished_at))
            .push_bind(run.outcome.as_str())
            .push_bind(run.pages)
            .push_bind(run.changes)
            .push_bind(run.detail.as_deref().map(storable));
    });
    query.push(" ON CONFLICT (dedup_key) DO NOTHING");
}
