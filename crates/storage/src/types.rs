//! What goes into the store and comes out of it, where the domain has no type of its own for it.

use chrono::{DateTime, NaiveDate, Utc};
use evercal_domain::account::{Credentials, Secret};
use evercal_domain::calendar::LastSync;
use evercal_domain::event::Occurrence;
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{
    AccountId, CalendarId, CalendarState, ConsentOutcome, Event, Provider, ProviderEventId, RemoteItem, SeriesPosition,
    SyncReason, TenantId, Via, Zone,
};
use serde::{Deserialize, Serialize};

use crate::sql::reading::OccurrenceKey;

/// Which rows of a list to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The cursor that the page before gave; `None` for the first page.
    pub after: Option<String>,
    /// How many rows at most; at least 1.
    pub limit: u32,
}

impl PageRequest {
    /// The first page.
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}

/// Some rows of a list, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// What came of adding an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum AccountAdmission {
    /// It is there.
    Inserted,
    /// Its tenant has all the accounts that it may have.
    TenantFull,
    /// Its tenant was revoked.
    TenantRevoked,
}

/// The version of an account's waiting consent; every change makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentVersion(pub i64);

/// How a waiting consent is to end.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// It was redeemed, and whose it is was found out: the account lives on these tokens, unless they are somebody else's.
    Redeemed {
        /// The tokens.
        credentials: Credentials,
        /// Whose they are: a hash, not an address.
        subject_hash: String,
    },
    /// Nothing comes of it.
    Refused(ConsentOutcome),
}

/// What a browser came back with.
#[derive(Debug, Clone, PartialEq)]
pub enum TakenAttempt {
    /// It comes back for the first time: its one use.
    Now(AuthorizationAttempt),
    /// The same has come back before: a reload of the page.
    Before(AuthorizationAttempt),
}

/// How often the work of a claim was begun, and which time was the last that it was done to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClaimRounds {
    /// How often.
    pub begun: i64,
    /// Which.
    pub done: i64,
}

/// The version of an account's credentials; every swap makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialsVersion(pub i64);

/// A consent that was asked for and has not come back yet. Sealed while it waits; good for one use.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthorizationAttempt {
    /// SHA-256 of the `state` parameter; the parameter itself is not stored.
    pub state_hash: [u8; 32],
    /// Who asked.
    pub tenant_id: TenantId,
    /// At which provider.
    pub provider: Provider,
    /// The account that will exist afterwards; for a reconnect the one that exists already.
    pub account_id: AccountId,
    /// The label of a new account.
    pub label: String,
    /// The PKCE verifier.
    pub code_verifier: Secret,
    /// The redirect URI that was sent.
    pub redirect_uri: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it is no longer accepted.
    pub expires_at: DateTime<Utc>,
    /// Whether a user who is connected already may be connected once more.
    pub allow_duplicate: bool,
}

/// The outcome of comparing a provider's calendar list with ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CalendarsReconciled {
    /// The calendars that are listed, each with our id: these need a subscription.
    pub listed: Vec<CalendarId>,
    /// Ours that are not listed any more: their subscriptions have to end.
    pub vanished: Vec<CalendarId>,
    /// Those of `listed` of which the account sees more or less than before: they have to be read anew, and until then what it
    /// may not see any more is not served.
    pub seen_otherwise: Vec<CalendarId>,
}

/// A state to write down for a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRecord {
    /// Which calendar.
    pub calendar_id: CalendarId,
    /// Its state now.
    pub state: CalendarState,
    /// One sentence for people.
    pub detail: Option<String>,
    /// When its channel ends, if one is live.
    pub channel_expires_at: Option<DateTime<Utc>>,
    /// When this was so. An older record never overwrites a newer one.
    pub at: DateTime<Utc>,
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
    /// The end of the window for which occurrences now exist.
    pub window_end: DateTime<Utc>,
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

/// An event that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedEvent {
    /// Its id at the provider, where that could be read.
    pub provider_id: Option<ProviderEventId>,
    /// What was wrong.
    pub reason: String,
    /// What the provider sent.
    pub raw: String,
    /// When it was first seen.
    pub at: DateTime<Utc>,
}

/// How a sync run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncRunOutcome {
    /// All was read.
    Done,
    /// It failed; `detail` says how.
    Failed,
}

impl SyncRunOutcome {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Done, Self::Failed];

    /// The name in rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// One line of a calendar's sync log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRun {
    /// Unique per run and attempt, so that writing it twice is one line.
    pub dedup_key: String,
    /// Which calendar.
    pub calendar_id: CalendarId,
    /// Why.
    pub reason: SyncReason,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// How it ended.
    pub outcome: SyncRunOutcome,
    /// Pages read.
    pub pages: i64,
    /// Changes found.
    pub changes: i64,
    /// What went wrong, by kind; no content.
    pub detail: Option<String>,
}

/// Something that a provider refuses to the whole installation, whoever's calendar it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderIncident {
    /// Which provider.
    pub provider: Provider,
    /// The provider's own word for it, such as `accessNotConfigured`.
    pub cause: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Which entries of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOf {
    /// All, of everybody: for operators of the whole installation.
    Everything,
    /// A tenant's, and those about the installation, which name nobody.
    Tenant(TenantId),
    /// A calendar's.
    Calendar(CalendarId),
}
