//! SQL and rows of tenants and API keys.

use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant, TenantLimits};

use super::{corrupt, instant, instant_or_none, parsed};
use crate::error::StoreError;

pub const INSERT_TENANT: &str = "INSERT INTO tenants (id, name, requests_per_minute, accounts_max, created_at, revoked_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";

pub const TENANT: &str =
    "SELECT id, name, requests_per_minute, accounts_max, created_at, revoked_at FROM tenants WHERE id = $1";

/// Ids are `UUIDv7`, so their order is the order of creation; the same holds for the other lists.
pub const TENANTS: &str =
    "SELECT id, name, requests_per_minute, accounts_max, created_at, revoked_at FROM tenants ORDER BY id";

/// The first time counts.
pub const REVOKE_TENANT: &str = "UPDATE tenants SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1";

/// Whoever adds an account to the tenant comes after this one.
pub const LOCK: &str =
    "UPDATE tenants SET accounts_max = accounts_max WHERE id = $1 RETURNING accounts_max, revoked_at";

pub const SET_LIMITS: &str = "UPDATE tenants SET requests_per_minute = $2, accounts_max = $3 WHERE id = $1";

pub const OPEN_ACCOUNTS: &str = "SELECT COUNT(*) FROM accounts WHERE tenant_id = $1 AND state <> 'disconnected'";

pub const INSERT_API_KEY: &str = "INSERT INTO api_keys (id, tenant_id, label, hash, scopes, created_at, revoked_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub const API_KEYS_OF_TENANT: &str = "SELECT id, tenant_id, label, hash, scopes, created_at, revoked_at FROM api_keys \
     WHERE tenant_id = $1 ORDER BY id";

pub const REVOKE_API_KEY: &str =
    "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1 RETURNING tenant_id";

pub const API_KEY_BY_HASH: &str = "SELECT k.id, k.tenant_id, k.label, k.hash, k.scopes, k.created_at, k.revoked_at, \
     t.name, t.requests_per_minute, t.accounts_max, t.created_at AS tenant_created_at \
     FROM api_keys k JOIN tenants t ON t.id = k.tenant_id \
     WHERE k.hash = $1 AND k.revoked_at IS NULL AND t.revoked_at IS NULL";

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
