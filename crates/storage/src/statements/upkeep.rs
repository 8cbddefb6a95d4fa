//! The statements by which a store is checked: whether it can be read and written, and whose it is.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::InstallationId;
use sqlx::{AssertSqlSafe, Connection as _};

use super::{Backend, Connection, Engine, failed, fetch_value};
use crate::beside;
use crate::columns::{instant_or_none, micros, parsed};
use crate::condition::CLOCKS_APART_MAX;
use crate::entities::upkeep::Upkeep;
use crate::error::StoreError;
use crate::tables::TABLES;

const WRITTEN_AT: &str = "SELECT written_at FROM installation WHERE place = 1";

#[async_trait]
impl Upkeep for Backend {
    async fn try_reading(&self) -> Result<(), StoreError> {
        self.is_in_place()?;
        let mut connection = self.read_pool().acquire().await.map_err(failed("read from each table"))?;
        read_each_table(&mut connection).await
    }

    async fn try_writing(&self, at: DateTime<Utc>) -> Result<InstallationId, StoreError> {
        self.is_in_place()?;
        let mut transaction = self.begin().await?;
        let id = write(&mut transaction, at).await?;
        transaction.commit().await.map_err(failed("commit a sign of writing"))?;
        Ok(id)
    }

    async fn try_afresh(&self, at: DateTime<Utc>) -> Result<(), StoreError> {
        let mut connection = self.connect_afresh().await?;
        read_each_table(&mut connection).await?;
        let mut transaction = connection.begin().await.map_err(failed("begin"))?;
        write(&mut transaction, at).await?;
        transaction.commit().await.map_err(failed("commit a sign of writing"))?;
        connection.close().await.map_err(failed("close a connection"))
    }

    async fn last_written_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let query = sqlx::query_scalar::<_, i64>(WRITTEN_AT);
        let at = fetch_value(self.read_pool(), query, "read when the store was written").await?;
        instant_or_none(at, "installation.written_at")
    }

    fn commits(&self) -> u64 {
        self.committed().load(Ordering::Relaxed)
    }

    async fn checkpoint(&self) -> Result<(), StoreError> {
        self.checkpoint_log().await
    }

    async fn check_pages(&self) -> Result<(), StoreError> {
        self.check_for_damage().await
    }

    async fn keep_beside(&self, line: &str) -> Result<(), StoreError> {
        self.beside().map_or(Ok(()), |path| beside::append(&path, line))
    }

    async fn kept_beside(&self) -> Result<Vec<String>, StoreError> {
        self.beside().map_or(Ok(Vec::new()), |path| beside::lines(&path))
    }

    async fn delete_beside(&self) -> Result<(), StoreError> {
        self.beside().map_or(Ok(()), |path| beside::delete(&path))
    }
}

/// One statement that needs each table, and stops at the first row of each.
static READ_EACH_TABLE: LazyLock<String> = LazyLock::new(|| {
    let tables: Vec<String> = TABLES.iter().map(|table| format!("(SELECT 1 FROM {table} LIMIT 1)")).collect();
    format!("SELECT {}", tables.join(", "))
});

async fn read_each_table(connection: &mut Connection) -> Result<(), StoreError> {
    // Names of our own tables.
    let statement = AssertSqlSafe(READ_EACH_TABLE.as_str());
    sqlx::query(statement).fetch_one(connection).await.map(drop).map_err(failed("read from each table"))
}

/// Writes, and answers whose database it is. The id is taken by an empty one only. The time does not move backwards: two
/// processes whose clocks are apart must not make the database look older than it is. But one that is more than a day ahead
/// (`$3`) was written by a wrong clock.
const WRITE: &str = "INSERT INTO installation (place, id, written_at) VALUES (1, $1, $2) \
     ON CONFLICT (place) DO UPDATE SET written_at = CASE WHEN excluded.written_at > installation.written_at \
     OR installation.written_at > $3 THEN excluded.written_at ELSE installation.written_at END RETURNING id";

async fn write(connection: &mut Connection, at: DateTime<Utc>) -> Result<InstallationId, StoreError> {
    Backend::may_write_each_table(connection).await?;
    let id: String = sqlx::query_scalar(WRITE)
        .bind(InstallationId::generate().to_string())
        .bind(micros(at))
        .bind(micros(at.checked_add_signed(CLOCKS_APART_MAX).unwrap_or(at)))
        .fetch_one(connection)
        .await
        .map_err(failed("write a sign of writing"))?;
    parsed(&id, "installation.id")
}
