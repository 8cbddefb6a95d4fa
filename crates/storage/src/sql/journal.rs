//! SQL and rows of the audit log and the security log.

use evercal_domain::Provider;
use evercal_domain::journal::{AuditEntry, AuditKind, SecurityCount, SecurityEvent, SecurityKind};

use serde::{Deserialize, Serialize};

use super::{corrupt, from_cursor, instant, parsed, to_cursor};
use crate::error::StoreError;
use crate::types::ProviderIncident;

pub const APPEND_AUDIT: &str = "INSERT INTO audit_log (dedup_key, at, kind, tenant_id, account_id, calendar_id, message) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (dedup_key) DO NOTHING";

pub const AUDIT_ALL: &str = "SELECT dedup_key, at, kind, tenant_id, account_id, calendar_id, message FROM audit_log \
     WHERE (at, dedup_key) < ($1, $2) ORDER BY at DESC, dedup_key DESC LIMIT $3";

pub const AUDIT_ENTRY: &str = "SELECT dedup_key, at, kind, tenant_id, account_id, calendar_id, message FROM audit_log \
     WHERE dedup_key = $1";

pub const AUDIT_OF_CALENDAR: &str = "SELECT dedup_key, at, kind, tenant_id, account_id, calendar_id, message \
     FROM audit_log WHERE calendar_id = $1 AND (at, dedup_key) < ($2, $3) ORDER BY at DESC, dedup_key DESC LIMIT $4";

/// Entries without a tenant are about the installation and name nobody.
pub const AUDIT_OF_TENANT: &str = "SELECT dedup_key, at, kind, tenant_id, account_id, calendar_id, message \
     FROM audit_log WHERE (tenant_id = $1 OR tenant_id IS NULL) AND (at, dedup_key) < ($2, $3) \
     ORDER BY at DESC, dedup_key DESC LIMIT $4";

pub const COUNT_AGAIN: &str = "UPDATE security_events SET count = count + $4, \
     last_at = CASE WHEN last_at < $5 THEN $5 ELSE last_at END WHERE kind = $1 AND day = $2 AND source = $3";

pub const SOURCES_OF_DAY: &str = "SELECT COUNT(*) FROM security_events WHERE kind = $1 AND day = $2";

pub const COUNT_SECURITY: &str = "INSERT INTO security_events (kind, day, source, at, last_at, message, count) \
     VALUES ($1, $2, $3, $5, $5, $6, $4) ON CONFLICT (kind, day, source) DO UPDATE SET \
     count = security_events.count + excluded.count, last_at = CASE WHEN security_events.last_at < excluded.last_at \
     THEN excluded.last_at ELSE security_events.last_at END";

pub const FORGET_SECURITY: &str = "DELETE FROM security_events WHERE day < $1";

pub const SECURITY: &str = "SELECT kind, source, at, message, count FROM security_events \
     ORDER BY last_at DESC, kind, source LIMIT $1";

/// Of all rows, which are few.
pub const SECURITY_COUNTS: &str = "SELECT kind, CAST(SUM(count) AS BIGINT) AS count, MIN(at) AS first_at, \
     MAX(last_at) AS last_at, COUNT(*) AS sources FROM security_events GROUP BY kind ORDER BY kind";

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

pub const OPEN_INCIDENT: &str = "INSERT INTO provider_incidents (provider, cause, since) VALUES ($1, $2, $3) \
     ON CONFLICT (provider) DO UPDATE SET cause = excluded.cause RETURNING since";

pub const CLOSE_INCIDENT: &str = "DELETE FROM provider_incidents WHERE provider = $1 RETURNING since";

pub const INCIDENTS: &str = "SELECT provider, cause, since FROM provider_incidents ORDER BY provider";

#[derive(sqlx::FromRow)]
pub struct IncidentRow {
    provider: String,
    cause: String,
    since: i64,
}

impl TryFrom<IncidentRow> for ProviderIncident {
    type Error = StoreError;

    fn try_from(row: IncidentRow) -> Result<Self, StoreError> {
        Ok(Self {
            provider: Provider::from_name(&row.provider).ok_or_else(|| corrupt("provider_incidents.provider"))?,
            cause: row.cause,
            since: instant(row.since, "provider_incidents.since")?,
        })
    }
}

/// The place of an entry in the order of reading, newest first.
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
