//! Work that one of several processes does for all of them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::StoreError;

/// Work that one of several processes does for all of them.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Begins the work, unless another process holds the claim; answers the number of this round. A claim that is held for
    /// much longer than `until` was written by a wrong clock and counts for nothing.
    async fn take_claim(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<i64>, StoreError>;
    /// Holds the claim longer; false when another process has taken it meanwhile.
    async fn keep_claim(&self, name: &str, holder: &str, round: i64, until: DateTime<Utc>) -> Result<bool, StoreError>;
    /// Ends the round; the next one may begin at `free_at`. False when another process has taken the claim meanwhile.
    async fn finish_claim(
        &self,
        name: &str,
        holder: &str,
        round: i64,
        free_at: DateTime<Utc>,
    ) -> Result<bool, StoreError>;
    /// How often the work was begun, and which round was the last that ended.
    async fn claim_rounds(&self, name: &str) -> Result<ClaimRounds, StoreError>;
}

/// The rounds of a claim's work, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClaimRounds {
    /// The last round that began.
    pub begun: i64,
    /// The last round that ended.
    pub done: i64,
}
