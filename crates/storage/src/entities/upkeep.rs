//! What shows whether a store can do all that it is for.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::InstallationId;

use crate::error::StoreError;

/// What shows whether a store can do all that it is for, and what keeps it so ([`crate::StoreProbe`] does it regularly).
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Reads from each table, over the connections that all reads use.
    async fn try_reading(&self) -> Result<(), StoreError>;
    /// Writes in a transaction, over the connections that all writes use, and sees whether each table may be written.
    /// Answers whose database this is; an empty one is given an id.
    async fn try_writing(&self, at: DateTime<Utc>) -> Result<InstallationId, StoreError>;
    /// Reads and writes over a new connection: what works here and not by the ways of all others will not heal by itself.
    async fn try_afresh(&self, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// How many transactions this process has committed, without those by which it is looked whether it can.
    fn commits(&self) -> u64;
    /// When a process showed last that it can write, by the clock that is furthest ahead; `None` in a new database.
    async fn last_written_at(&self) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// Brings what was committed into the file, so that the file alone is nearly up to date. Nothing for a server, which
    /// does so by itself.
    async fn checkpoint(&self) -> Result<(), StoreError>;
    /// Looks for damaged pages; `Corrupt` when there are some.
    async fn check_pages(&self) -> Result<(), StoreError>;
}
