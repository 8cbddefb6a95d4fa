//! Questions to a server: our rights, and the damage that it has counted.

use sqlx::{PgConnection, PgPool};

use super::statements::failed;
use crate::error::{StoreError, StoreErrorKind};
use crate::tables::TABLES;

/// The first table for which one of our rights is missing. A list of rights in one call would mean any of them.
const FORBIDDEN: &str = "SELECT name FROM unnest($1::text[]) AS name \
     WHERE NOT (has_table_privilege(name, 'INSERT') AND has_table_privilege(name, 'UPDATE') \
     AND has_table_privilege(name, 'DELETE')) LIMIT 1";

/// Counted where the cluster was made with checksums, else NULL.
const DAMAGED: &str = "SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()";

/// Whether we may write each table: without a right to one of them, single calendars would stand still.
pub async fn may_write_each_table(connection: &mut PgConnection) -> Result<(), StoreError> {
    let forbidden: Option<String> = sqlx::query_scalar(FORBIDDEN)
        .bind(TABLES.iter().map(|table| (*table).to_owned()).collect::<Vec<_>>())
        .fetch_optional(connection)
        .await
        .map_err(failed("ask for our rights"))?;
    match forbidden {
        None => Ok(()),
        Some(table) => {
            let problem = format!("our role may not write the table {table}");
            Err(StoreError::new(StoreErrorKind::AccessDenied, problem))
        }
    }
}

/// The server checks each page that it reads; reading all of them is `pg_amcheck`'s task.
pub async fn check_for_damage(pool: &PgPool) -> Result<(), StoreError> {
    let failures: Option<i64> =
        sqlx::query_scalar(DAMAGED).fetch_one(pool).await.map_err(failed("ask for damaged pages"))?;
    match failures {
        None | Some(0) => Ok(()),
        Some(failures) => {
            let problem = format!("the database has damaged pages: {failures} checksums were wrong");
            Err(StoreError::new(StoreErrorKind::Corrupt, problem))
        }
    }
}
