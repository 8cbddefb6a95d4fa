//! Tenants and API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant, TenantLimits};
use evercal_domain::{ApiKeyId, TenantId};

use super::{Backend, Database, Engine, failed, fetch_value, not_found};
use crate::columns::{micros, parsed, storable};
use crate::entities::tenants::{ApiKeyRow, CallerRow, TenantRow, Tenants};
use crate::error::StoreError;

const INSERT_TENANT: &str = "INSERT INTO tenants (id, name, requests_per_minute, accounts_max, created_at, revoked_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";

pub const TENANT: &str =
    "SELECT id, name, requests_per_minute, accounts_max, created_at, revoked_at FROM tenants WHERE id = $1";

/// Ids are `UUIDv7`, so their order is the order of creation; the same holds for the other lists.
const TENANTS: &str =
    "SELECT id, name, requests_per_minute, accounts_max, created_at, revoked_at FROM tenants ORDER BY id";

/// The first time counts.
const REVOKE_TENANT: &str = "UPDATE tenants SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1";

const SET_LIMITS: &str = "UPDATE tenants SET requests_per_minute = $2, accounts_max = $3 WHERE id = $1";

const INSERT_API_KEY: &str = "INSERT INTO api_keys (id, tenant_id, label, hash, scopes, created_at, revoked_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub const API_KEYS_OF_TENANT: &str = "SELECT id, tenant_id, label, hash, scopes, created_at, revoked_at FROM api_keys \
     WHERE tenant_id = $1 ORDER BY id";

const REVOKE_API_KEY: &str =
    "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1 RETURNING tenant_id";

pub const API_KEY_BY_HASH: &str = "SELECT k.id, k.tenant_id, k.label, k.hash, k.scopes, k.created_at, k.revoked_at, \
     t.name, t.requests_per_minute, t.accounts_max, t.created_at AS tenant_created_at \
     FROM api_keys k JOIN tenants t ON t.id = k.tenant_id \
     WHERE k.hash = $1 AND k.revoked_at IS NULL AND t.revoked_at IS NULL";

#[async_trait]
impl Tenants for Backend {
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let query = sqlx::query(INSERT_TENANT)
            .bind(tenant.id.to_string())
            .bind(storable(&tenant.name))
            .bind(i64::from(tenant.limits.requests_per_minute))
            .bind(i64::from(tenant.limits.accounts_max))
            .bind(micros(tenant.created_at))
            .bind(tenant.revoked_at.map(micros));
        self.write(query, "insert a tenant").await.map(drop)
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let query = sqlx::query_as::<_, TenantRow>(TENANT).bind(id.to_string());
        self.read_one(query, "read a tenant").await
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let query = sqlx::query_as::<_, TenantRow>(TENANTS);
        self.read_all(query, "list tenants").await
    }

    async fn revoke_tenant(&self, id: TenantId, at: DateTime<Utc>) -> Result<(), StoreError> {
        let query = sqlx::query(REVOKE_TENANT).bind(id.to_string()).bind(micros(at));
        self.write_one(query, "revoke a tenant").await
    }

    async fn open_accounts(&self, tenant: TenantId) -> Result<i64, StoreError> {
        count_open_accounts(self.read_pool(), tenant).await
    }

    async fn set_tenant_limits(&self, id: TenantId, limits: TenantLimits) -> Result<(), StoreError> {
        let query = sqlx::query(SET_LIMITS)
            .bind(id.to_string())
            .bind(i64::from(limits.requests_per_minute))
            .bind(i64::from(limits.accounts_max));
        self.write_one(query, "set a tenant's limits").await
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let query = sqlx::query(INSERT_API_KEY)
            .bind(key.id.to_string())
            .bind(key.tenant_id.to_string())
            .bind(storable(&key.label))
            .bind(key.hash.as_bytes().as_slice())
            .bind(key.scopes.to_string())
            .bind(micros(key.created_at))
            .bind(key.revoked_at.map(micros));
        self.write(query, "insert an API key").await.map(drop)
    }

    async fn api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<ApiKeyRow> = sqlx::query_as(API_KEYS_OF_TENANT)
            .bind(tenant.to_string())
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("list API keys"))?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }

    async fn revoke_api_key(&self, id: ApiKeyId, at: DateTime<Utc>) -> Result<TenantId, StoreError> {
        let query = sqlx::query_scalar::<_, String>(REVOKE_API_KEY).bind(id.to_string()).bind(micros(at));
        let tenant = fetch_value(self.write_pool(), query, "revoke an API key").await?;
        parsed(&tenant.ok_or_else(|| not_found("revoke an API key"))?, "api_keys.tenant_id")
    }

    async fn api_key_by_hash(&self, hash: &ApiKeyHash) -> Result<Option<(ApiKey, Tenant)>, StoreError> {
        let row: Option<CallerRow> = sqlx::query_as(API_KEY_BY_HASH)
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(self.read_pool())
            .await
            .map_err(failed("find an API key"))?;
        row.map(CallerRow::read).transpose()
    }
}

pub const OPEN_ACCOUNTS: &str = "SELECT COUNT(*) FROM accounts WHERE tenant_id = $1 AND state <> 'disconnected'";

/// How many of a tenant's accounts are not disconnected.
pub async fn count_open_accounts<'e>(
    executor: impl sqlx::Executor<'e, Database = Database>,
    tenant: TenantId,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(OPEN_ACCOUNTS)
        .bind(tenant.to_string())
        .fetch_one(executor)
        .await
        .map_err(failed("count accounts"))
}
