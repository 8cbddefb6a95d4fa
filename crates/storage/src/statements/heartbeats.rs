//! Signs of life.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Backend, failed};
use crate::error::StoreError;
use crate::repository::{BEATS_MAX, Heartbeats};
use crate::sql::heartbeats as sql;
use crate::sql::{instant, instant_or_none, micros};

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

    async fn beats_of(&self, kind: &str) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
        let (first, beyond) = names_of(kind);
        let rows: Vec<(String, i64)> = sqlx::query_as(sql::BEATS_OF)
            .bind(&first)
            .bind(beyond)
            .bind(i64::from(BEATS_MAX))
            .fetch_all(&self.read)
            .await
            .map_err(failed("read heartbeats"))?;
        let beat = |(service, at): (String, i64)| {
            let name = service.strip_prefix(&first).unwrap_or(&service).to_owned();
            Ok((name, instant(at, "heartbeats.at")?))
        };
        rows.into_iter().map(beat).collect()
    }

    async fn forget_beats(&self, kind: &str, before: DateTime<Utc>) -> Result<(), StoreError> {
        let (first, beyond) = names_of(kind);
        sqlx::query(sql::FORGET_BEATS)
            .bind(first)
            .bind(beyond)
            .bind(micros(before))
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("forget heartbeats"))
    }

    async fn forget_beat(&self, service: &str) -> Result<(), StoreError> {
        let forgotten = sqlx::query(sql::FORGET_BEAT).bind(service).execute(&self.write).await;
        forgotten.map(drop).map_err(failed("forget a heartbeat"))
    }
}

/// The names of a kind are from the first of these up to the second, which is none of them: `0` follows the slash.
fn names_of(kind: &str) -> (String, String) {
    (format!("{kind}/"), format!("{kind}0"))
}
