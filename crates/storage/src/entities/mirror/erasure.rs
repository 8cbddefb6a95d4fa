//! Erasing mirrors.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::AccountId;

use crate::error::StoreError;

/// Erasing what is mirrored.
#[async_trait]
pub trait Erasure: Send + Sync {
    /// Forgets what is mirrored of calendars that are closed or refused since before then, of some at a time, and answers of
    /// how many.
    async fn erase_withdrawn(&self, since_before: DateTime<Utc>) -> Result<u64, StoreError>;
    /// Forgets the events, occurrences, changes and quarantine of all calendars of an account, closed ones included.
    async fn erase_mirrors(&self, account: AccountId) -> Result<(), StoreError>;
}
