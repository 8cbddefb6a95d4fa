//! The repository traits, in statements that both engines run: in the file of an entity, the SQL stands beside what binds
//! it. The trait, its types and the rows are in the file of the same name in `entities/`.
//!
//! This folder is compiled twice, once inside `sqlite` and once inside `postgres`. So what a store does is written once, and
//! each engine still has types of its own, checked by the compiler. It expects one name from the module around it,
//! `Backend`: the engine's store, for which [`Engine`] says what it does in its own way.
//!
//! The texts use `$1` placeholders, `ON CONFLICT` and `RETURNING`, which SQLite and PostgreSQL share.

pub(super) mod accounts;
pub(super) mod authorizations;
pub(super) mod calendars;
pub(super) mod channels;
pub(super) mod claims;
pub(super) mod consents;
pub(super) mod credentials;
pub(super) mod heartbeats;
pub(super) mod journal;
mod locks;
pub(super) mod mirror;
pub(super) mod reconciliation;
pub(super) mod tenants;
mod upkeep;

use std::sync::atomic::Ordering;

use sqlx::{FromRow, Transaction};

use super::Backend;
use crate::columns::readable;
use crate::engine::Engine;
use crate::error::{StoreError, StoreErrorKind};

type Database = <Backend as Engine>::Database;
type Connection = <Database as sqlx::Database>::Connection;
type Row = <Database as sqlx::Database>::Row;
type Arguments = <Database as sqlx::Database>::Arguments;
type Query<'q> = sqlx::query::Query<'q, Database, Arguments>;
type QueryAs<'q, R> = sqlx::query::QueryAs<'q, Database, R, Arguments>;
type QueryScalar<'q, V> = sqlx::query::QueryScalar<'q, Database, V, Arguments>;

/// Makes our error of a database error.
pub(super) fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| StoreError::caused_by(Backend::error_kind(&error), what, crate::error::without_values(error))
}

// In all of these, `what` names the operation in errors.
impl Backend {
    /// Reads one row; `None` where there is none.
    async fn read_one<R, T>(&self, query: QueryAs<'_, R>, what: &'static str) -> Result<Option<T>, StoreError>
    where
        R: for<'r> FromRow<'r, Row> + Send + Unpin,
        T: TryFrom<R, Error = StoreError>,
    {
        query.fetch_optional(self.read_pool()).await.map_err(failed(what))?.map(T::try_from).transpose()
    }

    /// Reads all rows but those that are damaged.
    async fn read_all<R, T>(&self, query: QueryAs<'_, R>, what: &'static str) -> Result<Vec<T>, StoreError>
    where
        R: for<'r> FromRow<'r, Row> + Send + Unpin,
        T: TryFrom<R, Error = StoreError>,
    {
        Ok(readable(query.fetch_all(self.read_pool()).await.map_err(failed(what))?))
    }

    /// Runs a statement in a transaction of its own; answers how many rows it changed.
    async fn write(&self, query: Query<'_>, what: &'static str) -> Result<u64, StoreError> {
        query.execute(self.write_pool()).await.map(|done| done.rows_affected()).map_err(failed(what))
    }

    /// Changes one row, which has to be there.
    async fn write_one(&self, query: Query<'_>, what: &'static str) -> Result<(), StoreError> {
        found(self.write(query, what).await?, what)
    }

    /// Commits, and counts it: it shows that the connections of this process work, however slow they are. Who writes much has
    /// transactions, so that single statements need not be counted.
    async fn commit(&self, transaction: Transaction<'static, Database>, what: &'static str) -> Result<(), StoreError> {
        transaction.commit().await.map_err(failed(what))?;
        self.committed().fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Runs a statement in a transaction; answers how many rows it changed.
async fn execute(connection: &mut Connection, query: Query<'_>, what: &'static str) -> Result<u64, StoreError> {
    query.execute(connection).await.map(|done| done.rows_affected()).map_err(failed(what))
}

/// The one value that a statement answers; `None` where it answers no row.
async fn fetch_value<V>(
    pool: &sqlx::Pool<Database>,
    query: QueryScalar<'_, V>,
    what: &'static str,
) -> Result<Option<V>, StoreError>
where
    (V,): for<'r> FromRow<'r, Row>,
    V: Send + Unpin,
{
    query.fetch_optional(pool).await.map_err(failed(what))
}

/// Refuses an update of one row that found none.
fn found(rows: u64, what: &'static str) -> Result<(), StoreError> {
    if rows == 0 { Err(not_found(what)) } else { Ok(()) }
}

fn not_found(what: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, format!("{what}: no such row"))
}

fn conflict(what: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Conflict, format!("{what}: it moved meanwhile"))
}
