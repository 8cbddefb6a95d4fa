//! The audit log, the security log, and the incidents of providers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::Provider;
use evercal_domain::journal::{AuditEntry, AuditKind, IncidentKind, OTHER_SOURCES, SecurityCount, SecurityEvent};

use super::{Backend, Engine, Query, execute, failed};
use crate::columns::{instant, instant_or_none, micros, storable};
use crate::entities::journal::{
    AuditKey, AuditOf, AuditRow, IncidentEnd, IncidentRow, Journal, ProviderIncident, SecurityCountRow, SecurityRow,
};
use crate::error::StoreError;
use crate::paging::{Page, PageRequest, page_of, rows_to_fetch};

/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;
/// Sources of one kind and day that have their own rows; those beyond count together, so that a flood is bounded.
const SOURCES_PER_DAY_MAX: i64 = 256;
/// Days that are kept.
const SECURITY_DAYS: i64 = 30;

const APPEND_AUDIT: &str = "INSERT INTO audit_log (dedup_key, at, kind, tenant_id, account_id, calendar_id, message) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (dedup_key) DO NOTHING";

const AUDIT_ENTRY: &str = "SELECT dedup_key, at, kind, tenant_id, account_id, calendar_id, message FROM audit_log \
     WHERE dedup_key = $1";

pub const AUDIT_ALL: &str = "SELECT dedup_key, at, kind, tenant_id, account_id, calendar_id, message FROM audit_log \
     WHERE (at, dedup_key) < ($1, $2) ORDER BY at DESC, dedup_key DESC LIMIT $3";

/// Entries without a tenant are about the installation and name nobody.
pub const AUDIT_OF_TENANT: &str = "SELECT dedup_key, at, kind, tenant_id, account_id, calendar_id, message \
     FROM audit_log WHERE (tenant_id = $1 OR tenant_id IS NULL) AND (at, dedup_key) < ($2, $3) \
     ORDER BY at DESC, dedup_key DESC LIMIT $4";

pub const AUDIT_OF_CALENDAR: &str = "SELECT dedup_key, at, kind, tenant_id, account_id, calendar_id, message \
     FROM audit_log WHERE calendar_id = $1 AND (at, dedup_key) < ($2, $3) ORDER BY at DESC, dedup_key DESC LIMIT $4";

const COUNT_AGAIN: &str = "UPDATE security_events SET count = count + $4, \
     last_at = CASE WHEN last_at < $5 THEN $5 ELSE last_at END WHERE kind = $1 AND day = $2 AND source = $3";

const SOURCES_OF_DAY: &str = "SELECT COUNT(*) FROM security_events WHERE kind = $1 AND day = $2";

const COUNT_SECURITY: &str = "INSERT INTO security_events (kind, day, source, at, last_at, message, count) \
     VALUES ($1, $2, $3, $5, $5, $6, $4) ON CONFLICT (kind, day, source) DO UPDATE SET \
     count = security_events.count + excluded.count, last_at = CASE WHEN security_events.last_at < excluded.last_at \
     THEN excluded.last_at ELSE security_events.last_at END";

const FORGET_SECURITY: &str = "DELETE FROM security_events WHERE day < $1";

/// Of all rows, which are few.
const SECURITY_COUNTS: &str = "SELECT kind, CAST(SUM(count) AS BIGINT) AS count, MIN(at) AS first_at, \
     MAX(last_at) AS last_at, COUNT(*) AS sources FROM security_events GROUP BY kind ORDER BY kind";

const OPEN_INCIDENT: &str = "INSERT INTO provider_incidents (provider, kind, cause, since, reported_at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (provider, kind) DO UPDATE SET cause = excluded.cause, \
     reported_at = excluded.reported_at RETURNING since";

const CLOSE_INCIDENT: &str = "DELETE FROM provider_incidents WHERE provider = $1 AND kind = $2 \
     AND reported_at = COALESCE($3, reported_at) RETURNING since";

pub const INCIDENTS: &str =
    "SELECT provider, kind, cause, since, reported_at FROM provider_incidents ORDER BY provider, kind";

pub const SECURITY: &str = "SELECT kind, source, at, message, count FROM security_events \
     ORDER BY last_at DESC, kind, source LIMIT $1";

#[async_trait]
impl Journal for Backend {
    async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.write(append(entry), "append to the audit log").await.map(drop)
    }

    async fn audit_entry(&self, dedup_key: &str) -> Result<Option<AuditEntry>, StoreError> {
        let query = sqlx::query_as::<_, AuditRow>(AUDIT_ENTRY).bind(dedup_key);
        self.read_one(query, "read an entry of the audit log").await
    }

    async fn audit_entries(&self, of: AuditOf, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        let before = AuditKey::read(page.after.as_deref())?;
        let query = match of {
            AuditOf::Everything => sqlx::query_as(AUDIT_ALL),
            AuditOf::Tenant(tenant) => sqlx::query_as(AUDIT_OF_TENANT).bind(tenant.to_string()),
            AuditOf::Calendar(calendar) => sqlx::query_as(AUDIT_OF_CALENDAR).bind(calendar.to_string()),
        };
        let query = query.bind(before.at_us).bind(before.dedup_key).bind(rows_to_fetch(page));
        let rows: Vec<AuditRow> = query.fetch_all(self.read_pool()).await.map_err(failed("read the audit log"))?;
        Ok(page_of(rows, page, AuditRow::cursor))
    }

    async fn count_security_event(&self, event: &SecurityEvent) -> Result<(), StoreError> {
        let (kind, at, day) = (event.kind.as_str(), micros(event.at), event.at.timestamp().div_euclid(DAY_S));
        let mut transaction = self.begin().await?;
        let query =
            sqlx::query(COUNT_AGAIN).bind(kind).bind(day).bind(storable(&event.source)).bind(event.count).bind(at);
        if execute(&mut transaction, query, "count a security event again").await? == 0 {
            let sources: i64 = sqlx::query_scalar(SOURCES_OF_DAY)
                .bind(kind)
                .bind(day)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed("count sources"))?;
            let source = if sources < SOURCES_PER_DAY_MAX { storable(&event.source) } else { OTHER_SOURCES.into() };
            let query = sqlx::query(COUNT_SECURITY)
                .bind(kind)
                .bind(day)
                .bind(source)
                .bind(event.count)
                .bind(at)
                .bind(storable(&event.message));
            execute(&mut transaction, query, "count a security event").await?;
            let query = sqlx::query(FORGET_SECURITY).bind(day - SECURITY_DAYS);
            execute(&mut transaction, query, "forget old security events").await?;
        }
        self.commit(transaction, "commit a security event").await
    }

    async fn security_counts(&self) -> Result<Vec<SecurityCount>, StoreError> {
        let query = sqlx::query_as::<_, SecurityCountRow>(SECURITY_COUNTS);
        self.read_all(query, "count the security log").await
    }

    async fn open_incident(&self, incident: &ProviderIncident, message: &str) -> Result<DateTime<Utc>, StoreError> {
        let mut transaction = self.begin().await?;
        let since: i64 = sqlx::query_scalar(OPEN_INCIDENT)
            .bind(incident.provider.as_str())
            .bind(incident.kind.as_str())
            .bind(storable(&incident.cause))
            .bind(micros(incident.since))
            .bind(micros(incident.reported_at))
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("open an incident"))?;
        if since == micros(incident.since) {
            let key = incident_key(incident.provider, incident.kind, since);
            let alert = of_installation(key, incident.since, AuditKind::AlertRaised, message);
            execute(&mut transaction, append(&alert), "raise the alert of an incident").await?;
        }
        self.commit(transaction, "commit an incident").await?;
        instant(since, "provider_incidents.since")
    }

    async fn close_incident(&self, end: &IncidentEnd<'_>) -> Result<Option<DateTime<Utc>>, StoreError> {
        let mut transaction = self.begin().await?;
        let since: Option<i64> = sqlx::query_scalar(CLOSE_INCIDENT)
            .bind(end.provider.as_str())
            .bind(end.kind.as_str())
            .bind(end.only_if_reported_at.map(micros))
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed("close an incident"))?;
        if let Some(since) = since {
            let key = format!("{}/over", incident_key(end.provider, end.kind, since));
            let cleared = of_installation(key, end.at, AuditKind::AlertCleared, end.message);
            execute(&mut transaction, append(&cleared), "clear the alert of an incident").await?;
        }
        self.commit(transaction, "commit the end of an incident").await?;
        instant_or_none(since, "provider_incidents.since")
    }

    async fn incidents(&self) -> Result<Vec<ProviderIncident>, StoreError> {
        let query = sqlx::query_as::<_, IncidentRow>(INCIDENTS);
        self.read_all(query, "list incidents").await
    }

    async fn security_events(&self, limit: u32) -> Result<Vec<SecurityEvent>, StoreError> {
        let query = sqlx::query_as::<_, SecurityRow>(SECURITY).bind(i64::from(limit));
        self.read_all(query, "read the security log").await
    }
}

fn append(entry: &AuditEntry) -> Query<'_> {
    sqlx::query(APPEND_AUDIT)
        .bind(&entry.dedup_key)
        .bind(micros(entry.at))
        .bind(entry.kind.as_str())
        .bind(entry.tenant_id.map(|id| id.to_string()))
        .bind(entry.account_id.map(|id| id.to_string()))
        .bind(entry.calendar_id.map(|id| id.to_string()))
        .bind(storable(&entry.message))
}

fn incident_key(provider: Provider, kind: IncidentKind, since_us: i64) -> String {
    format!("incident/{}/{}/{since_us}", provider.as_str(), kind.as_str())
}

/// An entry about the installation: every tenant sees it.
fn of_installation(dedup_key: String, at: DateTime<Utc>, kind: AuditKind, message: &str) -> AuditEntry {
    AuditEntry {
        dedup_key,
        at,
        kind,
        tenant_id: None,
        account_id: None,
        calendar_id: None,
        message: message.to_owned(),
    }
}
