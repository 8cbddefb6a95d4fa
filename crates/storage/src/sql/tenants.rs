//! SQL and rows of tenants and API keys.

use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant};

use super::{corrupt, instant, instant_or_none, parsed};
use crate::error::StoreError;

pub const INSERT_TENANT: &str = "INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3)";

/// Ids are `UUIDv7`, so their order is the order of creation; the same holds for the other lists.
pub const TENANTS: &str = "SELECT id, name, created_at FROM tenants ORDER BY id";

pub const INSERT_API_KEY: &str = "INSERT INTO api_keys (id, tenant_id, label, hash, created_at, revoked_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";

pub const API_KEY_BY_HASH: &str = "SELECT id, tenant_id, label, hash, created_at, revoked_at FROM api_keys \
     WHERE hash = $1 AND revoked_at IS NULL";

#[derive(sqlx::FromRow)]
pub struct TenantRow {
    id: String,
    name: String,
    created_at: i64,
}

impl TryFrom<TenantRow> for Tenant {
    type Error = StoreError;

    fn try_from(row: TenantRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "tenants.id")?,
            name: row.name,
            created_at: instant(row.created_at, "tenants.created_at")?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub struct ApiKeyRow {
    id: String,
    tenant_id: String,
    label: String,
    hash: Vec<u8>,
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
            created_at: instant(row.created_at, "api_keys.created_at")?,
            revoked_at: instant_or_none(row.revoked_at, "api_keys.revoked_at")?,
        })
    }
}
