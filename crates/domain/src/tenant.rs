//! Tenants and the API keys that speak for them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{ApiKeyId, TenantId};

/// A customer of this installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// A name for people.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
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
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
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
