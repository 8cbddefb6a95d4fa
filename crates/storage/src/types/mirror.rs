//! What goes into a mirror and comes out of it: positions, rows, occurrences, and the pages that change them.

use chrono::{DateTime, NaiveDate, Utc};
use evercal_domain::calendar::LastSync;
use evercal_domain::event::Occurrence;
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{CalendarId, Event, ProviderCursor, ProviderEventId, RemoteItem, SeriesPosition, Via, Zone};
use serde::{Deserialize, Serialize};

use super::SyncRun;
use crate::sql::reading::OccurrenceKey;

/// How far the reading of a calendar has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cursor {
    /// Nothing was ever read, or the place is lost: a full pass is due.
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

/// What a row of the mirror holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredBody {
    /// A single event, a master or an exception.
    Event(Box<Event>),
    /// A cancelled occurrence.
    Cancelled(SeriesPosition),
    /// Something that cannot be read, because it is damaged or because a newer version wrote it.
    Unreadable {
        /// The master of the series that it belongs to.
        master_id: Option<ProviderEventId>,
    },
}

/// A row of the mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its id at the provider.
    pub provider_id: ProviderEventId,
    /// What it holds.
    pub body: StoredBody,
}

impl StoredItem {
    /// The row's owner: the master of its series, or itself.
    pub fn owner(&self) -> &ProviderEventId {
        match &self.body {
            StoredBody::Event(event) => event.series.as_ref().map_or(&self.provider_id, |series| &series.master_id),
            StoredBody::Cancelled(position) => &position.master_id,
            StoredBody::Unreadable { master_id } => master_id.as_ref().unwrap_or(&self.provider_id),
        }
    }
}

/// A row that a sweep would delete, by its columns alone: also one whose body cannot be read goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleItem {
    /// Its id at the provider.
    pub provider_id: ProviderEventId,
    pub(crate) owner: ProviderEventId,
}

impl StaleItem {
    /// The row's owner: the master of its series, or itself.
    pub fn owner(&self) -> &ProviderEventId {
        &self.owner
    }
}

/// All occurrences of one owner inside the window; replaces what the store had for that owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerOccurrences {
    /// A master's id, or a single event's.
    pub owner: ProviderEventId,
    /// Its occurrences; empty removes them.
    pub occurrences: Vec<Occurrence>,
}

/// One page of a pass, committed together with its cursor.
#[derive(Debug)]
pub struct PageCommit<'a> {
    /// Which calendar.
    pub calendar_id: CalendarId,
    /// The revision that this page builds on; another one there means conflict.
    pub expected_revision: i64,
    /// The generation that the page's rows are marked with.
    pub generation: i64,
    /// What the page holds. An unreadable item goes to quarantine; a readable one leaves it.
    pub items: &'a [RemoteItem],
    /// The occurrences of every owner that the page (and the sweep) touches.
    pub occurrences: &'a [OwnerOccurrences],
    /// Where those of series are all there; outside of it there may be more of them.
    pub window: OccurrenceRange,
    /// The zone data by which they were made.
    pub zone_data: &'a ZoneDataVersion,
    /// The cursor after this page.
    pub cursor: &'a Cursor,
    /// Set on the last page of a pass.
    pub finish: Option<PassFinish>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Occurrences that are made anew outside of a pass: the window has moved, or clocks have changed.
#[derive(Debug)]
pub struct Expanded<'a> {
    /// Those of some owners; they replace what the store had for these.
    pub occurrences: &'a [OwnerOccurrences],
    /// The zone data by which they were made.
    pub zone_data: &'a ZoneDataVersion,
    /// What is known afterwards of the window that all series have.
    pub window: WindowNow,
}

/// The window for which occurrences exist, after some were made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowNow {
    /// As it was: others are still to come.
    Same,
    /// Nobody knows until all are made.
    Unknown,
    /// All are made, up to this end, and by the zone data that are given.
    Until(DateTime<Utc>),
}

/// What the last page of a pass does besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassFinish {
    /// After a full pass: rows of older generations are deleted (and told in the feed).
    pub sweep: bool,
    /// The mirror is known to be complete as of this moment: the beginning of the pass.
    pub confirmed_at: DateTime<Utc>,
    /// What started the pass.
    pub via: Via,
    /// The end of the window for which occurrences of all series now exist; none where they are still to be expanded.
    pub window_end: Option<DateTime<Utc>>,
    /// The pass in numbers. `last_sync.changes` is what the run counted before this page; the store adds this page's.
    pub last_sync: LastSync,
    /// The line of the sync log, where nothing is left to do after this page. `pages` counts this page, `changes` what the
    /// run counted before it; the store adds this page's.
    pub run: Option<SyncRun>,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCommitted {
    /// The new revision.
    pub revision: i64,
    /// How many changes the page made (and the sweep, on the last page of a full pass).
    pub changes: i64,
}

/// A range of time to read. Instants bound timed events, dates bound all-day ones; both half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OccurrenceRange {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The first instant after the range.
    pub to: DateTime<Utc>,
    /// The first date, in the calendar's zone.
    pub from_date: NaiveDate,
    /// The first date after the range, in the calendar's zone.
    pub to_date: NaiveDate,
    /// The calendar's zone: a date comes before all that begins on it there.
    pub zone: Zone,
    /// Which occurrences of series are read.
    pub series: SeriesRows,
}

/// Which of the stored occurrences of mirrored series are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesRows {
    /// All: the range is inside of the window that is stored.
    All,
    /// Those that start within these: others are not stored of every series.
    StartingWithin {
        /// The first start.
        from: DateTime<Utc>,
        /// The start after the last one.
        to: DateTime<Utc>,
    },
}

/// An occurrence as a reader gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOccurrence {
    /// Its place among the others.
    pub key: OccurrenceKey,
    /// When.
    pub occurrence: Occurrence,
    /// What: the body of its source.
    pub event: Event,
}
