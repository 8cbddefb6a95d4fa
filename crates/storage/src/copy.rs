//! Copies a store from SQLite to PostgreSQL, so that trying grows into running.
//!
//! All rows are read in one snapshot and written in one transaction: the target has everything or nothing. Before it is
//! committed, what was written is read back and compared with what was read. Sealed credentials are copied as they are, so
//! the master key stays the same. Not for a store that somebody still uses, since what comes after the snapshot would be
//! missing: the copy takes the file for itself alone, or is refused.

use std::time::Duration;

use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteLockingMode, SqliteRow};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Postgres, QueryBuilder, Row as _,
    SqliteConnection,
};

use crate::database_url::DatabaseUrl;
use crate::entities::credentials::credentials_context;
use crate::error::{StoreError, StoreErrorKind, without_values};
use crate::tables::TABLES;
use crate::{Keyring, postgres, sqlite};

/// Tables in which processes leave rows before there is any calendar; in a target without tenants these rows are deleted.
const OF_PROCESSES: [&str; 6] =
    ["audit_log", "security_events", "heartbeats", "installation", "claims", "provider_incidents"];

/// Rows in one `INSERT`: with the widest table far below PostgreSQL's 65,535 parameters.
const ROWS_PER_STATEMENT: usize = 500;
/// How long another process may take to close the file.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(5);
/// <https://www.sqlite.org/rescode.html>
const BUSY: &str = "5";

/// A table that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// The name of the table.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
}

/// Copies everything from a SQLite file into a PostgreSQL database that has the tables and no rows. `progress` is
/// called with each table and how many of its rows are copied. With a keyring, what is sealed in the file has to open with it.
pub async fn copy_store(
    source: &DatabaseUrl,
    target: &DatabaseUrl,
    keyring: Option<&Keyring>,
    mut progress: impl FnMut(&'static str, u64),
) -> Result<Vec<CopiedTable>, StoreError> {
    let (DatabaseUrl::Sqlite(path), DatabaseUrl::Postgres(options)) = (source, target) else {
        return Err(refused("a store is copied from a SQLite file to a PostgreSQL database"));
    };
    if !path.exists() {
        return Err(refused(format!("there is no file {}", path.display())));
    }
    for (url, states) in [(source, sqlite::migrations(path).await?), (target, postgres::migrations(options).await?)] {
        if states.iter().any(|state| !state.applied) {
            return Err(refused(format!(
                "the tables of {url} are older than this version; run `evercal migrate` on it"
            )));
        }
    }
    let mut reader = open_source(SqliteConnectOptions::new().filename(path)).await?;
    if let Some(keyring) = keyring {
        opens_all(&mut reader, keyring).await?;
    }
    let mut writer = open_target(options).await?;
    let mut transaction = writer.begin().await.map_err(failed("begin"))?;
    make_room(&mut transaction).await?;
    let mut copied = Vec::new();
    for table in TABLES {
        let columns = columns_of(&mut transaction, table).await?;
        let read = copy_table(&mut reader, &mut transaction, table, &columns, &mut progress).await?;
        let written = contents(&mut transaction, table, &columns).await?;
        if read != written {
            let problem = format!("{table} does not read back as it was written; nothing was copied");
            return Err(StoreError::new(StoreErrorKind::Corrupt, problem));
        }
        copied.push(CopiedTable { table, rows: read.rows });
    }
    transaction.commit().await.map_err(failed("commit"))?;
    Ok(copied)
}

/// The rows of a table in any order: how many, and the sum of their hashes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    rows: u64,
    sum: u128,
}

impl Contents {
    fn add(&mut self, row: &[Value]) {
        let mut hash = Sha256::new();
        for value in row {
            value.hash_into(&mut hash);
        }
        let hash = hash.finalize();
        let low = hash.iter().take(16).fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
        self.rows += 1;
        self.sum = self.sum.wrapping_add(low);
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Integer,
    Boolean,
    Text,
    Bytes,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Value {
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Value {
    fn hash_into(&self, hash: &mut Sha256) {
        let bytes = match self {
            Self::Integer(value) => value.map(|value| value.to_be_bytes().to_vec()),
            Self::Boolean(value) => value.map(|value| vec![u8::from(value)]),
            Self::Text(value) => value.as_ref().map(|value| value.as_bytes().to_vec()),
            Self::Bytes(value) => value.clone(),
        };
        // With its length, so that rows whose values end at other places have other hashes.
        match bytes {
            Some(bytes) => {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
            None => hash.update(u64::MAX.to_be_bytes()),
        }
    }
}

async fn copy_table(
    reader: &mut SqliteConnection,
    writer: &mut PgConnection,
    table: &'static str,
    columns: &[Column],
    progress: &mut impl FnMut(&'static str, u64),
) -> Result<Contents, StoreError> {
    let mut read = Contents::default();
    let mut pending = Vec::with_capacity(ROWS_PER_STATEMENT);
    let mut rows = sqlx::query(AssertSqlSafe(select(table, columns))).fetch(reader);
    while let Some(row) = rows.try_next().await.map_err(failed("read rows"))? {
        let row = of_sqlite(&row, columns).map_err(failed("read rows"))?;
        read.add(&row);
        pending.push(row);
        if pending.len() == ROWS_PER_STATEMENT {
            insert(writer, table, columns, std::mem::take(&mut pending)).await?;
            progress(table, read.rows);
        }
    }
    insert(writer, table, columns, pending).await?;
    progress(table, read.rows);
    Ok(read)
}

async fn insert(
    writer: &mut PgConnection,
    table: &str,
    columns: &[Column],
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::<Postgres>::new(format!("INSERT INTO {table} ({}) ", names(columns)));
    query.push_values(rows, |mut values, row| {
        for value in row {
            match value {
                Value::Integer(value) => values.push_bind(value),
                Value::Boolean(value) => values.push_bind(value),
                Value::Text(value) => values.push_bind(value),
                Value::Bytes(value) => values.push_bind(value),
            };
        }
    });
    query.build().execute(writer).await.map(drop).map_err(failed("write rows"))
}

async fn contents(writer: &mut PgConnection, table: &str, columns: &[Column]) -> Result<Contents, StoreError> {
    let mut contents = Contents::default();
    let mut rows = sqlx::query(AssertSqlSafe(select(table, columns))).fetch(writer);
    while let Some(row) = rows.try_next().await.map_err(failed("read rows back"))? {
        contents.add(&of_postgres(&row, columns).map_err(failed("read rows back"))?);
    }
    Ok(contents)
}

/// One body for the rows of both engines, which share no useful trait.
macro_rules! read_column {
    ($row:expr, $index:expr, $kind:expr) => {
        match $kind {
            Kind::Integer => $row.try_get($index).map(Value::Integer),
            Kind::Boolean => $row.try_get($index).map(Value::Boolean),
            Kind::Text => $row.try_get($index).map(Value::Text),
            Kind::Bytes => $row.try_get($index).map(Value::Bytes),
        }
    };
}

fn of_sqlite(row: &SqliteRow, columns: &[Column]) -> Result<Vec<Value>, sqlx::Error> {
    columns.iter().enumerate().map(|(index, column)| read_column!(row, index, column.kind)).collect()
}

fn of_postgres(row: &PgRow, columns: &[Column]) -> Result<Vec<Value>, sqlx::Error> {
    columns.iter().enumerate().map(|(index, column)| read_column!(row, index, column.kind)).collect()
}

/// Names come from the database's own catalogue, for tables of [`TABLES`].
fn select(table: &str, columns: &[Column]) -> String {
    format!("SELECT {} FROM {table}", names(columns))
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}

async fn columns_of(writer: &mut PgConnection, table: &str) -> Result<Vec<Column>, StoreError> {
    let catalogue = "SELECT column_name::text, data_type::text FROM information_schema.columns \
                     WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";
    let columns: Vec<(String, String)> =
        sqlx::query_as(catalogue).bind(table).fetch_all(writer).await.map_err(failed("read the catalogue"))?;
    let column = |(name, kind): (String, String)| {
        let kind = match kind.as_str() {
            "bigint" => Kind::Integer,
            "boolean" => Kind::Boolean,
            "text" => Kind::Text,
            "bytea" => Kind::Bytes,
            other => return Err(refused(format!("{table}.{name} has the type {other}, which copying does not know"))),
        };
        Ok(Column { name, kind })
    };
    columns.into_iter().map(column).collect()
}

/// Checks that the target has no tenant's rows, and removes what processes left there.
async fn make_room(writer: &mut PgConnection) -> Result<(), StoreError> {
    for table in TABLES.iter().filter(|table| !OF_PROCESSES.contains(table)) {
        is_empty(writer, table).await?;
    }
    for table in OF_PROCESSES {
        // Nobody adds a row before the copy is committed.
        let statement = format!("LOCK TABLE {table}; DELETE FROM {table}");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *writer).await.map_err(failed("make room"))?;
    }
    Ok(())
}

/// Refuses keys with which nobody could use the copy.
async fn opens_all(reader: &mut SqliteConnection, keyring: &Keyring) -> Result<(), StoreError> {
    let sealed = "SELECT id, credentials FROM accounts WHERE credentials IS NOT NULL ORDER BY id";
    let mut rows = sqlx::query_as::<_, (String, Vec<u8>)>(sealed).fetch(reader);
    while let Some((account, credentials)) = rows.try_next().await.map_err(failed("read credentials"))? {
        if keyring.open(credentials_context(&account), &credentials).is_err() {
            return Err(refused(format!(
                "the master key does not open the credentials of {account}: set EVERCAL_MASTER_KEY to the key that the \
                 file was used with (of `evercal dev`, it is `master_key` in dev-keys.json)"
            )));
        }
    }
    Ok(())
}

async fn is_empty(writer: &mut PgConnection, table: &str) -> Result<(), StoreError> {
    let any: Option<i32> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT 1 FROM {table} LIMIT 1")))
        .fetch_optional(writer)
        .await
        .map_err(failed("read the target"))?;
    match any {
        None => Ok(()),
        Some(_) => Err(refused(format!("the target is not empty: {table} has rows"))),
    }
}

/// Opens the file for nobody else: whoever has it open keeps a lock on it (<https://www.sqlite.org/wal.html#noshm>).
async fn open_source(options: SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let alone = options.locking_mode(SqliteLockingMode::Exclusive).busy_timeout(CLOSING_TIMEOUT);
    let open = async {
        let mut reader = alone.disable_statement_logging().connect().await?;
        // From the first read on, all reads see the same.
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut reader).await?;
        Ok(reader)
    };
    open.await.map_err(|error: sqlx::Error| match &error {
        sqlx::Error::Database(database) if database.code().as_deref() == Some(BUSY) => {
            refused("something still has the source open: stop gateways, workers and `evercal dev`, and try again")
        }
        _ => failed("open the source")(error),
    })
}

async fn open_target(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    options.connect().await.map_err(failed("connect to the target"))
}

fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| StoreError::caused_by(StoreErrorKind::Unavailable, what, without_values(error))
}

fn refused(problem: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Configuration, problem)
}
