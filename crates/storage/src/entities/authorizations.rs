//! Consents that were asked for, until they are forgotten.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use evercal_domain::account::Secret;
use evercal_domain::{AccountId, ConsentOutcome, Provider, TenantId};
use evercal_sealing::{Context, Keyring};

use crate::columns::{corrupt, instant, parsed};
use crate::error::StoreError;

/// Consents that were asked for.
#[async_trait]
pub trait Authorizations: Send + Sync {
    /// Remembers a consent that was asked for; removes those that ran out.
    async fn insert_attempt(&self, attempt: &AuthorizationAttempt) -> Result<(), StoreError>;
    /// Takes a consent, once, with the hash of what the browser brought; the same once more is [`TakenAttempt::Before`].
    /// `None` when unknown, used with something else, or run out.
    async fn take_attempt(
        &self,
        state_hash: &[u8; 32],
        answer_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<TakenAttempt>, StoreError>;
    /// Writes down what came of a consent. What is final stays; one that is not remembered any more is no error.
    async fn end_attempt(&self, state_hash: &[u8; 32], outcome: &ConsentOutcome) -> Result<(), StoreError>;
    /// A consent that came back and was not granted, while it is remembered: to begin it again.
    async fn ended_attempt(
        &self,
        state_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, StoreError>;
    /// What came of a consent, as far as that is known.
    async fn attempt_outcome(&self, state_hash: &[u8; 32]) -> Result<Option<ConsentOutcome>, StoreError>;
    /// What came of the consent that came back last for an account, as far as that is known and remembered.
    async fn last_outcome(&self, account: AccountId) -> Result<Option<ConsentOutcome>, StoreError>;
}

/// What a browser came back with.
#[derive(Debug, Clone, PartialEq)]
pub enum TakenAttempt {
    /// It comes back for the first time: its one use.
    Now(AuthorizationAttempt),
    /// The same has come back before: a reload of the page.
    Before(AuthorizationAttempt),
}

/// A consent that was asked for and has not come back yet. Sealed while it waits; good for one use.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthorizationAttempt {
    /// SHA-256 of the `state` parameter; the parameter itself is not stored.
    pub state_hash: [u8; 32],
    /// Who asked.
    pub tenant_id: TenantId,
    /// At which provider.
    pub provider: Provider,
    /// The account that will exist afterwards; for a reconnect the one that exists already.
    pub account_id: AccountId,
    /// The label of a new account.
    pub label: String,
    /// The PKCE verifier.
    pub code_verifier: Secret,
    /// The redirect URI that was sent.
    pub redirect_uri: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it is no longer accepted.
    pub expires_at: DateTime<Utc>,
    /// Whether a user who is connected already may be connected once more.
    pub allow_duplicate: bool,
}

/// An attempt's row id as text, for [`verifier_context`].
pub fn row_id(state_hash: &[u8]) -> String {
    STANDARD.encode(state_hash)
}

/// The context in which an attempt's PKCE verifier is sealed.
pub fn verifier_context(row_id: &str) -> Context<'_> {
    Context { table: "authorizations", row: row_id, field: "code_verifier" }
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
        let verifier = keyring.open(verifier_context(&row_id(&self.state_hash)), &self.code_verifier)?;
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
