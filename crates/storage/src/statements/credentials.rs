//! The sealed credentials of accounts, and whose grant they are.

use async_trait::async_trait;
use evercal_domain::AccountId;
use evercal_domain::account::Credentials;
use evercal_sealing::Keyring;
use secrecy::zeroize::Zeroizing;

use super::{Backend, Database, Engine, conflict, failed, fetch_value, not_found};
use crate::columns::corrupt;
use crate::entities::accounts::Accounts as _;
use crate::entities::credentials::{AccountCredentials, CredentialsVersion, credentials_context};
use crate::error::{StoreError, StoreErrorKind};

const CREDENTIALS: &str =
    "SELECT credentials, credentials_version FROM accounts WHERE id = $1 AND credentials IS NOT NULL";

const SWAP_CREDENTIALS: &str = "UPDATE accounts SET credentials = $3, \
     credentials_version = credentials_version + 1 \
     WHERE id = $1 AND credentials_version = $2 AND credentials IS NOT NULL RETURNING credentials_version";

/// The version moves too, so that a running refresh cannot bring credentials back.
const ERASE_CREDENTIALS: &str = "UPDATE accounts SET credentials = NULL, \
     credentials_version = credentials_version + 1, consent = NULL, consent_version = consent_version + 1 \
     WHERE id = $1";

const SET_GRANT_SUBJECT: &str = "UPDATE accounts SET grant_subject = $2 WHERE id = $1";

/// Across tenants on purpose: a grant belongs to a person at a provider, and revoking it would cut off the other tenant.
pub const SHARES_GRANT: &str = "SELECT COUNT(*) FROM accounts mine JOIN accounts other \
     ON other.grant_subject = mine.grant_subject AND other.provider || '' = mine.provider AND other.id <> mine.id \
     WHERE mine.id = $1 AND other.state <> 'disconnected' AND other.credentials IS NOT NULL";

#[async_trait]
impl AccountCredentials for Backend {
    async fn credentials(&self, id: AccountId) -> Result<Option<(Credentials, CredentialsVersion)>, StoreError> {
        let id = id.to_string();
        let row: Option<(Vec<u8>, i64)> = sqlx::query_as(CREDENTIALS)
            .bind(&id)
            .fetch_optional(self.read_pool())
            .await
            .map_err(failed("read credentials"))?;
        let Some((sealed, version)) = row else { return Ok(None) };
        Ok(Some((open(self.keyring(), &id, &sealed)?, CredentialsVersion(version))))
    }

    async fn swap_credentials(
        &self,
        id: AccountId,
        expected: CredentialsVersion,
        credentials: &Credentials,
    ) -> Result<CredentialsVersion, StoreError> {
        let sealed = seal(self.keyring(), id, credentials)?;
        let query = sqlx::query_scalar::<_, i64>(SWAP_CREDENTIALS).bind(id.to_string()).bind(expected.0).bind(sealed);
        let version = fetch_value(self.write_pool(), query, "swap credentials").await?;
        match version {
            Some(version) => Ok(CredentialsVersion(version)),
            None if self.account(id).await?.is_some() => Err(conflict("swap credentials")),
            None => Err(not_found("swap credentials")),
        }
    }

    async fn erase_credentials(&self, id: AccountId) -> Result<(), StoreError> {
        let query = sqlx::query(ERASE_CREDENTIALS).bind(id.to_string());
        self.write_one(query, "erase credentials").await
    }

    async fn set_grant_subject(&self, id: AccountId, subject_hash: &str) -> Result<(), StoreError> {
        let query = sqlx::query(SET_GRANT_SUBJECT).bind(id.to_string()).bind(subject_hash);
        self.write_one(query, "set a grant's subject").await
    }

    async fn shares_grant(&self, id: AccountId) -> Result<bool, StoreError> {
        let others: i64 = sqlx::query_scalar(SHARES_GRANT)
            .bind(id.to_string())
            .fetch_one(self.read_pool())
            .await
            .map_err(failed("find accounts that share a grant"))?;
        Ok(others > 0)
    }

    async fn grant_subject(&self, id: AccountId) -> Result<Option<String>, StoreError> {
        grant_subject(self.read_pool(), &id.to_string()).await
    }
}

const GRANT_SUBJECT: &str = "SELECT grant_subject FROM accounts WHERE id = $1";

/// Whose grant it is; `None` before that is known.
pub async fn grant_subject<'e>(
    executor: impl sqlx::Executor<'e, Database = Database>,
    account: &str,
) -> Result<Option<String>, StoreError> {
    let subject: Option<Option<String>> = sqlx::query_scalar(GRANT_SUBJECT)
        .bind(account)
        .fetch_optional(executor)
        .await
        .map_err(failed("read a grant's subject"))?;
    subject.ok_or_else(|| not_found("read a grant's subject"))
}

/// Seals credentials for the account that they are of.
pub fn seal(keyring: &Keyring, id: AccountId, credentials: &Credentials) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(credentials)
        .map(Zeroizing::new)
        .map_err(|_| StoreError::new(StoreErrorKind::Sealed, "accounts.credentials could not be serialised"))?;
    Ok(keyring.seal(credentials_context(&id.to_string()), &json)?)
}

fn open(keyring: &Keyring, id: &str, sealed: &[u8]) -> Result<Credentials, StoreError> {
    let json = keyring.open(credentials_context(id), sealed)?;
    serde_json::from_slice(&json).map_err(|_| corrupt("accounts.credentials"))
}
