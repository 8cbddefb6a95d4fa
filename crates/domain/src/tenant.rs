//! Tenants and the API keys that speak for them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{ApiKeyId, TenantId};

/// A customer of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// A name for people.
    pub name: String,
    /// What it may use of the installation.
    pub limits: TenantLimits,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was: none of its keys is accepted any more.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Tenant {
    /// A new tenant with the default limits.
    pub fn new(name: impl Into<String>, created_at: DateTime<Utc>) -> Self {
        let limits = TenantLimits::default();
        Self { id: TenantId::generate(), name: name.into(), limits, created_at, revoked_at: None }
    }
}

/// What a tenant may use of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    /// Requests to the API per minute and gateway, evenly; a burst may use a minute's worth at once.
    pub requests_per_minute: u32,
    /// Accounts that are not disconnected.
    pub accounts_max: u32,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self { requests_per_minute: 6_000, accounts_max: 1_000 }
    }
}

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See accounts, calendars and events.
    Read,
    /// Connect and disconnect accounts, ask for a sync.
    Write,
    /// Read the audit log and the security log.
    Operator,
    /// See events in the provider's own text too, which may say more than evercal's fields do.
    Raw,
}

names! { Scope { Read = "read", Write = "write", Operator = "operator", Raw = "raw" } }

/// A text that names no scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scopes are some of read, write, operator and raw, separated by commas")]
pub struct InvalidScopes;

/// What a key may be used for: at least one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Everything.
    pub fn all() -> Self {
        Self(Scope::ALL.into())
    }

    /// Whether this is among them.
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// In the order of [`Scope::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.iter().map(Scope::as_str).collect();
        formatter.write_str(&names.join(","))
    }
}

impl std::str::FromStr for Scopes {
    type Err = InvalidScopes;

    fn from_str(text: &str) -> Result<Self, InvalidScopes> {
        let scopes: Option<BTreeSet<Scope>> = text.split(',').map(|name| Scope::from_name(name.trim())).collect();
        scopes.filter(|scopes| !scopes.is_empty()).map(Self).ok_or(InvalidScopes)
    }
}

/// An API key as the store knows it: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public id, used in the audit log.
    pub id: ApiKeyId,
    /// Whom it speaks for.
    pub tenant_id: TenantId,
    /// A name for people.
    pub label: String,
    /// SHA-256 of the key.
    pub hash: ApiKeyHash,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// The row of a key that speaks for a tenant in everything.
    pub fn new(tenant_id: TenantId, label: impl Into<String>, key: &str, created_at: DateTime<Utc>) -> Self {
        let (id, hash, scopes) = (ApiKeyId::generate(), ApiKeyHash::of(key), Scopes::all());
        Self { id, tenant_id, label: label.into(), hash, scopes, created_at, revoked_at: None }
    }
}

/// SHA-256 of an API key. Keys carry 256 random bits, so a plain hash cannot be searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKeyHash {
    /// The hash of a presented key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// The raw bytes, as stored.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads stored bytes back.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_and_what_is_none_is_refused() {
        let scopes: Scopes = "operator, read".parse().unwrap();
        assert_eq!(scopes.to_string(), "read,operator");
        assert!(scopes.allow(Scope::Read) && !scopes.allow(Scope::Write));
        assert_eq!(Scopes::all().to_string().parse(), Ok(Scopes::all()));
        for wrong in ["", ",", "read,", "admin", "Read"] {
            assert_eq!(wrong.parse::<Scopes>(), Err(InvalidScopes), "{wrong}");
        }
    }
}
