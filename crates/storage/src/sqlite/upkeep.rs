//! What only a file needs: whether it is still there, its log copied into it, and whether its pages are whole.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};

use super::connect_options;
use super::statements::failed;
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

/// Copies what readers let it, and keeps no writer waiting.
pub async fn checkpoint_log(write: &SqlitePool) -> Result<(), StoreError> {
    let checkpoint = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(write).await;
    checkpoint.map(drop).map_err(failed("bring the log into the file"))
}

/// Over a connection of its own, since it reads the whole file.
pub async fn check_for_damage(path: &Path) -> Result<(), StoreError> {
    let options = connect_options(path).read_only(true);
    let mut connection = options.connect().await.map_err(failed("connect to check for damage"))?;
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut connection)
        .await
        .map_err(failed("check for damaged pages"))?;
    connection.close().await.map_err(failed("close a connection"))?;
    if found == "ok" {
        return Ok(());
    }
    // What it says names pages and tables, no values.
    let problem = found.lines().last().unwrap_or_default();
    Err(StoreError::new(StoreErrorKind::Corrupt, format!("the database has damaged pages: {problem}")))
}
