//! The SQLite backend: one file, used by several processes of one machine at once.
//!
//! Writes go through one connection per process and begin with `BEGIN IMMEDIATE`: a deferred transaction that becomes a
//! writer later fails at once when another process writes, whatever the busy timeout. Reads have their own connections
//! (WAL: readers never wait for a writer). Nothing but the database is awaited inside a transaction.

mod by_keys;
#[cfg(test)]
mod query_plans;
#[path = "../statements/mod.rs"]
mod statements;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, QueryBuilder, Sqlite, SqliteConnection, SqlitePool, Transaction};

use self::SqliteStore as Backend;
use self::statements::failed;
use self::upkeep::FileIdentity;
use crate::engine::Engine;
use crate::error::{StoreError, StoreErrorKind, kind_by_code};
use crate::lookup::Lookup;
use crate::migrations::{self, MigrationState};
use evercal_sealing::Keyring;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Connections that read at the same time; each one is a thread.
const READ_CONNECTIONS: u32 = 4;
/// Rows that a connection reads ahead of who takes them: each time that they are taken, two threads change places. Of the
/// largest events these are 16 MiB.
const ROWS_AHEAD: usize = 64;
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
    path: PathBuf,
    /// The file that the connections have open.
    opened: FileIdentity,
    /// Transactions committed so far, without those of the probe.
    committed: AtomicU64,
}

impl SqliteStore {
    /// Opens a file, makes it when it is not there, and brings its tables up to date.
    pub async fn open(path: &Path, keyring: Keyring) -> Result<Self, StoreError> {
        let (read, write) = open_in_turn(path).await?;
        let opened = FileIdentity::of(path)?;
        Ok(Self { read, write, keyring, path: path.to_owned(), opened, committed: AtomicU64::new(0) })
    }
}

impl Engine for SqliteStore {
    type Database = Sqlite;

    /// A transaction holds the lock for writing from its start.
    const LOCKS_ROWS: bool = false;
    const NAMES_INDEXES: bool = true;
    const JOINS_INSERTS: bool = false;

    fn read_pool(&self) -> &SqlitePool {
        &self.read
    }

    fn write_pool(&self) -> &SqlitePool {
        &self.write
    }

    fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    fn committed(&self) -> &AtomicU64 {
        &self.committed
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed("begin"))
    }

    fn error_kind(error: &sqlx::Error) -> StoreErrorKind {
        kind_by_code(error, |database| match primary_code(database) {
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreErrorKind::Corrupt,
            Some(SQLITE_ERROR) if database.message().starts_with("no such ") => StoreErrorKind::Schema,
            _ => StoreErrorKind::Unavailable,
        })
    }

    fn push_select_by_keys(
        query: &mut QueryBuilder<Sqlite>,
        columns: &str,
        lookup: Lookup,
        calendar: &str,
        keys: &[&str],
    ) {
        by_keys::push_select(query, columns, lookup, calendar, keys);
    }

    fn push_where_keys(query: &mut QueryBuilder<Sqlite>, lookup: Lookup, calendar: &str, keys: &[&str]) {
        by_keys::push_where(query, lookup, calendar, keys);
    }

    /// SQLite knows no rights but those of the file, which writing shows.
    async fn may_write_each_table(_connection: &mut SqliteConnection) -> Result<(), StoreError> {
        Ok(())
    }

    /// Connections to a file that was deleted or replaced go on working, with what nobody will ever see.
    fn is_in_place(&self) -> Result<(), StoreError> {
        if FileIdentity::of(&self.path)? == self.opened {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::Lost, "another file has taken the place of the database's"))
    }

    async fn connect_afresh(&self) -> Result<SqliteConnection, StoreError> {
        connect_options(&self.path).connect().await.map_err(failed("connect afresh"))
    }

    async fn checkpoint_log(&self) -> Result<(), StoreError> {
        upkeep::checkpoint_log(&self.write).await
    }

    fn beside(&self) -> Option<PathBuf> {
        let mut name = self.path.clone().into_os_string();
        name.push("-troubles");
        Some(name.into())
    }

    async fn check_for_damage(&self) -> Result<(), StoreError> {
        upkeep::check_for_damage(&self.path).await
    }
}

/// Brings the tables up to date, as opening does, and answers the migrations as they were before.
pub async fn migrate(path: &Path) -> Result<Vec<MigrationState>, StoreError> {
    let before = migrations(path).await?;
    let (read, write) = open_in_turn(path).await?;
    read.close().await;
    write.close().await;
    Ok(before)
}

/// Which migrations of this version a file has; none when there is no file.
pub async fn migrations(path: &Path) -> Result<Vec<MigrationState>, StoreError> {
    let applied = applied(path).await?;
    migrations::refuse_newer(&MIGRATIONS, &applied)?;
    migrations::states(&MIGRATIONS, &applied)
}

async fn applied(path: &Path) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.map_err(failed("open the database"))?;
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_one(&mut connection)
        .await
        .map_err(failed("read which migrations there are"))?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    let applied = sqlx::query_as(migrations::APPLIED).fetch_all(&mut connection).await;
    applied.map_err(failed("read which migrations there are"))
}

/// Opens when it is this process's turn. The first switch to WAL and the first migration exclude each other without the
/// help of the busy timeout.
async fn open_in_turn(path: &Path) -> Result<(SqlitePool, SqlitePool), StoreError> {
    let opened = tokio::time::timeout(Duration::from_secs(OPEN_TIMEOUT_S), async {
        loop {
            match open_pools(path).await {
                Err(error) if is_busy(&error) => tokio::time::sleep(Duration::from_millis(OPEN_RETRY_MS)).await,
                finished => return finished,
            }
        }
    });
    match opened.await {
        Ok(pools) => pools.map_err(|error| cannot_open(path, error)),
        Err(_) => Err(StoreError::new(StoreErrorKind::Unavailable, "the database file stays locked")),
    }
}

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A crash of a process loses nothing; a power cut may lose the last commits, each whole, and the sync goes on
        // from the cursor that was committed with its page.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(BUSY_TIMEOUT_S))
        .row_buffer_size(ROWS_AHEAD)
        // Statements of many rows are long texts that no reader of a log needs.
        .disable_statement_logging()
}

async fn open_pools(path: &Path) -> Result<(SqlitePool, SqlitePool), MigrateError> {
    let options = connect_options(path).create_if_missing(true);
    let pool = |connections: u32| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(ACQUIRE_TIMEOUT_S))
            .idle_timeout(None)
            .max_lifetime(None)
            // A connection that lies in the pool has nobody who could hang up; it was tested when it came back.
            .test_before_acquire(false)
    };
    let write_options =
        options.clone().pragma("cache_size", WRITE_CACHE).pragma("wal_autocheckpoint", WAL_CHECKPOINT_PAGES);
    // After some errors (a full disk, a failed read) SQLite rolls back by itself. sqlx 0.9.0 then counts the transaction as
    // open for ever, since its own rollback finds none, and no other can begin. Who only reads begins none.
    let write = pool(1).after_release(|connection, _| {
        Box::pin(async move {
            // Behind the rollback that a dropped transaction has sent.
            connection.ping().await?;
            let is_usable = !connection.is_in_transaction();
            if !is_usable {
                tracing::warn!("a connection whose transaction did not end is closed");
            }
            Ok(is_usable)
        })
    });
    let write = write.connect_with(write_options).await?;
    run_migrations(&write).await?;
    let read = pool(READ_CONNECTIONS).connect_with(options.read_only(true)).await?;
    Ok((read, write))
}

/// Runs the migrations under the write lock: one process does it, the others wait and find it done.
async fn run_migrations(write: &SqlitePool) -> Result<(), MigrateError> {
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
        MigrateError::VersionMissing(newest) => {
            let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
            return migrations::newer(*newest, known);
        }
        MigrateError::VersionMismatch(_) | MigrateError::VersionTooNew(..) => {
            let problem = format!("the database {path} was written by another version of evercal");
            return StoreError::caused_by(StoreErrorKind::Configuration, problem, error);
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => SqliteStore::error_kind(error),
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::caused_by(kind, format!("cannot open the database {path}"), error)
}

const SQLITE_ERROR: i32 = 1;
const SQLITE_BUSY: i32 = 5;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_NOTADB: i32 = 26;

/// SQLite's error code without its details, which are above the low byte (<https://sqlite.org/rescode.html>).
fn primary_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}
