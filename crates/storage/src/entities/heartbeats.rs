//! Signs of life of services, by which an outage is recognised afterwards.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::StoreError;

/// Signs of life that [`Heartbeats::beats_of`] answers.
pub const BEATS_MAX: u32 = 1_000;

/// Signs of life of services, by which an outage is recognised afterwards.
#[async_trait]
pub trait Heartbeats: Send + Sync {
    /// Notes that a service was healthy. Never moves backwards.
    async fn beat(&self, service: &str, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// When a service was last healthy.
    async fn last_beat(&self, service: &str) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// When each of a kind was last healthy, by its name without the kind (`worker/7` is `7` of the kind `worker`). At most
    /// [`BEATS_MAX`], those that were healthy last.
    async fn beats_of(&self, kind: &str) -> Result<Vec<(String, DateTime<Utc>)>, StoreError>;
    /// Forgets those of a kind that were healthy last before this time.
    async fn forget_beats(&self, kind: &str, before: DateTime<Utc>) -> Result<(), StoreError>;
    /// Forgets one service.
    async fn forget_beat(&self, service: &str) -> Result<(), StoreError>;
}
