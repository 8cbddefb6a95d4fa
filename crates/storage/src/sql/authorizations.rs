//! SQL and rows of consents under way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercal_domain::account::{Provider, Secret};

use super::{corrupt, instant, parsed};
use crate::error::StoreError;
use crate::types::AuthorizationAttempt;
use evercal_sealing::{Keyring, Place};

/// Those that came back are kept a little longer than they were good for, for the page in the browser.
pub const DELETE_EXPIRED: &str =
    "DELETE FROM authorizations WHERE expires_at <= $1 AND (taken_at IS NULL OR expires_at <= $2)";

pub const INSERT: &str = "INSERT INTO authorizations (state_hash, tenant_id, provider, account_id, label, \
     code_verifier, redirect_uri, created_at, expires_at, allow_duplicate) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

pub const ASKED_FOR: &str = "SELECT COUNT(*) FROM authorizations WHERE state_hash = $1";

/// Marking and reading in one statement is what makes an attempt good for one use.
pub const TAKE: &str = "UPDATE authorizations SET taken_at = $2, answer_hash = $3 \
     WHERE state_hash = $1 AND taken_at IS NULL AND expires_at > $2 RETURNING state_hash, tenant_id, provider, \
     account_id, label, code_verifier, redirect_uri, created_at, expires_at, allow_duplicate";

pub const TAKEN: &str = "SELECT state_hash, tenant_id, provider, account_id, label, code_verifier, redirect_uri, \
     created_at, expires_at, allow_duplicate FROM authorizations WHERE state_hash = $1 AND taken_at IS NOT NULL \
     AND answer_hash = $2";

pub const ENDED: &str = "SELECT state_hash, tenant_id, provider, account_id, label, code_verifier, redirect_uri, \
     created_at, expires_at, allow_duplicate FROM authorizations WHERE state_hash = $1 AND taken_at IS NOT NULL \
     AND outcome IS NOT NULL AND outcome <> $2 AND expires_at > $3";

/// What is final stays.
pub const SET_OUTCOME: &str = "UPDATE authorizations SET outcome = $2 WHERE state_hash = $1 \
     AND (outcome IS NULL OR outcome = $3)";

pub const OUTCOME: &str = "SELECT outcome FROM authorizations WHERE state_hash = $1 AND outcome IS NOT NULL";

pub const LAST_OUTCOME: &str = "SELECT outcome FROM authorizations WHERE account_id = $1 AND taken_at IS NOT NULL \
     ORDER BY taken_at DESC LIMIT 1";

/// An attempt's row id as text, for [`verifier_place`].
pub fn row_id(state_hash: &[u8]) -> String {
    STANDARD.encode(state_hash)
}

/// Where an attempt's PKCE verifier is sealed for.
pub fn verifier_place(row_id: &str) -> Place<'_> {
    Place { table: "authorizations", row: row_id, field: "code_verifier" }
}

#[derive(sqlx::FromRow)]
pub struct AttemptRow {
    state_hash: Vec<u8>,
    tenant_id: String,
    provider: String,
    account_id: String,
    label: String,
    code_verifier: Vec<u8>,
    redirect_uri: String,
    created_at: i64,
    expires_at: i64,
    allow_duplicate: bool,
}

impl AttemptRow {
    /// Opens the sealed part and reads the rest.
    pub fn open(self, keyring: &Keyring) -> Result<AuthorizationAttempt, StoreError> {
        let verifier = keyring.open(verifier_place(&row_id(&self.state_hash)), &self.code_verifier)?;
        let verifier = std::str::from_utf8(&verifier).map_err(|_| corrupt("authorizations.code_verifier"))?;
        Ok(AuthorizationAttempt {
            state_hash: self.state_hash.try_into().map_err(|_| corrupt("authorizations.state_hash"))?,
            tenant_id: parsed(&self.tenant_id, "authorizations.tenant_id")?,
            provider: Provider::from_name(&self.provider).ok_or_else(|| corrupt("authorizations.provider"))?,
            account_id: parsed(&self.account_id, "authorizations.account_id")?,
            label: self.label,
            code_verifier: Secret::new(verifier),
            redirect_uri: self.redirect_uri,
            created_at: instant(self.created_at, "authorizations.created_at")?,
            expires_at: instant(self.expires_at, "authorizations.expires_at")?,
            allow_duplicate: self.allow_duplicate,
        })
    }
}
