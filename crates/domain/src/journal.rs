//! What is written down for people who ask later: the audit log and the security log. Never event content, tokens or
//! addresses.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::account::Provider;
use crate::ids::{AccountId, CalendarId, TenantId};

/// The key of the alert that a provider does not accept this installation's OAuth client: raised once an hour while it is met.
pub fn client_refused_key(provider: Provider, at: DateTime<Utc>) -> String {
    format!("client_refused/{}/{}", provider.as_str(), at.timestamp().div_euclid(3_600))
}

/// A kind of entry of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// A subscription changed its state.
    StateChanged,
    /// An alert was raised: somebody should look.
    AlertRaised,
    /// An alert is over.
    AlertCleared,
    /// An account was connected.
    AccountConnected,
    /// An account was taken down.
    AccountDisconnected,
    /// Nothing came of somebody's consent.
    ConsentRefused,
    /// Workflows that should run were missing, and were started again.
    WorkflowMissing,
    /// A stray channel was stopped.
    OrphanStopped,
    /// Notices may have been refused for a while; all live subscriptions were told to catch up.
    CatchUp,
    /// A tenant was made.
    TenantCreated,
    /// A tenant was given other limits.
    TenantLimited,
    /// A tenant was revoked.
    TenantRevoked,
    /// An API key was made.
    KeyCreated,
    /// An API key was revoked.
    KeyRevoked,
}

impl AuditKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::StateChanged,
        Self::AlertRaised,
        Self::AlertCleared,
        Self::AccountConnected,
        Self::AccountDisconnected,
        Self::ConsentRefused,
        Self::WorkflowMissing,
        Self::OrphanStopped,
        Self::CatchUp,
        Self::TenantCreated,
        Self::TenantLimited,
        Self::TenantRevoked,
        Self::KeyCreated,
        Self::KeyRevoked,
    ];

    /// The name in rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StateChanged => "state_changed",
            Self::AlertRaised => "alert_raised",
            Self::AlertCleared => "alert_cleared",
            Self::AccountConnected => "account_connected",
            Self::AccountDisconnected => "account_disconnected",
            Self::ConsentRefused => "consent_refused",
            Self::WorkflowMissing => "workflow_missing",
            Self::OrphanStopped => "orphan_stopped",
            Self::CatchUp => "catch_up",
            Self::TenantCreated => "tenant_created",
            Self::TenantLimited => "tenant_limited",
            Self::TenantRevoked => "tenant_revoked",
            Self::KeyCreated => "key_created",
            Self::KeyRevoked => "key_revoked",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An entry of the audit log. `dedup_key` makes writing it twice (an activity may run twice) one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Unique per fact.
    pub dedup_key: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: AuditKind,
    /// Whose it is.
    pub tenant_id: Option<TenantId>,
    /// The account that it is about.
    pub account_id: Option<AccountId>,
    /// The calendar that it is about.
    pub calendar_id: Option<CalendarId>,
    /// One sentence for people.
    pub message: String,
}

/// A kind of security event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityKind {
    /// A notice whose token is missing, malformed or badly signed.
    NoticeRefused,
    /// A notice with a valid token for a calendar or channel that we do not know.
    NoticeForUnknownChannel,
    /// A notice whose headers contradict its token.
    NoticeContradicts,
    /// An API call without a valid key.
    ApiKeyRefused,
    /// An OAuth callback whose state we did not make, or that was used before.
    OAuthStateRefused,
    /// Another database was in the place of the store, or an older one.
    StoreReplaced,
}

impl SecurityKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoticeRefused,
        Self::NoticeForUnknownChannel,
        Self::NoticeContradicts,
        Self::ApiKeyRefused,
        Self::OAuthStateRefused,
        Self::StoreReplaced,
    ];

    /// The name in rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoticeRefused => "notice_refused",
            Self::NoticeForUnknownChannel => "notice_for_unknown_channel",
            Self::NoticeContradicts => "notice_contradicts",
            Self::ApiKeyRefused => "api_key_refused",
            Self::OAuthStateRefused => "oauth_state_refused",
            Self::StoreReplaced => "store_replaced",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The source of security events that are not told apart any more.
pub const OTHER_SOURCES: &str = "others";

/// An entry of the security log. The same kind from the same source within a day is counted, not repeated, so that a flood
/// cannot fill the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityEvent {
    /// When it was first seen.
    pub at: DateTime<Utc>,
    /// What was seen.
    pub kind: SecurityKind,
    /// The peer's network, as the gateway saw it: an address says no more, and a sender has many.
    pub source: String,
    /// What exactly was wrong; nothing from the request itself.
    pub message: String,
    /// How often within the day.
    pub count: i64,
}

/// How often a kind of security event was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityCount {
    /// The kind.
    pub kind: SecurityKind,
    /// How often.
    pub count: i64,
    /// When the first one was seen.
    pub first_at: DateTime<Utc>,
    /// When the last one was seen.
    pub last_at: DateTime<Utc>,
    /// From so many sources, each day's counted for itself.
    pub sources: i64,
}
