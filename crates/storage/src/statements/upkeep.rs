//! Looking after a store: can it be read and written, and whose is it.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::InstallationId;
use sqlx::{AssertSqlSafe, Connection as _};

use super::{Backend, Connection, failed};
use crate::condition::CLOCKS_APART_MAX;
use crate::error::StoreError;
use crate::repository::Upkeep;
use crate::sql::upkeep as sql;
use crate::sql::{instant_or_none, micros, parsed};

#[async_trait]
impl Upkeep for Backend {
    async fn try_reading(&self) -> Result<(), StoreError> {
        self.is_in_place()?;
        let mut connection = self.read.acquire().await.map_err(failed("read from each table"))?;
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
        let at: Option<i64> = sqlx::query_scalar(sql::WRITTEN_AT)
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read when the store was written"))?;
        instant_or_none(at, "installation.written_at")
    }

    fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    async fn checkpoint(&self) -> Result<(), StoreError> {
        self.checkpoint_log().await
    }

    async fn check_pages(&self) -> Result<(), StoreError> {
        self.look_for_damage().await
    }
}

async fn read_each_table(connection: &mut Connection) -> Result<(), StoreError> {
    // Names of our own tables.
    let statement = AssertSqlSafe(sql::READ_EACH_TABLE.as_str());
    sqlx::query(statement).fetch_one(connection).await.map(drop).map_err(failed("read from each table"))
}

async fn write(connection: &mut Connection, at: DateTime<Utc>) -> Result<InstallationId, StoreError> {
    super::may_write_each_table(connection).await?;
    let id: String = sqlx::query_scalar(sql::WRITE)
        .bind(InstallationId::generate().to_string())
        .bind(micros(at))
        .bind(micros(at.checked_add_signed(CLOCKS_APART_MAX).unwrap_or(at)))
        .fetch_one(connection)
        .await
        .map_err(failed("write a sign of writing"))?;
    parsed(&id, "installation.id")
}
