//! The audit log, the security log, and the incidents of providers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::journal::{AuditEntry, AuditKind, IncidentKind, SecurityCount, SecurityEvent, SecurityKind};
use evercal_domain::{CalendarId, Provider, TenantId};
use serde::{Deserialize, Serialize};

use crate::columns::{corrupt, instant, parsed};
use crate::error::StoreError;
use crate::paging::{Page, PageRequest, from_cursor, to_cursor};

/// The audit log and the security log.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes an audit entry. The same key again is no error.
    async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// The audit entry with this key.
    async fn audit_entry(&self, dedup_key: &str) -> Result<Option<AuditEntry>, StoreError>;
    /// Audit entries, newest first.
    async fn audit_entries(&self, of: AuditOf, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError>;
    /// Counts a security event: the same kind from the same source on the same day is one row. Of one kind and day, 256
    /// sources have their own rows, and those beyond count as [`evercal_domain::journal::OTHER_SOURCES`]; 30 days are kept.
    async fn count_security_event(&self, event: &SecurityEvent) -> Result<(), StoreError>;
    /// How often each kind was seen, in all that is kept.
    async fn security_counts(&self) -> Result<Vec<SecurityCount>, StoreError>;
    /// Reports an incident, as one that begins with `incident.since`, and answers since when it is there. However many callers
    /// report it, and how often, it is one, with one alert in the audit log, which says `message`.
    async fn open_incident(&self, incident: &ProviderIncident, message: &str) -> Result<DateTime<Utc>, StoreError>;
    /// Ends an incident, and notes that in the audit log; answers since when it lasted. `None` where there is none, where
    /// another caller has ended it, or where another report than `end.only_if_reported_at` is the last one.
    async fn close_incident(&self, end: &IncidentEnd<'_>) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// The open incidents.
    async fn incidents(&self) -> Result<Vec<ProviderIncident>, StoreError>;
    /// Security events, newest first.
    async fn security_events(&self, limit: u32) -> Result<Vec<SecurityEvent>, StoreError>;
}

/// The trouble that a provider is in with the whole installation, whoever's calendar it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderIncident {
    /// Which provider.
    pub provider: Provider,
    /// What kind of trouble.
    pub kind: IncidentKind,
    /// The provider's own word for what it refuses, such as `accessNotConfigured`; the setting that would turn on one that is
    /// off.
    pub cause: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The time of its last report, by the clock of whoever reported it.
    pub reported_at: DateTime<Utc>,
}

/// The end of an incident.
#[derive(Debug, Clone, Copy)]
pub struct IncidentEnd<'a> {
    /// Which provider's.
    pub provider: Provider,
    /// Of what kind.
    pub kind: IncidentKind,
    /// When it ends.
    pub at: DateTime<Utc>,
    /// The last report, where a later one is to keep it open.
    pub only_if_reported_at: Option<DateTime<Utc>>,
    /// What the audit log says of it, for people.
    pub message: &'a str,
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

#[derive(sqlx::FromRow)]
pub struct AuditRow {
    dedup_key: String,
    at: i64,
    kind: String,
    tenant_id: Option<String>,
    account_id: Option<String>,
    calendar_id: Option<String>,
    message: String,
}

impl AuditRow {
    /// Where the page after this row begins.
    pub fn cursor(&self) -> String {
        to_cursor(&AuditKey { at_us: self.at, dedup_key: self.dedup_key.clone() })
    }
}

impl TryFrom<AuditRow> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self, StoreError> {
        Ok(Self {
            dedup_key: row.dedup_key,
            at: instant(row.at, "audit_log.at")?,
            kind: AuditKind::from_name(&row.kind).ok_or_else(|| corrupt("audit_log.kind"))?,
            tenant_id: row.tenant_id.map(|id| parsed(&id, "audit_log.tenant_id")).transpose()?,
            account_id: row.account_id.map(|id| parsed(&id, "audit_log.account_id")).transpose()?,
            calendar_id: row.calendar_id.map(|id| parsed(&id, "audit_log.calendar_id")).transpose()?,
            message: row.message,
        })
    }
}

/// The position of an entry in the order of reading, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditKey {
    #[serde(rename = "a")]
    pub at_us: i64,
    #[serde(rename = "d")]
    pub dedup_key: String,
}

impl AuditKey {
    /// Newer than all entries.
    const FIRST: Self = Self { at_us: i64::MAX, dedup_key: String::new() };

    /// Reads a cursor; none is the beginning.
    pub fn read(cursor: Option<&str>) -> Result<Self, StoreError> {
        cursor.map_or(Ok(Self::FIRST), from_cursor)
    }
}

#[derive(sqlx::FromRow)]
pub struct SecurityRow {
    kind: String,
    source: String,
    at: i64,
    message: String,
    count: i64,
}

impl TryFrom<SecurityRow> for SecurityEvent {
    type Error = StoreError;

    fn try_from(row: SecurityRow) -> Result<Self, StoreError> {
        Ok(Self {
            at: instant(row.at, "security_events.at")?,
            kind: SecurityKind::from_name(&row.kind).ok_or_else(|| corrupt("security_events.kind"))?,
            source: row.source,
            message: row.message,
            count: row.count,
        })
    }
}

#[derive(sqlx::FromRow)]
pub struct SecurityCountRow {
    kind: String,
    count: i64,
    first_at: i64,
    last_at: i64,
    sources: i64,
}

impl TryFrom<SecurityCountRow> for SecurityCount {
    type Error = StoreError;

    fn try_from(row: SecurityCountRow) -> Result<Self, StoreError> {
        Ok(Self {
            kind: SecurityKind::from_name(&row.kind).ok_or_else(|| corrupt("security_events.kind"))?,
            count: row.count,
            first_at: instant(row.first_at, "security_events.at")?,
            last_at: instant(row.last_at, "security_events.last_at")?,
            sources: row.sources,
        })
    }
}

#[derive(sqlx::FromRow)]
pub struct IncidentRow {
    provider: String,
    kind: String,
    cause: String,
    since: i64,
    reported_at: i64,
}

impl TryFrom<IncidentRow> for ProviderIncident {
    type Error = StoreError;

    fn try_from(row: IncidentRow) -> Result<Self, StoreError> {
        Ok(Self {
            provider: Provider::from_name(&row.provider).ok_or_else(|| corrupt("provider_incidents.provider"))?,
            kind: IncidentKind::from_name(&row.kind).ok_or_else(|| corrupt("provider_incidents.kind"))?,
            cause: row.cause,
            since: instant(row.since, "provider_incidents.since")?,
            reported_at: instant(row.reported_at, "provider_incidents.reported_at")?,
        })
    }
}
