//! The store as the token source sees it.

use std::sync::Arc;

use async_trait::async_trait;
use evercal_domain::AccountId;
use evercal_domain::account::Credentials;
use evercal_providers::{CredentialStore, CredentialStoreError, StoredCredentials, SwapOutcome};
use evercal_storage::{CredentialsVersion, Store};

/// Reads and swaps the sealed credentials of accounts.
pub struct StoreCredentials(pub Arc<dyn Store>);

#[async_trait]
impl CredentialStore for StoreCredentials {
    async fn read(&self, account: AccountId) -> Result<Option<StoredCredentials>, CredentialStoreError> {
        let stored = self.0.credentials(account).await.map_err(CredentialStoreError::new)?;
        Ok(stored.map(|(credentials, version)| StoredCredentials { credentials, version: version.0 }))
    }

    async fn swap(
        &self,
        account: AccountId,
        expected_version: i64,
        credentials: &Credentials,
    ) -> Result<SwapOutcome, CredentialStoreError> {
        match self.0.swap_credentials(account, CredentialsVersion(expected_version), credentials).await {
            Ok(_) => Ok(SwapOutcome::Stored),
            Err(error) if error.is_conflict() => Ok(SwapOutcome::Lost),
            Err(error) => Err(CredentialStoreError::new(error)),
        }
    }
}
