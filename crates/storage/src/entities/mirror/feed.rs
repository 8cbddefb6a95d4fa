//! The rows of the change feed.

use async_trait::async_trait;
use evercal_domain::change::{Change, ChangeKind};
use evercal_domain::event::Fingerprint;
use evercal_domain::{CalendarId, ProviderEventId};

use crate::columns::{corrupt, instant};
use crate::error::StoreError;

/// The change feed of calendars.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// The change feed after `after_sequence`, oldest first.
    async fn changes(&self, calendar: CalendarId, after_sequence: i64, limit: u32) -> Result<Vec<Change>, StoreError>;
}

#[derive(sqlx::FromRow)]
pub struct ChangeRow {
    sequence: i64,
    kind: String,
    provider_event_id: String,
    before_fingerprint: Option<String>,
    after_fingerprint: Option<String>,
    committed_at: i64,
}

impl TryFrom<ChangeRow> for Change {
    type Error = StoreError;

    fn try_from(row: ChangeRow) -> Result<Self, StoreError> {
        Ok(Self {
            sequence: row.sequence,
            kind: ChangeKind::from_name(&row.kind).ok_or_else(|| corrupt("changes.kind"))?,
            event_id: ProviderEventId::new(row.provider_event_id),
            before: row.before_fingerprint.map(Fingerprint::from_stored),
            after: row.after_fingerprint.map(Fingerprint::from_stored),
            committed_at: instant(row.committed_at, "changes.committed_at")?,
        })
    }
}
