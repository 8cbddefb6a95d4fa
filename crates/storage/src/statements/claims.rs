//! Work that one of several processes does for all of them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Backend, Engine, failed};
use crate::columns::micros;
use crate::condition::CLOCKS_APART_MAX;
use crate::entities::claims::{ClaimRounds, Claims};
use crate::error::StoreError;

/// Taken when nobody holds it (any more), or by its holder once more; then it is begun anew. Also taken from who holds it
/// for longer than anybody would (`$5`): their clock was ahead, and the work would rest until that time comes.
const TAKE: &str = "INSERT INTO claims (name, holder, held_until, begun, done) VALUES ($1, $2, $4, 1, 0) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until, \
     begun = claims.begun + 1 WHERE claims.held_until <= $3 OR claims.held_until > $5 \
     OR claims.holder = excluded.holder RETURNING begun";

const KEEP: &str = "UPDATE claims SET held_until = $4 WHERE name = $1 AND holder = $2 AND begun = $3";

const FINISH: &str = "UPDATE claims SET held_until = $4, done = $3 WHERE name = $1 AND holder = $2 AND begun = $3";

pub const READ: &str = "SELECT begun, done FROM claims WHERE name = $1";

#[async_trait]
impl Claims for Backend {
    async fn take_claim(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar(TAKE)
            .bind(name)
            .bind(holder)
            .bind(micros(now))
            .bind(micros(until))
            .bind(micros(until.checked_add_signed(CLOCKS_APART_MAX).unwrap_or(until)))
            .fetch_optional(self.write_pool())
            .await
            .map_err(failed("take a claim"))
    }

    async fn keep_claim(&self, name: &str, holder: &str, round: i64, until: DateTime<Utc>) -> Result<bool, StoreError> {
        let query = sqlx::query(KEEP).bind(name).bind(holder).bind(round).bind(micros(until));
        Ok(self.write(query, "keep a claim").await? > 0)
    }

    async fn finish_claim(
        &self,
        name: &str,
        holder: &str,
        round: i64,
        free_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query(FINISH).bind(name).bind(holder).bind(round).bind(micros(free_at));
        Ok(self.write(query, "finish a claim").await? > 0)
    }

    async fn claim_rounds(&self, name: &str) -> Result<ClaimRounds, StoreError> {
        let row: Option<(i64, i64)> =
            sqlx::query_as(READ).bind(name).fetch_optional(self.read_pool()).await.map_err(failed("read a claim"))?;
        Ok(row.map(|(begun, done)| ClaimRounds { begun, done }).unwrap_or_default())
    }
}
