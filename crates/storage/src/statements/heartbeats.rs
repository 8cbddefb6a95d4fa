//! Signs of life.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Backend, failed};
use crate::error::StoreError;
use crate::repository::Heartbeats;
use crate::sql::heartbeats as sql;
use crate::sql::{instant_or_none, micros};

#[async_trait]
impl Heartbeats for Backend {
    async fn beat(&self, service: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query(sql::BEAT)
            .bind(service)
            .bind(micros(at))
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("note a heartbeat"))
    }

    async fn last_beat(&self, service: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        let at: Option<i64> = sqlx::query_scalar(sql::LAST_BEAT)
            .bind(service)
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read a heartbeat"))?;
        instant_or_none(at, "heartbeats.at")
    }
}
