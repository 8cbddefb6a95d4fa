//! Events that could not be read.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{CalendarId, ProviderEventId};

use crate::columns::instant;
use crate::error::StoreError;

/// The events that could not be read.
#[async_trait]
pub trait Quarantine: Send + Sync {
    /// Events that could not be read, newest first.
    async fn quarantined(&self, calendar: CalendarId, limit: u32) -> Result<Vec<QuarantinedEvent>, StoreError>;
}

/// An event that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedEvent {
    /// Its id at the provider, where that could be read.
    pub provider_id: Option<ProviderEventId>,
    /// What was wrong.
    pub reason: String,
    /// What the provider sent.
    pub raw: String,
    /// When it was first seen.
    pub at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
pub struct QuarantineRow {
    provider_event_id: Option<String>,
    reason: String,
    raw: String,
    first_seen_at: i64,
}

impl TryFrom<QuarantineRow> for QuarantinedEvent {
    type Error = StoreError;

    fn try_from(row: QuarantineRow) -> Result<Self, StoreError> {
        Ok(Self {
            provider_id: row.provider_event_id.map(ProviderEventId::new),
            reason: row.reason,
            raw: row.raw,
            at: instant(row.first_seen_at, "quarantine.first_seen_at")?,
        })
    }
}
