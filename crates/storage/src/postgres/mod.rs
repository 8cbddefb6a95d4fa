//! The PostgreSQL backend: for several machines.
//!
//! Each commit begins with the update that compares and sets the calendar's revision, and so holds its row; writers of
//! different calendars never wait for each other. Nothing but the database is awaited inside a transaction.
//!
//! Opening does not change tables: `evercal migrate` does, before new processes start. Tables that are newer than this
//! version are fine, since migrations first expand and only a later version contracts (CONTRIBUTING.md).

mod by_keys;
#[path = "../statements/mod.rs"]
mod statements;
mod upkeep;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, QueryBuilder, Transaction};

use self::PostgresStore as Backend;
use self::statements::failed;
use crate::engine::Engine;
use crate::error::{StoreError, StoreErrorKind, kind_by_code, without_values};
use crate::lookup::Lookup;
use crate::migrations::{self, MigrationState};
use evercal_sealing::Keyring;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a caller waits for a connection of the pool, in seconds.
const ACQUIRE_TIMEOUT_S: u64 = 30;
/// How long a connection is kept at most, in seconds: servers behind a load balancer get their share again.
const LIFETIME_MAX_S: u64 = 30 * 60;
/// How long an unused connection is kept, in seconds.
const IDLE_TIMEOUT_S: u64 = 10 * 60;
/// A connection that came back to the pool answered then. It is asked again before its next use only when that was longer ago
/// than this: asking costs a round trip, as much as most statements do, and what ends within so short a time ends under its
/// user as well.
const TESTED_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// What the server ends by itself: a statement that hangs, and a transaction whose process went away or stands still. Others
/// wait for the rows that it holds, and they are to go on within twenty seconds.
const SERVER_TIMEOUTS: [(&str, &str); 2] =
    [("statement_timeout", "60s"), ("idle_in_transaction_session_timeout", "10s")];

/// Each statement has an index for its rows (`query_plans.rs`). Where a table was empty when a statement was planned,
/// reading all of it seemed cheaper, and that plan is kept while the table grows. The high cost that the server adds for
/// whole tables would have it compile statements, which takes longer than running them.
const PLANNER: [(&str, &str); 2] = [("enable_seqscan", "off"), ("jit", "off")];

/// The same for migrations.
const MIGRATION_TIMEOUTS: [(&str, &str); 2] =
    [("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "60s")];

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    /// For reads and writes; only SQLite has a pool for each.
    pool: PgPool,
    keyring: Keyring,
    options: PgConnectOptions,
    /// Transactions committed so far, without those of the probe.
    committed: AtomicU64,
}

impl PostgresStore {
    /// Connects, and checks that the tables are there.
    pub async fn open(options: &PgConnectOptions, connections_max: u32, keyring: Keyring) -> Result<Self, StoreError> {
        let options = options.clone().options(SERVER_TIMEOUTS).options(PLANNER);
        let pool = pool(&options, connections_max).await?;
        let missing = migration_states(&pool).await?.into_iter().find(|state| !state.applied);
        if let Some(missing) = missing {
            let problem = format!(
                "the database's tables are older than this version of evercal (migration {} is missing); run \
                 `evercal migrate` with the same DATABASE_URL",
                missing.version
            );
            return Err(StoreError::new(StoreErrorKind::Configuration, problem));
        }
        Ok(Self { pool, keyring, options, committed: AtomicU64::new(0) })
    }
}

impl Engine for PostgresStore {
    type Database = Postgres;

    const LOCKS_ROWS: bool = true;
    /// The server knows its tables.
    const NAMES_INDEXES: bool = false;
    /// Each statement is a round trip.
    const JOINS_INSERTS: bool = true;

    fn read_pool(&self) -> &PgPool {
        &self.pool
    }

    fn write_pool(&self) -> &PgPool {
        &self.pool
    }

    fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    fn committed(&self) -> &AtomicU64 {
        &self.committed
    }

    /// In a task of its own: when its beginning is cut off, sqlx 0.9.0 (its issue 4393) gives the connection back to the pool
    /// with the transaction open and not known, and what others then write through it is never committed.
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin().await }).await;
        let begun = begun.map_err(|error| StoreError::caused_by(StoreErrorKind::Unavailable, "begin", error))?;
        begun.map_err(failed("begin"))
    }

    fn error_kind(error: &sqlx::Error) -> StoreErrorKind {
        kind_by_code(error, |database| match database.code().as_deref() {
            Some(DATA_CORRUPTED | INDEX_CORRUPTED) => StoreErrorKind::Corrupt,
            Some(UNDEFINED_TABLE | UNDEFINED_COLUMN) => StoreErrorKind::Schema,
            Some(
                INVALID_PASSWORD | INVALID_AUTHORIZATION | UNDEFINED_DATABASE | INSUFFICIENT_PRIVILEGE | READ_ONLY,
            ) => StoreErrorKind::AccessDenied,
            _ => StoreErrorKind::Unavailable,
        })
    }

    fn push_select_by_keys(
        query: &mut QueryBuilder<Postgres>,
        columns: &str,
        lookup: Lookup,
        calendar: &str,
        keys: &[&str],
    ) {
        by_keys::push_select(query, columns, lookup, calendar, keys);
    }

    fn push_where_keys(query: &mut QueryBuilder<Postgres>, lookup: Lookup, calendar: &str, keys: &[&str]) {
        by_keys::push_where(query, lookup, calendar, keys);
    }

    async fn may_write_each_table(connection: &mut PgConnection) -> Result<(), StoreError> {
        upkeep::may_write_each_table(connection).await
    }

    /// A connection ends with its database.
    fn is_in_place(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn connect_afresh(&self) -> Result<PgConnection, StoreError> {
        self.options.connect().await.map_err(failed("connect afresh"))
    }

    /// The server does so by itself.
    async fn checkpoint_log(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn beside(&self) -> Option<PathBuf> {
        None
    }

    async fn check_for_damage(&self) -> Result<(), StoreError> {
        upkeep::check_for_damage(&self.pool).await
    }
}

/// Brings the tables up to date; processes that do it at the same time take turns. That and a new index on a large table may
/// take long, so nothing bounds it; a migration that needs a table's lock bounds its own wait (CONTRIBUTING.md).
pub async fn migrate(options: &PgConnectOptions) -> Result<Vec<MigrationState>, StoreError> {
    let pool = pool(&options.clone().options(MIGRATION_TIMEOUTS), 1).await?;
    let before = states_unless_newer(&pool).await?;
    MIGRATIONS.run(&pool).await.map_err(cannot_migrate)?;
    pool.close().await;
    Ok(before)
}

/// Which migrations of this version a database has.
pub async fn migrations(options: &PgConnectOptions) -> Result<Vec<MigrationState>, StoreError> {
    states_unless_newer(&pool(&options.clone().options(SERVER_TIMEOUTS), 1).await?).await
}

async fn pool(options: &PgConnectOptions, connections_max: u32) -> Result<PgPool, StoreError> {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_secs(ACQUIRE_TIMEOUT_S))
        .idle_timeout(Duration::from_secs(IDLE_TIMEOUT_S))
        .max_lifetime(Duration::from_secs(LIFETIME_MAX_S))
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for > TESTED_AGAIN_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options.clone())
        .await
        .map_err(cannot_open)
}

/// Processes work on with newer tables, which leave room for them; nobody can migrate what they do not know.
async fn states_unless_newer(pool: &PgPool) -> Result<Vec<MigrationState>, StoreError> {
    let applied = applied(pool).await?;
    migrations::refuse_newer(&MIGRATIONS, &applied)?;
    migrations::states(&MIGRATIONS, &applied)
}

async fn migration_states(pool: &PgPool) -> Result<Vec<MigrationState>, StoreError> {
    migrations::states(&MIGRATIONS, &applied(pool).await?)
}

async fn applied(pool: &PgPool) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    match sqlx::query_as(migrations::APPLIED).fetch_all(pool).await {
        Ok(applied) => Ok(applied),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Ok(Vec::new()),
        Err(error) => Err(failed("read which migrations there are")(error)),
    }
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const UNDEFINED_TABLE: &str = "42P01";
const UNDEFINED_COLUMN: &str = "42703";
const INVALID_PASSWORD: &str = "28P01";
const INVALID_AUTHORIZATION: &str = "28000";
const UNDEFINED_DATABASE: &str = "3D000";
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const READ_ONLY: &str = "25006";
const DATA_CORRUPTED: &str = "XX001";
const INDEX_CORRUPTED: &str = "XX002";

fn cannot_open(error: sqlx::Error) -> StoreError {
    StoreError::caused_by(
        PostgresStore::error_kind(&error),
        "cannot connect to the PostgreSQL database",
        without_values(error),
    )
}

fn cannot_migrate(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed("migrate")(error),
        other => StoreError::caused_by(StoreErrorKind::Configuration, "migrate", other),
    }
}

#[cfg(test)]
mod query_plans;
