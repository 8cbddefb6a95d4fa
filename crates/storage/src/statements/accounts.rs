//! Accounts and their sealed credentials.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::account::Credentials;
use evercal_domain::{Account, AccountId, AccountState, ConsentOutcome, PendingConsent, TenantId};
use secrecy::zeroize::Zeroizing;

use super::authorizations::set_outcome;
use super::tenants::count_open_accounts;
use super::{Backend, Connection, conflict, failed, found, locks, not_found};
use crate::error::{StoreError, StoreErrorKind};
use crate::repository::Accounts;
use crate::sql::accounts::{self as sql, AccountRow, consent_place, credentials_place};
use crate::sql::{after_id, corrupt, micros, page_of, parsed, readable, rows_to_fetch, storable};
use crate::types::{AccountAdmission, ConsentVersion, CredentialsVersion, Page, PageRequest, Settlement};

#[async_trait]
impl Accounts for Backend {
    async fn insert_account(
        &self,
        account: &Account,
        consent: &PendingConsent,
    ) -> Result<AccountAdmission, StoreError> {
        let sealed = self.seal_consent(account.id, consent)?;
        let mut transaction = self.begin().await?;
        let tenant = locks::tenant(&mut transaction, &account.tenant_id.to_string(), "insert an account").await?;
        let tenant = tenant.ok_or_else(|| not_found("insert an account"))?;
        if tenant.is_revoked {
            return Ok(AccountAdmission::TenantRevoked);
        }
        if count_open_accounts(&mut *transaction, account.tenant_id).await? >= tenant.accounts_max {
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
        self.commit(transaction, "insert an account").await?;
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

    async fn open_accounts_after(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        self.list_accounts(sql::LIST_OPEN, after, limit).await
    }

    async fn unsettled_accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        self.list_accounts(sql::LIST_UNSETTLED, after, limit).await
    }

    async fn set_account_channel(&self, id: AccountId, expires_at: Option<DateTime<Utc>>) -> Result<(), StoreError> {
        let done = sqlx::query(sql::SET_CHANNEL)
            .bind(id.to_string())
            .bind(expires_at.map(micros))
            .execute(&self.write)
            .await
            .map_err(failed("set an account's channel"))?;
        found(done.rows_affected(), "set an account's channel")
    }

    async fn set_listed(&self, id: AccountId, at: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query(sql::SET_LISTED)
            .bind(id.to_string())
            .bind(micros(at))
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("note that calendars were listed"))
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

    async fn replace_consent(&self, id: AccountId, consent: &PendingConsent) -> Result<(), StoreError> {
        let account = id.to_string();
        let sealed = self.seal_consent(id, consent)?;
        let mut transaction = self.begin().await?;
        locks::account(&mut transaction, &account, "replace a consent").await?;
        let replaced: Option<(Vec<u8>, i64)> = sqlx::query_as(sql::CONSENT)
            .bind(&account)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed("replace a consent"))?;
        // One that cannot be opened has no page any more either.
        let replaced = replaced.and_then(|(sealed, _)| self.open_consent(&account, &sealed).ok());
        if replaced.as_ref().is_some_and(|replaced| replaced.state_hash == consent.state_hash) {
            // The same once more, such as a page that was reloaded at once: its code is good for one use.
            return Ok(());
        }
        let done = sqlx::query(sql::REPLACE_CONSENT)
            .bind(&account)
            .bind(sealed)
            .execute(&mut *transaction)
            .await
            .map_err(failed("replace a consent"))?;
        found(done.rows_affected(), "replace a consent")?;
        if let Some(replaced) = replaced {
            set_outcome(&mut transaction, &replaced.state_hash, &ConsentOutcome::Superseded).await?;
        }
        self.commit(transaction, "replace a consent").await
    }

    async fn consent(&self, id: AccountId) -> Result<Option<(PendingConsent, ConsentVersion)>, StoreError> {
        let id = id.to_string();
        let row: Option<(Vec<u8>, i64)> = sqlx::query_as(sql::CONSENT)
            .bind(&id)
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read a consent"))?;
        let Some((sealed, version)) = row else { return Ok(None) };
        Ok(Some((self.open_consent(&id, &sealed)?, ConsentVersion(version))))
    }

    async fn swap_consent(
        &self,
        id: AccountId,
        expected: ConsentVersion,
        consent: &PendingConsent,
    ) -> Result<ConsentVersion, StoreError> {
        let sealed = self.seal_consent(id, consent)?;
        let version: Option<i64> = sqlx::query_scalar(sql::SWAP_CONSENT)
            .bind(id.to_string())
            .bind(expected.0)
            .bind(sealed)
            .fetch_optional(&self.write)
            .await
            .map_err(failed("swap a consent"))?;
        version.map(ConsentVersion).ok_or_else(|| conflict("swap a consent"))
    }

    async fn settle_consent(
        &self,
        id: AccountId,
        expected: ConsentVersion,
        settlement: &Settlement,
    ) -> Result<ConsentOutcome, StoreError> {
        let account = id.to_string();
        let mut transaction = self.begin().await?;
        let tenant = locks::account(&mut transaction, &account, "settle a consent").await?;
        let tenant = tenant.ok_or_else(|| not_found("settle a consent"))?;
        // Those of one tenant take turns: two accounts of one user must not both be the first.
        locks::tenant(&mut transaction, &tenant, "settle a consent").await?;
        let waiting: Option<(Vec<u8>, i64)> = sqlx::query_as(sql::CONSENT)
            .bind(&account)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed("settle a consent"))?;
        let waiting = waiting.filter(|(_, version)| *version == expected.0);
        let (sealed, _) = waiting.ok_or_else(|| conflict("settle a consent"))?;
        let consent = self.open_consent(&account, &sealed)?;
        let outcome = match settlement {
            Settlement::Refused(outcome) => outcome.clone(),
            Settlement::Redeemed { credentials, subject_hash } => {
                let outcome = whose(&mut transaction, &account, subject_hash, consent.allow_duplicate).await?;
                if outcome == ConsentOutcome::Granted {
                    let sealed = self.seal_credentials(id, credentials)?;
                    let granted = sqlx::query(sql::GRANT)
                        .bind(&account)
                        .bind(sealed)
                        .bind(subject_hash)
                        .execute(&mut *transaction)
                        .await
                        .map_err(failed("settle a consent"))?;
                    if granted.rows_affected() == 0 { ConsentOutcome::AccountGone } else { outcome }
                } else {
                    outcome
                }
            }
        };
        sqlx::query(sql::SETTLE_CONSENT)
            .bind(&account)
            .bind(expected.0)
            .execute(&mut *transaction)
            .await
            .map_err(failed("settle a consent"))?;
        set_outcome(&mut transaction, &consent.state_hash, &outcome).await?;
        self.commit(transaction, "settle a consent").await?;
        Ok(outcome)
    }

    async fn erase_credentials(&self, id: AccountId) -> Result<(), StoreError> {
        let done = sqlx::query(sql::ERASE_CREDENTIALS)
            .bind(id.to_string())
            .execute(&self.write)
            .await
            .map_err(failed("erase credentials"))?;
        found(done.rows_affected(), "erase credentials")
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

/// Whose a redeemed consent is, compared with what is known of the account and of the others of its tenant.
async fn whose(
    connection: &mut Connection,
    account: &str,
    subject_hash: &str,
    allow_duplicate: bool,
) -> Result<ConsentOutcome, StoreError> {
    let known: Option<Option<String>> = sqlx::query_scalar(sql::GRANT_SUBJECT)
        .bind(account)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("read a grant's subject"))?;
    match known.flatten() {
        Some(known) if known == subject_hash => return Ok(ConsentOutcome::Granted),
        Some(_) => return Ok(ConsentOutcome::AnotherUser),
        None if allow_duplicate => return Ok(ConsentOutcome::Granted),
        None => {}
    }
    let other: Option<String> = sqlx::query_scalar(sql::DUPLICATE_OF)
        .bind(account)
        .bind(subject_hash)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("look for the same user"))?;
    match other {
        Some(other) => Ok(ConsentOutcome::Duplicate { account_id: parsed(&other, "accounts.id")? }),
        None => Ok(ConsentOutcome::Granted),
    }
}

impl Backend {
    async fn list_accounts(
        &self,
        query: &'static str,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        let rows: Vec<AccountRow> = sqlx::query_as(query)
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await
            .map_err(failed("list accounts"))?;
        Ok(readable(rows))
    }

    fn open_consent(&self, id: &str, sealed: &[u8]) -> Result<PendingConsent, StoreError> {
        let json = self.keyring.open(consent_place(id), sealed)?;
        serde_json::from_slice(&json).map_err(|_| corrupt("accounts.consent"))
    }

    fn seal_consent(&self, id: AccountId, consent: &PendingConsent) -> Result<Vec<u8>, StoreError> {
        let json = serde_json::to_vec(consent)
            .map(Zeroizing::new)
            .map_err(|_| StoreError::new(StoreErrorKind::Sealed, "accounts.consent could not be serialised"))?;
        Ok(self.keyring.seal(consent_place(&id.to_string()), &json)?)
    }

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
