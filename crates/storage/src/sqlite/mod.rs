//! The SQLite backend: one file, used by several processes of one machine at once.
//!
//! Writes go through one connection per process and begin with `BEGIN IMMEDIATE`: a deferred transaction that becomes a
//! writer later fails at once when another process writes, whatever the busy timeout. Reads have their own connections
//! (WAL: readers never wait for a writer). Nothing but the database is awaited inside a transaction.

mod accounts;
mod authorizations;
mod calendars;
mod channels;
mod commit;
mod heartbeats;
mod journal;
mod mirror;
#[cfg(test)]
mod query_plans;
mod reading;
mod tenants;

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Sqlite, SqlitePool, Transaction};

use crate::error::{StoreError, StoreErrorKind};
use crate::sealing::Keyring;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Connections that read at the same time; each one is a thread.
const READ_CONNECTIONS: u32 = 4;
/// How long a write waits for another process, in seconds; the longest transaction takes well under one.
const BUSY_TIMEOUT_S: u64 = 10;
/// How long a caller waits for a connection of this process, in seconds.
const ACQUIRE_TIMEOUT_S: u64 = 30;
/// How long opening is tried while other processes open the same new file, in seconds.
const OPEN_TIMEOUT_S: u64 = 30;
/// Pause between two tries of opening, in milliseconds.
const OPEN_RETRY_MS: u64 = 20;
/// Memory of the write connection in KiB (negative: <https://sqlite.org/pragma.html#pragma_cache_size>). A calendar of
/// 10,000 events with its occurrences fits, so that a full sync does not read back what it has just written.
const WRITE_CACHE: &str = "-65536";
/// Pages of the write-ahead log (4 KiB each) after which a commit copies them into the file. Several pages of a full sync
/// touch the same pages of the file, so copying after each one would do the work again and again.
const WAL_CHECKPOINT_PAGES: &str = "8000";

/// A store in a SQLite file.
pub struct SqliteStore {
    read: SqlitePool,
    write: SqlitePool,
    keyring: Keyring,
}

impl SqliteStore {
    /// Opens a file, makes it when it is not there, and brings its tables up to date.
    pub async fn open(path: &Path, keyring: Keyring) -> Result<Self, StoreError> {
        // The first switch to WAL and the first migration exclude each other without the help of the busy timeout, so
        // processes that start together on a new file take turns here.
        let opened = tokio::time::timeout(Duration::from_secs(OPEN_TIMEOUT_S), async {
            loop {
                match open_pools(path).await {
                    Err(error) if is_busy(&error) => tokio::time::sleep(Duration::from_millis(OPEN_RETRY_MS)).await,
                    finished => return finished,
                }
            }
        });
        let (read, write) = match opened.await {
            Ok(pools) => pools.map_err(|error| cannot_open(path, error))?,
            Err(_) => return Err(StoreError::new(StoreErrorKind::Unavailable, "the database file stays locked")),
        };
        Ok(Self { read, write, keyring })
    }

    /// Begins a transaction that holds the write lock from its start.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed("begin"))
    }
}

async fn open_pools(path: &Path) -> Result<(SqlitePool, SqlitePool), MigrateError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A crash of a process loses nothing; a power cut may lose the last commits, each whole, and the sync goes on
        // from the cursor that was committed with its page.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(BUSY_TIMEOUT_S))
        // Statements of many rows are long texts that tell nothing.
        .disable_statement_logging();
    let pool = |connections: u32| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(ACQUIRE_TIMEOUT_S))
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let write_options =
        options.clone().pragma("cache_size", WRITE_CACHE).pragma("wal_autocheckpoint", WAL_CHECKPOINT_PAGES);
    let write = pool(1).connect_with(write_options).await?;
    migrate(&write).await?;
    let read = pool(READ_CONNECTIONS).connect_with(options.read_only(true)).await?;
    Ok((read, write))
}

/// Runs the migrations under the write lock: one process does it, the others wait and find it done.
async fn migrate(write: &SqlitePool) -> Result<(), MigrateError> {
    let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
    MIGRATIONS.run(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

fn is_busy(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    error.as_database_error().and_then(primary_code) == Some(SQLITE_BUSY)
}

fn cannot_open(path: &Path, error: MigrateError) -> StoreError {
    let path = path.display();
    let kind = match &error {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) | MigrateError::VersionTooNew(..) => {
            let problem = format!("the database {path} was written by another version of evercal");
            return StoreError::caused_by(StoreErrorKind::Configuration, problem, error);
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => kind_of(error),
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::caused_by(kind, format!("cannot open the database {path}"), error)
}

const SQLITE_BUSY: i32 = 5;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_NOTADB: i32 = 26;

/// SQLite's error code without its details, which are above the low byte (<https://sqlite.org/rescode.html>).
fn primary_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}

fn kind_of(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        sqlx::Error::Database(database) if database.is_unique_violation() => StoreErrorKind::Conflict,
        sqlx::Error::Database(database) if database.is_foreign_key_violation() => StoreErrorKind::NotFound,
        sqlx::Error::Database(database) => match primary_code(&**database) {
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreErrorKind::Corrupt,
            _ => StoreErrorKind::Unavailable,
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
            StoreErrorKind::Corrupt
        }
        _ => StoreErrorKind::Unavailable,
    }
}

/// Makes our error of a database error. SQLite's messages name tables and columns, never values.
fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| StoreError::caused_by(kind_of(&error), what, error)
}

/// An update of one row that found none.
fn found(rows: u64, what: &'static str) -> Result<(), StoreError> {
    if rows == 0 { Err(not_found(what)) } else { Ok(()) }
}

fn not_found(what: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, format!("{what}: no such row"))
}

fn conflict(what: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Conflict, format!("{what}: it moved meanwhile"))
}
