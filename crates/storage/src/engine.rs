//! What each engine does in its own way.
//!
//! The statements that all engines share are compiled once for each of them (`statements/mod.rs`), and use nothing of an engine
//! but this trait. Another engine implements [`Engine`] for its store; the compiler reports what is missing.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use evercal_sealing::Keyring;
use sqlx::{Database, Pool, QueryBuilder, Transaction};

use crate::error::{StoreError, StoreErrorKind};
use crate::lookup::Lookup;

/// A store in a database of one engine.
pub trait Engine {
    /// The engine as sqlx knows it.
    type Database: Database;

    /// Whether transactions that write run side by side, so that one that reads a row in order to write has to lock it.
    const LOCKS_ROWS: bool;
    /// Whether a statement names its index where the engine, which knows no statistics here, would take one that reads too
    /// much.
    const NAMES_INDEXES: bool;
    /// Whether one statement can insert into several tables (`WITH … AS (INSERT …)`).
    const JOINS_INSERTS: bool;

    /// The connections that all reads use.
    fn read_pool(&self) -> &Pool<Self::Database>;

    /// The connections that all writes use.
    fn write_pool(&self) -> &Pool<Self::Database>;

    /// The keys that seal and open credentials.
    fn keyring(&self) -> &Keyring;

    /// How many transactions this process has committed, without those of the probe.
    fn committed(&self) -> &AtomicU64;

    /// Begins a transaction that may write. When it is dropped, it is rolled back.
    fn begin(&self) -> impl Future<Output = Result<Transaction<'static, Self::Database>, StoreError>> + Send;

    /// What kind of failure the engine's error is.
    fn error_kind(error: &sqlx::Error) -> StoreErrorKind;

    /// Adds to a query: reads these columns of the rows of a calendar that have one of these keys.
    fn push_select_by_keys(
        query: &mut QueryBuilder<Self::Database>,
        columns: &str,
        lookup: Lookup,
        calendar: &str,
        keys: &[&str],
    );

    /// Adds to a statement, behind the name of the lookup's table or what is set in it: that it is about the rows of a calendar
    /// that have one of these keys. `RETURNING` may follow.
    fn push_where_keys(query: &mut QueryBuilder<Self::Database>, lookup: Lookup, calendar: &str, keys: &[&str]);

    /// Whether each table may be written; [`StoreErrorKind::AccessDenied`] when a right is missing.
    fn may_write_each_table(
        connection: &mut <Self::Database as Database>::Connection,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether the connections still lead to the database that was opened; else [`StoreErrorKind::Lost`].
    fn is_in_place(&self) -> Result<(), StoreError>;

    /// A new connection, beside the pools.
    fn connect_afresh(
        &self,
    ) -> impl Future<Output = Result<<Self::Database as Database>::Connection, StoreError>> + Send;

    /// Brings what was committed into the file, where an engine has a log beside it.
    fn checkpoint_log(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The file beside the database in which a process keeps what it cannot write into it; none for a server.
    fn beside(&self) -> Option<PathBuf>;

    /// Checks the pages for damage; [`StoreErrorKind::Corrupt`] when some are damaged.
    fn check_for_damage(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}
