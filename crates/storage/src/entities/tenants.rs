//! Tenants and their API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant, TenantLimits};
use evercal_domain::{ApiKeyId, TenantId};

use crate::columns::{corrupt, instant, instant_or_none, parsed};
use crate::error::StoreError;

/// Tenants and their API keys.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Adds a tenant.
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<(), StoreError>;
    /// A tenant.
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;
    /// All tenants, oldest first.
    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;
    /// Shuts a tenant's keys out. Revoking again changes nothing.
    async fn revoke_tenant(&self, id: TenantId, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// How many of a tenant's accounts are not disconnected.
    async fn open_accounts(&self, tenant: TenantId) -> Result<i64, StoreError>;
    /// Gives a tenant other limits.
    async fn set_tenant_limits(&self, id: TenantId, limits: TenantLimits) -> Result<(), StoreError>;
    /// Adds a key.
    async fn insert_api_key(&self, key: &ApiKey) -> Result<(), StoreError>;
    /// A tenant's keys, oldest first, revoked ones included.
    async fn api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKey>, StoreError>;
    /// Shuts a key out, and answers whose it is. Revoking again changes nothing.
    async fn revoke_api_key(&self, id: ApiKeyId, at: DateTime<Utc>) -> Result<TenantId, StoreError>;
    /// Finds a key, and its tenant, by the hash of what was presented; not when either is revoked.
    async fn api_key_by_hash(&self, hash: &ApiKeyHash) -> Result<Option<(ApiKey, Tenant)>, StoreError>;
}

#[derive(sqlx::FromRow)]
pub struct TenantRow {
    id: String,
    name: String,
    requests_per_minute: i64,
    accounts_max: i64,
    created_at: i64,
    revoked_at: Option<i64>,
}

impl TryFrom<TenantRow> for Tenant {
    type Error = StoreError;

    fn try_from(row: TenantRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "tenants.id")?,
            name: row.name,
            limits: TenantLimits {
                requests_per_minute: count(row.requests_per_minute, "tenants.requests_per_minute")?,
                accounts_max: count(row.accounts_max, "tenants.accounts_max")?,
            },
            created_at: instant(row.created_at, "tenants.created_at")?,
            revoked_at: instant_or_none(row.revoked_at, "tenants.revoked_at")?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub struct ApiKeyRow {
    id: String,
    tenant_id: String,
    label: String,
    hash: Vec<u8>,
    scopes: String,
    created_at: i64,
    revoked_at: Option<i64>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: ApiKeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "api_keys.id")?,
            tenant_id: parsed(&row.tenant_id, "api_keys.tenant_id")?,
            label: row.label,
            hash: ApiKeyHash::from_bytes(row.hash.try_into().map_err(|_| corrupt("api_keys.hash"))?),
            scopes: parsed(&row.scopes, "api_keys.scopes")?,
            created_at: instant(row.created_at, "api_keys.created_at")?,
            revoked_at: instant_or_none(row.revoked_at, "api_keys.revoked_at")?,
        })
    }
}

/// A key that is accepted, and its tenant.
#[derive(sqlx::FromRow)]
pub struct CallerRow {
    #[sqlx(flatten)]
    key: ApiKeyRow,
    name: String,
    requests_per_minute: i64,
    accounts_max: i64,
    tenant_created_at: i64,
}

impl CallerRow {
    pub fn read(self) -> Result<(ApiKey, Tenant), StoreError> {
        let tenant = TenantRow {
            id: self.key.tenant_id.clone(),
            name: self.name,
            requests_per_minute: self.requests_per_minute,
            accounts_max: self.accounts_max,
            created_at: self.tenant_created_at,
            revoked_at: None,
        };
        Ok((self.key.try_into()?, tenant.try_into()?))
    }
}

fn count(stored: i64, column: &'static str) -> Result<u32, StoreError> {
    u32::try_from(stored).map_err(|_| corrupt(column))
}
