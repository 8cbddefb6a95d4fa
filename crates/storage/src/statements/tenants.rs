//! Tenants and API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant, TenantLimits};
use evercal_domain::{ApiKeyId, TenantId};

use super::{Backend, failed, found, not_found};
use crate::error::StoreError;
use crate::repository::Tenants;
use crate::sql::tenants::{self as sql, ApiKeyRow, CallerRow, TenantRow};
use crate::sql::{micros, parsed, readable, storable};

#[async_trait]
impl Tenants for Backend {
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<(), StoreError> {
        sqlx::query(sql::INSERT_TENANT)
            .bind(tenant.id.to_string())
            .bind(storable(&tenant.name))
            .bind(i64::from(tenant.limits.requests_per_minute))
            .bind(i64::from(tenant.limits.accounts_max))
            .bind(micros(tenant.created_at))
            .bind(tenant.revoked_at.map(micros))
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("insert a tenant"))
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let row: Option<TenantRow> = sqlx::query_as(sql::TENANT)
            .bind(id.to_string())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read a tenant"))?;
        row.map(Tenant::try_from).transpose()
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows: Vec<TenantRow> =
            sqlx::query_as(sql::TENANTS).fetch_all(&self.read).await.map_err(failed("list tenants"))?;
        Ok(readable(rows))
    }

    async fn revoke_tenant(&self, id: TenantId, at: DateTime<Utc>) -> Result<(), StoreError> {
        let done = sqlx::query(sql::REVOKE_TENANT)
            .bind(id.to_string())
            .bind(micros(at))
            .execute(&self.write)
            .await
            .map_err(failed("revoke a tenant"))?;
        found(done.rows_affected(), "revoke a tenant")
    }

    async fn open_accounts(&self, tenant: TenantId) -> Result<i64, StoreError> {
        sqlx::query_scalar(sql::OPEN_ACCOUNTS)
            .bind(tenant.to_string())
            .fetch_one(&self.read)
            .await
            .map_err(failed("count accounts"))
    }

    async fn set_tenant_limits(&self, id: TenantId, limits: TenantLimits) -> Result<(), StoreError> {
        let done = sqlx::query(sql::SET_LIMITS)
            .bind(id.to_string())
            .bind(i64::from(limits.requests_per_minute))
            .bind(i64::from(limits.accounts_max))
            .execute(&self.write)
            .await
            .map_err(failed("set a tenant's limits"))?;
        found(done.rows_affected(), "set a tenant's limits")
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        sqlx::query(sql::INSERT_API_KEY)
            .bind(key.id.to_string())
            .bind(key.tenant_id.to_string())
            .bind(storable(&key.label))
            .bind(key.hash.as_bytes().as_slice())
            .bind(key.scopes.to_string())
            .bind(micros(key.created_at))
            .bind(key.revoked_at.map(micros))
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("insert an API key"))
    }

    async fn api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<ApiKeyRow> = sqlx::query_as(sql::API_KEYS_OF_TENANT)
            .bind(tenant.to_string())
            .fetch_all(&self.read)
            .await
            .map_err(failed("list API keys"))?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }

    async fn revoke_api_key(&self, id: ApiKeyId, at: DateTime<Utc>) -> Result<TenantId, StoreError> {
        let tenant: Option<String> = sqlx::query_scalar(sql::REVOKE_API_KEY)
            .bind(id.to_string())
            .bind(micros(at))
            .fetch_optional(&self.write)
            .await
            .map_err(failed("revoke an API key"))?;
        parsed(&tenant.ok_or_else(|| not_found("revoke an API key"))?, "api_keys.tenant_id")
    }

    async fn api_key_by_hash(&self, hash: &ApiKeyHash) -> Result<Option<(ApiKey, Tenant)>, StoreError> {
        let row: Option<CallerRow> = sqlx::query_as(sql::API_KEY_BY_HASH)
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("find an API key"))?;
        row.map(CallerRow::read).transpose()
    }
}
