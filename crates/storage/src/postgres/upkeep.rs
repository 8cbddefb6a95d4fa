//! What only a server can be asked: our rights, and the damage that it has counted.

use sqlx::ConnectOptions as _;

use super::statements::failed;
use super::{Connection, PostgresStore};
use crate::error::{StoreError, StoreErrorKind};
use crate::tables::TABLES;

/// The first table for which one of our rights is missing. A list of rights in one call would mean any of them.
const FORBIDDEN: &str = "SELECT name FROM unnest($1::text[]) AS name \
     WHERE NOT (has_table_privilege(name, 'INSERT') AND has_table_privilege(name, 'UPDATE') \
     AND has_table_privilege(name, 'DELETE')) LIMIT 1";

/// Counted where the cluster was made with checksums, else NULL.
const DAMAGED: &str = "SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()";

/// Whether we may write each table: without a right to one of them, single calendars would stand still.
pub async fn may_write_each_table(connection: &mut Connection) -> Result<(), StoreError> {
    let forbidden: Option<String> = sqlx::query_scalar(FORBIDDEN)
        .bind(TABLES.iter().map(|table| (*table).to_owned()).collect::<Vec<_>>())
        .fetch_optional(connection)
        .await
        .map_err(failed("ask for our rights"))?;
    match forbidden {
        None => Ok(()),
        Some(table) => {
            let problem = format!("our role may not write the table {table}");
            Err(StoreError::new(StoreErrorKind::Refused, problem))
        }
    }
}

impl PostgresStore {
    /// A connection ends with its database.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other engine looks at its file")]
    pub(super) fn is_in_place(&self) -> Result<(), StoreError> {
        Ok(())
    }

    pub(super) async fn connect_afresh(&self) -> Result<Connection, StoreError> {
        self.options.connect().await.map_err(failed("connect afresh"))
    }

    /// The server does so by itself.
    #[expect(clippy::unused_async, reason = "the other engine has a log of its own")]
    pub(super) async fn checkpoint_log(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The server checks each page that it reads; reading all of them is `pg_amcheck`'s task.
    pub(super) async fn look_for_damage(&self) -> Result<(), StoreError> {
        let failures: Option<i64> =
            sqlx::query_scalar(DAMAGED).fetch_one(&self.read).await.map_err(failed("ask for damaged pages"))?;
        match failures {
            None | Some(0) => Ok(()),
            Some(failures) => {
                let problem = format!("the database has damaged pages: {failures} checksums were wrong");
                Err(StoreError::new(StoreErrorKind::Corrupt, problem))
            }
        }
    }
}
