//! Accounts and their sealed credentials.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::account::Credentials;
use evercal_domain::{Account, AccountId, AccountState, TenantId};
use secrecy::zeroize::Zeroizing;

use super::{Backend, LOCK_ACCOUNT, conflict, failed, found, not_found};
use crate::error::{StoreError, StoreErrorKind};
use crate::repository::Accounts;
use crate::sql::accounts::{self as sql, AccountRow, credentials_place};
use crate::sql::{after_id, corrupt, micros, page_of, rows_to_fetch, storable, tenants};
use crate::types::{AccountAdmission, CredentialsVersion, Page, PageRequest};

#[async_trait]
impl Accounts for Backend {
    async fn insert_account(
        &self,
        account: &Account,
        credentials: &Credentials,
    ) -> Result<AccountAdmission, StoreError> {
        let sealed = self.seal_credentials(account.id, credentials)?;
        let mut transaction = self.begin().await?;
        let tenant: Option<(i64, Option<i64>)> = sqlx::query_as(tenants::LOCK)
            .bind(account.tenant_id.to_string())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed("insert an account"))?;
        let (accounts_max, revoked_at) = tenant.ok_or_else(|| not_found("insert an account"))?;
        if revoked_at.is_some() {
            return Ok(AccountAdmission::TenantRevoked);
        }
        let open: i64 = sqlx::query_scalar(tenants::OPEN_ACCOUNTS)
            .bind(account.tenant_id.to_string())
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("count accounts"))?;
        if open >= accounts_max {
            return Ok(AccountAdmission::TenantFull);
        }
        sqlx::query(sql::INSERT)
            .bind(account.id.to_string())
            .bind(account.tenant_id.to_string())
            .bind(account.provider.as_str())
            .bind(storable(&account.label))
            .bind(account.state.as_str())
            .bind(account.detail.as_deref().map(storable))
            .bind(micros(account.created_at))
            .bind(micros(account.state_changed_at))
            .bind(sealed)
            .execute(&mut *transaction)
            .await
            .map_err(failed("insert an account"))?;
        transaction.commit().await.map_err(failed("insert an account"))?;
        Ok(AccountAdmission::Inserted)
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(sql::BY_ID)
            .bind(id.to_string())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read an account"))?;
        row.map(Account::try_from).transpose()
    }

    async fn account_of_tenant(&self, tenant: TenantId, id: AccountId) -> Result<Option<Account>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(sql::OF_TENANT)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read an account of a tenant"))?;
        row.map(Account::try_from).transpose()
    }

    async fn accounts_of_tenant(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<Account>, StoreError> {
        let rows: Vec<AccountRow> = sqlx::query_as(sql::LIST_OF_TENANT)
            .bind(tenant.to_string())
            .bind(after_id::<AccountId>(page)?)
            .bind(rows_to_fetch(page))
            .fetch_all(&self.read)
            .await
            .map_err(failed("list accounts"))?;
        Ok(page_of(rows, page, |row| row.id.clone()))
    }

    async fn set_account_state(
        &self,
        id: AccountId,
        state: AccountState,
        detail: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(sql::SET_STATE)
            .bind(id.to_string())
            .bind(state.as_str())
            .bind(detail.map(storable))
            .bind(micros(at))
            .execute(&self.write)
            .await
            .map_err(failed("set an account's state"))?;
        if done.rows_affected() == 0 && self.account(id).await?.is_none() {
            return Err(not_found("set an account's state"));
        }
        Ok(())
    }

    async fn credentials(&self, id: AccountId) -> Result<Option<(Credentials, CredentialsVersion)>, StoreError> {
        let id = id.to_string();
        let row: Option<(Vec<u8>, i64)> = sqlx::query_as(sql::CREDENTIALS)
            .bind(&id)
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read credentials"))?;
        let Some((sealed, version)) = row else { return Ok(None) };
        Ok(Some((self.open_credentials(&id, &sealed)?, CredentialsVersion(version))))
    }

    async fn swap_credentials(
        &self,
        id: AccountId,
        expected: CredentialsVersion,
        credentials: &Credentials,
    ) -> Result<CredentialsVersion, StoreError> {
        let sealed = self.seal_credentials(id, credentials)?;
        let version: Option<i64> = sqlx::query_scalar(sql::SWAP_CREDENTIALS)
            .bind(id.to_string())
            .bind(expected.0)
            .bind(sealed)
            .fetch_optional(&self.write)
            .await
            .map_err(failed("swap credentials"))?;
        match version {
            Some(version) => Ok(CredentialsVersion(version)),
            None if self.account(id).await?.is_some() => Err(conflict("swap credentials")),
            None => Err(not_found("swap credentials")),
        }
    }

    async fn replace_credentials(&self, id: AccountId, credentials: &Credentials) -> Result<(), StoreError> {
        let account = id.to_string();
        let mut transaction = self.begin().await?;
        sqlx::query(LOCK_ACCOUNT)
            .bind(&account)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed("replace credentials"))?;
        let replaced: Option<(Vec<u8>, i64)> = sqlx::query_as(sql::CREDENTIALS)
            .bind(&account)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed("replace credentials"))?;
        // What cannot be opened is worth nothing: a new consent is the way out.
        let replaced = replaced.and_then(|(sealed, _)| self.open_credentials(&account, &sealed).ok());
        let sealed = self.seal_credentials(id, &keeping(replaced.as_ref(), credentials))?;
        let done = sqlx::query(sql::REPLACE_CREDENTIALS)
            .bind(&account)
            .bind(sealed)
            .execute(&mut *transaction)
            .await
            .map_err(failed("replace credentials"))?;
        found(done.rows_affected(), "replace credentials")?;
        transaction.commit().await.map_err(failed("replace credentials"))
    }

    async fn erase_credentials(&self, id: AccountId) -> Result<(), StoreError> {
        let done = sqlx::query(sql::ERASE_CREDENTIALS)
            .bind(id.to_string())
            .execute(&self.write)
            .await
            .map_err(failed("erase credentials"))?;
        found(done.rows_affected(), "erase credentials")
    }

    async fn erase_credentials_if(&self, id: AccountId, expected: CredentialsVersion) -> Result<(), StoreError> {
        let done = sqlx::query(sql::ERASE_CREDENTIALS_IF)
            .bind(id.to_string())
            .bind(expected.0)
            .execute(&self.write)
            .await
            .map_err(failed("erase credentials"))?;
        if done.rows_affected() == 0 { Err(conflict("erase credentials")) } else { Ok(()) }
    }

    async fn set_grant_subject(&self, id: AccountId, subject_hash: &str) -> Result<(), StoreError> {
        let done = sqlx::query(sql::SET_GRANT_SUBJECT)
            .bind(id.to_string())
            .bind(subject_hash)
            .execute(&self.write)
            .await
            .map_err(failed("set a grant's subject"))?;
        found(done.rows_affected(), "set a grant's subject")
    }

    async fn grant_subject(&self, id: AccountId) -> Result<Option<String>, StoreError> {
        let subject: Option<Option<String>> = sqlx::query_scalar(sql::GRANT_SUBJECT)
            .bind(id.to_string())
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read a grant's subject"))?;
        subject.ok_or_else(|| not_found("read a grant's subject"))
    }

    async fn shares_grant(&self, id: AccountId) -> Result<bool, StoreError> {
        let others: i64 = sqlx::query_scalar(sql::SHARES_GRANT)
            .bind(id.to_string())
            .fetch_one(&self.read)
            .await
            .map_err(failed("look for accounts that share a grant"))?;
        Ok(others > 0)
    }
}

/// A new consent's code, with the tokens that it replaces.
fn keeping(replaced: Option<&Credentials>, new: &Credentials) -> Credentials {
    let mut new = new.clone();
    if let Credentials::AuthorizationCode { before, .. } = &mut new {
        *before = replaced.and_then(Credentials::tokens).cloned().map(Box::new);
    }
    new
}

impl Backend {
    fn open_credentials(&self, id: &str, sealed: &[u8]) -> Result<Credentials, StoreError> {
        let json = self.keyring.open(credentials_place(id), sealed)?;
        serde_json::from_slice(&json).map_err(|_| corrupt("accounts.credentials"))
    }

    fn seal_credentials(&self, id: AccountId, credentials: &Credentials) -> Result<Vec<u8>, StoreError> {
        let json = serde_json::to_vec(credentials)
            .map(Zeroizing::new)
            .map_err(|_| StoreError::new(StoreErrorKind::Sealed, "accounts.credentials could not be serialised"))?;
        Ok(self.keyring.seal(credentials_place(&id.to_string()), &json)?)
    }
}
