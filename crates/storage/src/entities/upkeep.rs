//! Checks of a store.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::InstallationId;

use crate::error::StoreError;

/// Checks whether a store works, and keeps it so ([`crate::StoreProbe`] does both regularly).
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Reads from each table, over the connections that all reads use.
    async fn try_reading(&self) -> Result<(), StoreError>;
    /// Writes in a transaction, over the connections that all writes use, and sees whether each table may be written.
    /// Answers whose database this is; an empty one is given an id.
    async fn try_writing(&self, at: DateTime<Utc>) -> Result<InstallationId, StoreError>;
    /// Reads and writes over a new connection: where that works and the pools do not, the pools do not recover by themselves.
    async fn try_afresh(&self, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// How many transactions this process has committed, without those of the probe.
    fn commits(&self) -> u64;
    /// When a process showed last that it can write, by the clock that is furthest ahead; `None` in a new database.
    async fn last_written_at(&self) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// Brings what was committed into the file, so that the file alone is nearly up to date. Nothing for a server, which
    /// does so by itself.
    async fn checkpoint(&self) -> Result<(), StoreError>;
    /// Checks the pages for damage; `Corrupt` when some are damaged.
    async fn check_pages(&self) -> Result<(), StoreError>;
    /// Keeps a line beside the database, for the process that opens it next: about a trouble that cannot be written into it,
    /// because it is not there. Nothing for a server, whose processes stay and write it themselves.
    async fn keep_beside(&self, line: &str) -> Result<(), StoreError>;
    /// The lines that are kept beside the database.
    async fn kept_beside(&self) -> Result<Vec<String>, StoreError>;
    /// Deletes them.
    async fn delete_beside(&self) -> Result<(), StoreError>;
}
