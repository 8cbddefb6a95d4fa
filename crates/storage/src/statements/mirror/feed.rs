//! The change feed.

use async_trait::async_trait;
use evercal_domain::CalendarId;
use evercal_domain::change::Change;
use evercal_domain::event::Fingerprint;
use evercal_mirror::NewChange;
use sqlx::QueryBuilder;

use super::inserts::Inserts;
use super::{Backend, Database, Engine, ROWS_PER_STATEMENT, failed};
use crate::entities::mirror::feed::{ChangeFeed, ChangeRow};
use crate::error::StoreError;

pub const CHANGES: &str = "SELECT sequence, kind, provider_event_id, before_fingerprint, after_fingerprint, \
     committed_at FROM changes WHERE calendar_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

#[async_trait]
impl ChangeFeed for Backend {
    async fn changes(&self, calendar: CalendarId, after_sequence: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let rows: Vec<ChangeRow> = sqlx::query_as(CHANGES)
            .bind(calendar.to_string())
            .bind(after_sequence)
            .bind(i64::from(limit))
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("read changes"))?;
        rows.into_iter().map(Change::try_from).collect()
    }
}

/// Appends to the feed, after the last number given.
pub async fn append(
    inserts: &mut Inserts<'_>,
    calendar: &str,
    last_sequence: i64,
    changes: &[NewChange],
    committed_at: i64,
) -> Result<(), StoreError> {
    let mut sequence = last_sequence;
    for changes in changes.chunks(ROWS_PER_STATEMENT) {
        let push = |query: &mut QueryBuilder<Database>| {
            query.push(
                "INSERT INTO changes (calendar_id, sequence, kind, provider_event_id, before_fingerprint, \
                 after_fingerprint, committed_at) ",
            );
            query.push_values(changes, |mut values, change| {
                sequence += 1;
                values
                    .push_bind(calendar)
                    .push_bind(sequence)
                    .push_bind(change.kind.as_str())
                    .push_bind(change.id.as_str())
                    .push_bind(change.before.as_ref().map(Fingerprint::as_str))
                    .push_bind(change.after.as_ref().map(Fingerprint::as_str))
                    .push_bind(committed_at);
            });
        };
        inserts.add("append to the change feed", changes.len(), push).await?;
    }
    Ok(())
}
