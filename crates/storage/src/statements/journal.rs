//! The audit log and the security log.

use async_trait::async_trait;
use evercal_domain::journal::{AuditEntry, SecurityEvent};

use super::{Backend, failed};
use crate::error::StoreError;
use crate::repository::Journal;
use crate::sql::journal::{self as sql, AuditKey, AuditRow, SecurityRow};
use crate::sql::{micros, page_of, readable, rows_to_fetch, storable};
use crate::types::{AuditOf, Page, PageRequest};

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
        sqlx::query(sql::COUNT_SECURITY)
            .bind(event.kind.as_str())
            .bind(storable(&event.source))
            .bind(event.at.timestamp().div_euclid(60))
            .bind(micros(event.at))
            .bind(storable(&event.message))
            .bind(event.count)
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("count a security event"))
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
