//! How far the reading of a calendar has come.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{Calendar, CalendarId, Provider, ProviderCursor};
use serde::{Deserialize, Serialize};

use crate::columns::{corrupt, from_json, instant_or_none};
use crate::entities::calendars::CalendarRow;
use crate::error::StoreError;

/// How far the reading of calendars has come.
#[async_trait]
pub trait SyncPositions: Send + Sync {
    /// What a sync needs to know before it can call the provider; none where the calendar has no row.
    async fn sync_start(&self, calendar: CalendarId) -> Result<Option<SyncStart>, StoreError>;
    /// Where a calendar's reading stands.
    async fn sync_position(&self, calendar: CalendarId) -> Result<SyncPosition, StoreError>;
    /// Begins a full pass: a new generation, cursor at its first page. Conflict if the revision moved.
    async fn begin_full_pass(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        page_events_max: u32,
    ) -> Result<SyncPosition, StoreError>;
    /// Goes on with a pass that somebody else began: the position stays, the revision moves, so that their next commit
    /// fails and they stop. Conflict if the revision moved.
    async fn take_over_pass(&self, calendar: CalendarId, expected_revision: i64) -> Result<SyncPosition, StoreError>;
    /// Calendars whose series stand by older zone data than these, with what they stand by; after one of these pairs.
    async fn by_older_zone_data(
        &self,
        version: &ZoneDataVersion,
        after: Option<&(CalendarId, ZoneDataVersion)>,
        limit: u32,
    ) -> Result<Vec<(CalendarId, ZoneDataVersion)>, StoreError>;
}

/// What a sync needs to know before it can call the provider, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncStart {
    /// The calendar.
    pub calendar: Calendar,
    /// Whose calendar it is.
    pub provider: Provider,
    /// Where its reading stands.
    pub position: SyncPosition,
}

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
    /// Whether anything is in quarantine, which is nearly always empty: else no statement has to read it.
    pub has_quarantine: bool,
    /// Whether any occurrence is cancelled.
    pub has_cancelled: bool,
    /// Whether the running pass has anything still to fetch.
    pub has_worklist: bool,
}

/// How far the reading of a calendar has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cursor {
    /// Nothing was ever read, or the position is lost: a full pass is due.
    Start,
    /// Inside a full pass.
    Full {
        /// How many events each of its pages has at most: a provider may want all pages of a pass to be asked for alike.
        page_events_max: u32,
        /// Where it got to; `None` before its first page.
        reached: Option<Reached>,
    },
    /// Inside a pass over what changed since the last one.
    Changes {
        /// As in a full pass.
        page_events_max: u32,
        /// Where it got to.
        reached: Reached,
    },
    /// All pages of a pass are read; what they only named is fetched.
    Fetching {
        /// Whether the pass reads everything.
        full: bool,
        /// As in a full pass.
        page_events_max: u32,
        /// Where the next pass begins.
        reached: Reached,
    },
    /// The last pass ended here; changes since then can be asked for.
    Ready {
        /// Where.
        at: ProviderCursor,
    },
}

/// How far a pass got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Where its next page is.
    pub at: ProviderCursor,
    /// When the pass asked for its first page.
    pub began_at: DateTime<Utc>,
}

impl Cursor {
    /// Between passes: the last one ended here.
    pub fn ready(at: &str) -> Self {
        Self::Ready { at: ProviderCursor::new(at) }
    }
}

#[derive(sqlx::FromRow)]
pub struct StartRow {
    #[sqlx(flatten)]
    calendar: CalendarRow,
    #[sqlx(flatten)]
    position: PositionRow,
    provider: String,
}

impl TryFrom<StartRow> for SyncStart {
    type Error = StoreError;

    fn try_from(row: StartRow) -> Result<Self, StoreError> {
        Ok(Self {
            calendar: row.calendar.try_into()?,
            provider: Provider::from_name(&row.provider).ok_or_else(|| corrupt("accounts.provider"))?,
            position: row.position.try_into()?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub struct PositionRow {
    revision: i64,
    generation: i64,
    sync_cursor: String,
    window_end: Option<i64>,
    zone_data: Option<String>,
    has_quarantine: bool,
    has_cancelled: bool,
    has_worklist: bool,
}

impl TryFrom<PositionRow> for SyncPosition {
    type Error = StoreError;

    fn try_from(row: PositionRow) -> Result<Self, StoreError> {
        Ok(Self {
            revision: row.revision,
            generation: row.generation,
            cursor: from_json(&row.sync_cursor, "calendars.sync_cursor")?,
            window_end: instant_or_none(row.window_end, "calendars.window_end")?,
            zone_data: row.zone_data.as_deref().and_then(ZoneDataVersion::read),
            has_quarantine: row.has_quarantine,
            has_cancelled: row.has_cancelled,
            has_worklist: row.has_worklist,
        })
    }
}
