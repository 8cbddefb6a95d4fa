//! The audit log and the security log.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::Provider;
use evercal_domain::journal::{AuditEntry, OTHER_SOURCES, SecurityCount, SecurityEvent};

use super::{Backend, failed};
use crate::error::StoreError;
use crate::repository::Journal;
use crate::sql::journal::{self as sql, AuditKey, AuditRow, IncidentRow, SecurityCountRow, SecurityRow};
use crate::sql::{instant, instant_or_none, micros, page_of, readable, rows_to_fetch, storable};
use crate::types::{AuditOf, Page, PageRequest, ProviderIncident};

/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;
/// Sources of one kind and day that are told apart; those beyond count together, so that a flood is bounded.
const SOURCES_PER_DAY_MAX: i64 = 256;
/// Days that are kept.
const SECURITY_DAYS: i64 = 30;

#[async_trait]
impl Journal for Backend {
    async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        sqlx::query(sql::APPEND_AUDIT)
            .bind(&entry.dedup_key)
            .bind(micros(entry.at))
            .bind(entry.kind.as_str())
            .bind(entry.tenant_id.map(|id| id.to_string()))
            .bind(entry.account_id.map(|id| id.to_string()))
            .bind(entry.calendar_id.map(|id| id.to_string()))
            .bind(storable(&entry.message))
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("append to the audit log"))
    }

    async fn audit_entry(&self, dedup_key: &str) -> Result<Option<AuditEntry>, StoreError> {
        let row: Option<AuditRow> = sqlx::query_as(sql::AUDIT_ENTRY)
            .bind(dedup_key)
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read an entry of the audit log"))?;
        row.map(AuditEntry::try_from).transpose()
    }

    async fn audit_entries(&self, of: AuditOf, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        let before = AuditKey::read(page.after.as_deref())?;
        let query = match of {
            AuditOf::Everything => sqlx::query_as(sql::AUDIT_ALL),
            AuditOf::Tenant(tenant) => sqlx::query_as(sql::AUDIT_OF_TENANT).bind(tenant.to_string()),
            AuditOf::Calendar(calendar) => sqlx::query_as(sql::AUDIT_OF_CALENDAR).bind(calendar.to_string()),
        };
        let query = query.bind(before.at_us).bind(before.dedup_key).bind(rows_to_fetch(page));
        let rows: Vec<AuditRow> = query.fetch_all(&self.read).await.map_err(failed("read the audit log"))?;
        Ok(page_of(rows, page, AuditRow::cursor))
    }

    async fn count_security_event(&self, event: &SecurityEvent) -> Result<(), StoreError> {
        let (kind, at, day) = (event.kind.as_str(), micros(event.at), event.at.timestamp().div_euclid(DAY_S));
        let mut transaction = self.begin().await?;
        let counted = sqlx::query(sql::COUNT_AGAIN)
            .bind(kind)
            .bind(day)
            .bind(storable(&event.source))
            .bind(event.count)
            .bind(at)
            .execute(&mut *transaction)
            .await
            .map_err(failed("count a security event again"))?;
        if counted.rows_affected() == 0 {
            let sources: i64 = sqlx::query_scalar(sql::SOURCES_OF_DAY)
                .bind(kind)
                .bind(day)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed("count sources"))?;
            let source = if sources < SOURCES_PER_DAY_MAX { storable(&event.source) } else { OTHER_SOURCES.into() };
            sqlx::query(sql::COUNT_SECURITY)
                .bind(kind)
                .bind(day)
                .bind(source)
                .bind(event.count)
                .bind(at)
                .bind(storable(&event.message))
                .execute(&mut *transaction)
                .await
                .map_err(failed("count a security event"))?;
            sqlx::query(sql::FORGET_SECURITY)
                .bind(day - SECURITY_DAYS)
                .execute(&mut *transaction)
                .await
                .map_err(failed("forget old security events"))?;
        }
        self.commit(transaction, "commit a security event").await
    }

    async fn security_counts(&self) -> Result<Vec<SecurityCount>, StoreError> {
        let rows: Vec<SecurityCountRow> = sqlx::query_as(sql::SECURITY_COUNTS)
            .fetch_all(&self.read)
            .await
            .map_err(failed("count the security log"))?;
        Ok(readable(rows))
    }

    async fn open_incident(
        &self,
        provider: Provider,
        cause: &str,
        at: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, StoreError> {
        let since: i64 = sqlx::query_scalar(sql::OPEN_INCIDENT)
            .bind(provider.as_str())
            .bind(storable(cause))
            .bind(micros(at))
            .fetch_one(&self.write)
            .await
            .map_err(failed("open an incident"))?;
        instant(since, "provider_incidents.since")
    }

    async fn close_incident(&self, provider: Provider) -> Result<Option<DateTime<Utc>>, StoreError> {
        let since: Option<i64> = sqlx::query_scalar(sql::CLOSE_INCIDENT)
            .bind(provider.as_str())
            .fetch_optional(&self.write)
            .await
            .map_err(failed("close an incident"))?;
        instant_or_none(since, "provider_incidents.since")
    }

    async fn incidents(&self) -> Result<Vec<ProviderIncident>, StoreError> {
        let rows: Vec<IncidentRow> =
            sqlx::query_as(sql::INCIDENTS).fetch_all(&self.read).await.map_err(failed("list incidents"))?;
        Ok(readable(rows))
    }

    async fn security_events(&self, limit: u32) -> Result<Vec<SecurityEvent>, StoreError> {
        let rows: Vec<SecurityRow> = sqlx::query_as(sql::SECURITY)
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await
            .map_err(failed("read the security log"))?;
        Ok(readable(rows))
    }
}
