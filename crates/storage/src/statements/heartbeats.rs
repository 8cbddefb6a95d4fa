//! Signs of life.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Backend, Engine, failed, fetch_value};
use crate::columns::{instant, instant_or_none, micros};
use crate::entities::heartbeats::{BEATS_MAX, Heartbeats};
use crate::error::StoreError;

/// Never moves backwards: two processes of one service may report in any order.
const BEAT: &str = "INSERT INTO heartbeats (service, at) VALUES ($1, $2) \
     ON CONFLICT (service) DO UPDATE SET at = excluded.at WHERE excluded.at > heartbeats.at";

pub const LAST_BEAT: &str = "SELECT at FROM heartbeats WHERE service = $1";

/// `$1` is the kind with a slash behind it, `$2` the first text that is beyond all that begin so.
const BEATS_OF: &str =
    "SELECT service, at FROM heartbeats WHERE service >= $1 AND service < $2 ORDER BY at DESC LIMIT $3";

const FORGET_BEATS: &str = "DELETE FROM heartbeats WHERE service >= $1 AND service < $2 AND at < $3";

const FORGET_BEAT: &str = "DELETE FROM heartbeats WHERE service = $1";

#[async_trait]
impl Heartbeats for Backend {
    async fn beat(&self, service: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        let query = sqlx::query(BEAT).bind(service).bind(micros(at));
        self.write(query, "note a heartbeat").await.map(drop)
    }

    async fn last_beat(&self, service: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        let query = sqlx::query_scalar::<_, i64>(LAST_BEAT).bind(service);
        let at = fetch_value(self.read_pool(), query, "read a heartbeat").await?;
        instant_or_none(at, "heartbeats.at")
    }

    async fn beats_of(&self, kind: &str) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
        let (first, beyond) = names_of(kind);
        let rows: Vec<(String, i64)> = sqlx::query_as(BEATS_OF)
            .bind(&first)
            .bind(beyond)
            .bind(i64::from(BEATS_MAX))
            .fetch_all(self.read_pool())
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
        let query = sqlx::query(FORGET_BEATS).bind(first).bind(beyond).bind(micros(before));
        self.write(query, "forget heartbeats").await.map(drop)
    }

    async fn forget_beat(&self, service: &str) -> Result<(), StoreError> {
        let forgotten = sqlx::query(FORGET_BEAT).bind(service).execute(self.write_pool()).await;
        forgotten.map(drop).map_err(failed("forget a heartbeat"))
    }
}

/// The names of a kind are from the first of these up to the second, which is none of them: `0` follows the slash.
fn names_of(kind: &str) -> (String, String) {
    (format!("{kind}/"), format!("{kind}0"))
}
