//! The sealed credentials of accounts, and whose grant they are.

use async_trait::async_trait;
use evercal_domain::AccountId;
use evercal_domain::account::Credentials;
use evercal_sealing::Context;

use crate::error::StoreError;

/// The sealed credentials of accounts, and whose grant they are.
#[async_trait]
pub trait AccountCredentials: Send + Sync {
    /// Opens an account's credentials; `None` when there is no account or they were erased.
    async fn credentials(&self, id: AccountId) -> Result<Option<(Credentials, CredentialsVersion)>, StoreError>;
    /// Replaces the credentials if they still have the expected version; else [`crate::StoreErrorKind::Conflict`].
    async fn swap_credentials(
        &self,
        id: AccountId,
        expected: CredentialsVersion,
        credentials: &Credentials,
    ) -> Result<CredentialsVersion, StoreError>;
    /// Erases the credentials, and a consent that waits.
    async fn erase_credentials(&self, id: AccountId) -> Result<(), StoreError>;
    /// Remembers whose grant this is (a hash, not an address), to know when two accounts share one.
    async fn set_grant_subject(&self, id: AccountId, subject_hash: &str) -> Result<(), StoreError>;
    /// Whose grant this is, as it was last remembered; `None` before that.
    async fn grant_subject(&self, id: AccountId) -> Result<Option<String>, StoreError>;
    /// Whether another account that is not disconnected has tokens of the same grant.
    async fn shares_grant(&self, id: AccountId) -> Result<bool, StoreError>;
}

/// The version of an account's credentials; every swap makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialsVersion(pub i64);

/// The context in which an account's credentials are sealed.
pub fn credentials_context(id: &str) -> Context<'_> {
    Context { table: "accounts", row: id, field: "credentials" }
}
