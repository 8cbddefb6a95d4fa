//! Work that one process does for all.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Backend, failed};
use crate::condition::CLOCKS_APART_MAX;
use crate::error::StoreError;
use crate::repository::Claims;
use crate::sql::claims as sql;
use crate::sql::micros;
use crate::types::ClaimRounds;

#[async_trait]
impl Claims for Backend {
    async fn take_claim(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar(sql::TAKE)
            .bind(name)
            .bind(holder)
            .bind(micros(now))
            .bind(micros(until))
            .bind(micros(until.checked_add_signed(CLOCKS_APART_MAX).unwrap_or(until)))
            .fetch_optional(&self.write)
            .await
            .map_err(failed("take a claim"))
    }

    async fn keep_claim(&self, name: &str, holder: &str, round: i64, until: DateTime<Utc>) -> Result<bool, StoreError> {
        let done = sqlx::query(sql::KEEP)
            .bind(name)
            .bind(holder)
            .bind(round)
            .bind(micros(until))
            .execute(&self.write)
            .await
            .map_err(failed("keep a claim"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn finish_claim(
        &self,
        name: &str,
        holder: &str,
        round: i64,
        free_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(sql::FINISH)
            .bind(name)
            .bind(holder)
            .bind(round)
            .bind(micros(free_at))
            .execute(&self.write)
            .await
            .map_err(failed("finish a claim"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn claim_rounds(&self, name: &str) -> Result<ClaimRounds, StoreError> {
        let row: Option<(i64, i64)> =
            sqlx::query_as(sql::READ).bind(name).fetch_optional(&self.read).await.map_err(failed("read a claim"))?;
        Ok(row.map(|(begun, done)| ClaimRounds { begun, done }).unwrap_or_default())
    }
}
