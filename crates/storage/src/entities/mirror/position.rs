//! How far the reading of a calendar has come.

use chrono::{DateTime, Utc};
use evercal_domain::zones::ZoneDataVersion;
use serde::{Deserialize, Serialize};

use crate::columns::{from_json, instant_or_none};
use crate::error::StoreError;

/// Where a calendar's reading stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncPosition {
    /// Moves with each committed page; a commit names the revision that it builds on.
    pub revision: i64,
    /// The generation that pages of the running (or last) full pass are written under.
    pub generation: i64,
    /// The cursor.
    pub cursor: Cursor,
    /// The end of the window for which occurrences exist; `None` before the first pass ended, and while it is not known.
    pub window_end: Option<DateTime<Utc>>,
    /// The oldest zone data by which any of its series was expanded; `None` before the first pass.
    pub zone_data: Option<ZoneDataVersion>,
}

/// How far the reading of a calendar has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cursor {
    /// Nothing was ever read, or the sync token is lost: a full pass is due.
    Start,
    /// Inside a full pass.
    Full {
        /// The next page; `None` for the first.
        page: Option<String>,
        /// When the pass asked for its first page, as Unix milliseconds; 0 before that.
        #[serde(default)]
        since_ms: i64,
    },
    /// The last pass ended with this token; changes since then can be asked for.
    Ready {
        /// The provider's sync token.
        sync_token: String,
        /// The next page of the pass that began at the token; `None` between passes.
        page: Option<String>,
        /// When that pass asked for its first page, as Unix milliseconds; 0 between passes.
        #[serde(default)]
        since_ms: i64,
    },
}

impl Cursor {
    /// At the beginning of a full pass.
    pub fn full() -> Self {
        Self::Full { page: None, since_ms: 0 }
    }

    /// Between passes: the last one ended with this token.
    pub fn ready(sync_token: String) -> Self {
        Self::Ready { sync_token, page: None, since_ms: 0 }
    }
}

#[derive(sqlx::FromRow)]
pub struct PositionRow {
    revision: i64,
    generation: i64,
    sync_cursor: String,
    window_end: Option<i64>,
    zone_data: String,
}

impl TryFrom<PositionRow> for SyncPosition {
    type Error = StoreError;

    fn try_from(row: PositionRow) -> Result<Self, StoreError> {
        Ok(Self {
            revision: row.revision,
            generation: row.generation,
            cursor: from_json(&row.sync_cursor, "calendars.sync_cursor")?,
            window_end: instant_or_none(row.window_end, "calendars.window_end")?,
            zone_data: ZoneDataVersion::read(&row.zone_data),
        })
    }
}
