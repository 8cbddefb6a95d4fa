//! The repository traits, in statements that both engines run: in the file of an entity, the SQL stands beside what binds
//! it. The trait, its types and the rows are in the file of the same name in `entities/`.
//!
//! This folder is compiled twice, once inside `sqlite` and once inside `postgres`. So what a store does is written once, and
//! each engine still has types of its own, checked by the compiler. Of the folder that it is compiled in it wants one name,
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

use sqlx::Transaction;

use super::Backend;
use crate::engine::Engine;
use crate::error::{StoreError, StoreErrorKind};

type Database = <Backend as Engine>::Database;
type Connection = <Database as sqlx::Database>::Connection;

/// Makes our error of a database error.
pub(super) fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| StoreError::caused_by(Backend::error_kind(&error), what, crate::error::without_values(error))
}

impl Backend {
    /// Commits, and counts it: it shows that the connections of this process work, however slow they are. Who writes much has
    /// transactions, so that single statements need not be counted.
    async fn commit(&self, transaction: Transaction<'static, Database>, what: &'static str) -> Result<(), StoreError> {
        transaction.commit().await.map_err(failed(what))?;
        self.committed().fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
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
