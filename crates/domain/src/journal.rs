//! What is written down for people who ask later: the audit log and the security log. Never event content, tokens or
//! addresses.

use chrono::{DateTime, Utc};

use crate::ids::{AccountId, CalendarId, TenantId};
use crate::provider::Provider;

/// The key of the alert that a provider does not accept this installation's OAuth client: raised once an hour while it is met.
pub fn client_refused_key(provider: Provider, at: DateTime<Utc>) -> String {
    format!("client_refused/{}/{}", provider.as_str(), at.timestamp().div_euclid(3_600))
}

/// A kind of entry of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditKind {
    /// A subscription changed its state.
    StateChanged,
    /// An alert was raised: an operator should act.
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
    /// Notices may have been lost for a while; all live subscriptions were signalled to catch up.
    CatchUp,
    /// The provider had ended a channel before its time: for a while nothing may have been announced.
    ChannelGap,
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

names! {
    AuditKind {
        StateChanged = "state_changed",
        AlertRaised = "alert_raised",
        AlertCleared = "alert_cleared",
        AccountConnected = "account_connected",
        AccountDisconnected = "account_disconnected",
        ConsentRefused = "consent_refused",
        WorkflowMissing = "workflow_missing",
        OrphanStopped = "orphan_stopped",
        CatchUp = "catch_up",
        ChannelGap = "channel_gap",
        TenantCreated = "tenant_created",
        TenantLimited = "tenant_limited",
        TenantRevoked = "tenant_revoked",
        KeyCreated = "key_created",
        KeyRevoked = "key_revoked",
    }
}

/// What kind of trouble a provider is in with the whole installation, whoever's calendar it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncidentKind {
    /// It refuses the installation.
    Refused,
    /// A gateway or a worker has it off, although accounts are connected there.
    Off,
}

names! {
    IncidentKind {
        Refused = "refused",
        Off = "off",
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

names! {
    SecurityKind {
        NoticeRefused = "notice_refused",
        NoticeForUnknownChannel = "notice_for_unknown_channel",
        NoticeContradicts = "notice_contradicts",
        ApiKeyRefused = "api_key_refused",
        OAuthStateRefused = "oauth_state_refused",
        StoreReplaced = "store_replaced",
    }
}

/// The source under which further sources of one day are counted together.
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
