//! What only a file needs: is it still there, is its log brought into it, are its pages whole.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _};

use super::statements::failed;
use super::{Connection, SqliteStore, connect_options};
use crate::error::{StoreError, StoreErrorKind};

/// Which file a path names, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// Of the file at this path.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let lost = |error| StoreError::caused_by(StoreErrorKind::Lost, "the database's file is not there", error);
        let metadata = std::fs::metadata(path).map_err(lost)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// SQLite knows no rights but those of the file, which writing shows.
pub async fn may_write_each_table(_connection: &mut Connection) -> Result<(), StoreError> {
    Ok(())
}

impl SqliteStore {
    /// Connections to a file that was deleted or replaced go on working, with what nobody will ever see.
    pub(super) fn is_in_place(&self) -> Result<(), StoreError> {
        if FileIdentity::of(&self.path)? == self.opened {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::Lost, "another file has taken the place of the database's"))
    }

    pub(super) async fn connect_afresh(&self) -> Result<Connection, StoreError> {
        connect_options(&self.path).connect().await.map_err(failed("connect afresh"))
    }

    /// Copies what readers let it, and keeps no writer waiting.
    pub(super) async fn checkpoint_log(&self) -> Result<(), StoreError> {
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&self.write).await;
        checkpoint.map(drop).map_err(failed("bring the log into the file"))
    }

    /// Over a connection of its own, since it reads the whole file.
    pub(super) async fn look_for_damage(&self) -> Result<(), StoreError> {
        let options = connect_options(&self.path).read_only(true);
        let mut connection = options.connect().await.map_err(failed("connect to look for damage"))?;
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut connection)
            .await
            .map_err(failed("look for damaged pages"))?;
        connection.close().await.map_err(failed("close a connection"))?;
        if found == "ok" {
            return Ok(());
        }
        // What it says names pages and tables, no values.
        let problem = found.lines().last().unwrap_or_default();
        Err(StoreError::new(StoreErrorKind::Corrupt, format!("the database has damaged pages: {problem}")))
    }
}
