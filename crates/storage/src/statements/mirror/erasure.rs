//! Erasing what is mirrored.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::AccountId;

use super::{Backend, Engine, execute, failed, revisions};
use crate::columns::{micros, to_json};
use crate::entities::mirror::erasure::Erasure;
use crate::entities::mirror::position::Cursor;
use crate::error::StoreError;
use crate::touched::Span;

/// Withdrawn calendars whose mirror is erased in one go.
const ERASED_AT_A_TIME: i64 = 100;

/// Calendars that are closed or refused since then, and still mirrored.
pub const WITHDRAWN: &str = "SELECT id FROM calendars WHERE state IN ('closed', 'action_required') \
     AND state_changed_at < $1 AND EXISTS (SELECT 1 FROM events e WHERE e.calendar_id = calendars.id) LIMIT $2";

const IDS_OF_ACCOUNT: &str = "SELECT id FROM calendars WHERE account_id = $1 ORDER BY id";

// The fresh revision shuts out a sync that still runs; the numbering of changes goes on, so that a reader who kept a
// number never sees it used again.
macro_rules! reset_position {
    ($which:literal) => {
        concat!(
            "UPDATE calendars SET revision = revision + 1, sync_cursor = $2, window_end = NULL, zone_data = NULL, \
             event_count = 0, confirmed_at = NULL, confirmed_via = NULL, last_sync_finished_at = NULL, last_sync_changes = NULL, \
             last_sync_notice_to_stored_ms = NULL WHERE id = $1",
            $which
        )
    };
}

const RESET_POSITION: &str = reset_position!("");

/// The same, unless the calendar has come back meanwhile.
const RESET_WITHDRAWN: &str = reset_position!(" AND state IN ('closed', 'action_required')");

#[async_trait]
impl Erasure for Backend {
    async fn erase_withdrawn(&self, since_before: DateTime<Utc>) -> Result<u64, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(WITHDRAWN)
            .bind(micros(since_before))
            .bind(ERASED_AT_A_TIME)
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("find withdrawn mirrors"))?;
        erase(self, &ids, RESET_WITHDRAWN).await
    }

    async fn erase_mirrors(&self, account: AccountId) -> Result<(), StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(IDS_OF_ACCOUNT)
            .bind(account.to_string())
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("erase mirrors"))?;
        erase(self, &ids, RESET_POSITION).await.map(drop)
    }
}

pub const ERASE: [&str; 5] = [
    "DELETE FROM occurrences WHERE calendar_id = $1",
    "DELETE FROM events WHERE calendar_id = $1",
    "DELETE FROM changes WHERE calendar_id = $1",
    "DELETE FROM quarantine WHERE calendar_id = $1",
    "DELETE FROM pass_worklist WHERE calendar_id = $1",
];

/// Erases what is mirrored of those calendars that `reset` finds, one at a time, so that other writers get their turn between
/// two large ones. Answers how many calendars that were.
async fn erase(store: &Backend, ids: &[String], reset: &'static str) -> Result<u64, StoreError> {
    let start = to_json(&Cursor::Start, "calendars.sync_cursor")?;
    let mut erased = 0;
    for id in ids {
        let mut transaction = store.begin().await?;
        let query = sqlx::query(reset).bind(id).bind(&start);
        if execute(&mut transaction, query, "erase mirrors").await? == 0 {
            continue;
        }
        erased += 1;
        for statement in ERASE {
            let query = sqlx::query(statement).bind(id);
            execute(&mut transaction, query, "erase mirrors").await?;
        }
        let last = revisions::last(&mut transaction, id).await?;
        revisions::note_alone(&mut transaction, id, last, &[Span::EVERYTHING]).await?;
        store.commit(transaction, "erase mirrors").await?;
    }
    Ok(erased)
}
