//! Work that one of several processes does for all of them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::StoreError;

/// Work that one of several processes does for all of them.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Begins the work, unless somebody else has it: answers which time this is. Nobody has it for much longer than `until`:
    /// who wrote that had a clock that was wrong.
    async fn take_claim(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<i64>, StoreError>;
    /// Holds it longer; false when it is somebody else's meanwhile.
    async fn keep_claim(&self, name: &str, holder: &str, round: i64, until: DateTime<Utc>) -> Result<bool, StoreError>;
    /// The work is done; the next time may begin at `free_at`. False when it is somebody else's meanwhile.
    async fn finish_claim(
        &self,
        name: &str,
        holder: &str,
        round: i64,
        free_at: DateTime<Utc>,
    ) -> Result<bool, StoreError>;
    /// How often it was begun and done.
    async fn claim_rounds(&self, name: &str) -> Result<ClaimRounds, StoreError>;
}

/// How often the work of a claim was begun, and which time was the last that it was done to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClaimRounds {
    /// How often.
    pub begun: i64,
    /// Which.
    pub done: i64,
}
