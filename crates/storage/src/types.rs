//! What goes into the store and comes out of it, where the domain has no type of its own for it.

mod mirror;

use chrono::{DateTime, Utc};
use evercal_domain::account::{Credentials, Secret};
use evercal_domain::{
    AccountId, CalendarId, CalendarState, ConsentOutcome, Provider, ProviderEventId, SyncReason, TenantId,
};
use serde::{Deserialize, Serialize};

pub use mirror::{
    Cursor, Expanded, OccurrenceRange, OwnerOccurrences, PageCommit, PageCommitted, PassFinish, Reached,
    ReadOccurrence, SeriesRows, StaleItem, StoredBody, StoredItem, SyncPosition, WindowNow,
};

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
