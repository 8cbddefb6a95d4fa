//! Tenants and API keys.

use async_trait::async_trait;
use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant};

use super::{Backend, failed};
use crate::error::StoreError;
use crate::repository::Tenants;
use crate::sql::micros;
use crate::sql::tenants::{self as sql, ApiKeyRow, TenantRow};

#[async_trait]
impl Tenants for Backend {
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<(), StoreError> {
        sqlx::query(sql::INSERT_TENANT)
            .bind(tenant.id.to_string())
            .bind(&tenant.name)
            .bind(micros(tenant.created_at))
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("insert a tenant"))
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows: Vec<TenantRow> =
            sqlx::query_as(sql::TENANTS).fetch_all(&self.read).await.map_err(failed("list tenants"))?;
        rows.into_iter().map(Tenant::try_from).collect()
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        sqlx::query(sql::INSERT_API_KEY)
            .bind(key.id.to_string())
            .bind(key.tenant_id.to_string())
            .bind(&key.label)
            .bind(key.hash.as_bytes().as_slice())
            .bind(micros(key.created_at))
            .bind(key.revoked_at.map(micros))
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("insert an API key"))
    }

    async fn api_key_by_hash(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError> {
        let row: Option<ApiKeyRow> = sqlx::query_as(sql::API_KEY_BY_HASH)
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("find an API key"))?;
        row.map(ApiKey::try_from).transpose()
    }
}
