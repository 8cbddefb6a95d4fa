//! Events that could not be read, set aside until they can be.

use async_trait::async_trait;
use evercal_domain::{CalendarId, ProviderEventId};
use evercal_mirror::Unreadable;

use super::{Backend, Connection, Engine, execute, failed};
use crate::columns::{micros, storable};
use crate::entities::mirror::commit::PageCommit;
use crate::entities::mirror::quarantine::{Quarantine, QuarantineRow, QuarantinedEvent};
use crate::error::StoreError;

pub const QUARANTINED: &str = "SELECT provider_event_id, reason, raw, first_seen_at FROM quarantine \
     WHERE calendar_id = $1 ORDER BY first_seen_at DESC, item_key LIMIT $2";

#[async_trait]
impl Quarantine for Backend {
    async fn quarantined(&self, calendar: CalendarId, limit: u32) -> Result<Vec<QuarantinedEvent>, StoreError> {
        let query = sqlx::query_as::<_, QuarantineRow>(QUARANTINED).bind(calendar.to_string()).bind(i64::from(limit));
        self.read_all(query, "read the quarantine").await
    }
}

/// `first_seen_at` stays; the rest is what was sent last.
const QUARANTINE: &str = "INSERT INTO quarantine (calendar_id, item_key, provider_event_id, generation, reason, raw, \
     first_seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
     ON CONFLICT (calendar_id, item_key) DO UPDATE SET generation = excluded.generation, reason = excluded.reason, \
     raw = excluded.raw";

/// Sets unreadable items aside.
pub async fn add(
    connection: &mut Connection,
    calendar: &str,
    page: &PageCommit<'_>,
    items: &[Unreadable],
) -> Result<(), StoreError> {
    for item in items {
        let id = item.provider_id.as_ref().map(ProviderEventId::as_str);
        let query = sqlx::query(QUARANTINE)
            .bind(calendar)
            .bind(storable(&item.item_key))
            .bind(id)
            .bind(page.generation)
            .bind(storable(&item.reason))
            .bind(storable(&item.raw))
            .bind(micros(page.at));
        execute(connection, query, "quarantine an event").await?;
    }
    Ok(())
}

pub const QUARANTINED_KEYS: &str = "SELECT item_key, generation FROM quarantine WHERE calendar_id = $1";

/// The keys of what is in quarantine, each with the generation that last had it.
pub async fn keys(store: &Backend, calendar: CalendarId) -> Result<Vec<(String, i64)>, StoreError> {
    sqlx::query_as(QUARANTINED_KEYS)
        .bind(calendar.to_string())
        .fetch_all(store.read_pool())
        .await
        .map_err(failed("read the quarantine"))
}

pub const RELEASE: &str = "DELETE FROM quarantine WHERE calendar_id = $1 AND item_key = $2";

/// Takes out of quarantine what could be read now, or is gone.
pub async fn release(connection: &mut Connection, calendar: &str, keys: &[String]) -> Result<(), StoreError> {
    for key in keys {
        let query = sqlx::query(RELEASE).bind(calendar).bind(key);
        execute(connection, query, "release an event").await?;
    }
    Ok(())
}

const SWEEP_QUARANTINE: &str = "DELETE FROM quarantine WHERE calendar_id = $1 AND generation < $2";

/// Forgets what the full pass that ends did not see.
pub async fn sweep(connection: &mut Connection, calendar: &str, generation: i64) -> Result<(), StoreError> {
    let query = sqlx::query(SWEEP_QUARANTINE).bind(calendar).bind(generation);
    execute(connection, query, "sweep the quarantine").await.map(drop)
}
