//! Accounts.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{Account, AccountId, AccountState, PendingConsent, Provider, TenantId};

use super::tenants::count_open_accounts;
use super::{Backend, Engine, consents, execute, failed, locks, not_found};
use crate::columns::{micros, storable};
use crate::entities::accounts::{AccountAdmission, AccountRow, Accounts};
use crate::error::StoreError;
use crate::paging::{Page, PageRequest, after_id, page_of, rows_to_fetch};

const INSERT: &str = "INSERT INTO accounts (id, tenant_id, provider, label, state, detail, created_at, \
     state_changed_at, credentials_version, consent, consent_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, 1)";

macro_rules! select_accounts {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant_id, provider, label, state, detail, created_at, state_changed_at, listed_at, \
             channel_expires_at, consent IS NOT NULL AS consent_waits FROM accounts ",
            $rest
        )
    };
}

pub const BY_ID: &str = select_accounts!("WHERE id = $1");

pub const OF_TENANT: &str = select_accounts!("WHERE tenant_id = $1 AND id = $2");

pub const LIST_OF_TENANT: &str =
    select_accounts!("WHERE tenant_id = $1 AND id > $2 AND state <> 'disconnected' ORDER BY id LIMIT $3");

pub const LIST_OPEN: &str = select_accounts!("WHERE id > $1 AND state <> 'disconnected' ORDER BY id LIMIT $2");

pub const HAS_OPEN: &str = "SELECT EXISTS (SELECT 1 FROM accounts WHERE provider = $1 AND state <> 'disconnected')";

/// The condition of the index `accounts_pending`.
pub const LIST_PENDING: &str = select_accounts!(
    "WHERE (consent IS NOT NULL OR state IN ('connecting', 'disconnecting')) AND id > $1 ORDER BY id LIMIT $2"
);

pub const SET_STATE: &str = "UPDATE accounts SET detail = $3, \
     state_changed_at = CASE WHEN state = $2 THEN state_changed_at ELSE $4 END, state = $2 \
     WHERE id = $1 AND (state <> 'disconnected' OR $2 = 'disconnected')";

const SET_CHANNEL: &str = "UPDATE accounts SET channel_expires_at = $2 WHERE id = $1";

const SET_LISTED: &str = "UPDATE accounts SET listed_at = $2 WHERE id = $1 AND (listed_at IS NULL OR listed_at < $2)";

#[async_trait]
impl Accounts for Backend {
    async fn insert_account(
        &self,
        account: &Account,
        consent: &PendingConsent,
    ) -> Result<AccountAdmission, StoreError> {
        let sealed = consents::seal(self.keyring(), account.id, consent)?;
        let mut transaction = self.begin().await?;
        let tenant = locks::tenant(&mut transaction, &account.tenant_id.to_string(), "insert an account").await?;
        let tenant = tenant.ok_or_else(|| not_found("insert an account"))?;
        if tenant.is_revoked {
            return Ok(AccountAdmission::TenantRevoked);
        }
        if count_open_accounts(&mut *transaction, account.tenant_id).await? >= tenant.accounts_max {
            return Ok(AccountAdmission::TenantFull);
        }
        let query = sqlx::query(INSERT)
            .bind(account.id.to_string())
            .bind(account.tenant_id.to_string())
            .bind(account.provider.as_str())
            .bind(storable(&account.label))
            .bind(account.state.as_str())
            .bind(account.detail.as_deref().map(storable))
            .bind(micros(account.created_at))
            .bind(micros(account.state_changed_at))
            .bind(sealed);
        execute(&mut transaction, query, "insert an account").await?;
        self.commit(transaction, "insert an account").await?;
        Ok(AccountAdmission::Inserted)
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let query = sqlx::query_as::<_, AccountRow>(BY_ID).bind(id.to_string());
        self.read_one(query, "read an account").await
    }

    async fn account_of_tenant(&self, tenant: TenantId, id: AccountId) -> Result<Option<Account>, StoreError> {
        let query = sqlx::query_as::<_, AccountRow>(OF_TENANT).bind(tenant.to_string()).bind(id.to_string());
        self.read_one(query, "read an account of a tenant").await
    }

    async fn accounts_of_tenant(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<Account>, StoreError> {
        let rows: Vec<AccountRow> = sqlx::query_as(LIST_OF_TENANT)
            .bind(tenant.to_string())
            .bind(after_id::<AccountId>(page)?)
            .bind(rows_to_fetch(page))
            .fetch_all(self.read_pool())
            .await
            .map_err(failed("list accounts"))?;
        Ok(page_of(rows, page, |row| row.id.clone()))
    }

    async fn open_accounts_after(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        list(self, LIST_OPEN, after, limit).await
    }

    async fn has_open_accounts(&self, provider: Provider) -> Result<bool, StoreError> {
        sqlx::query_scalar(HAS_OPEN)
            .bind(provider.as_str())
            .fetch_one(self.read_pool())
            .await
            .map_err(failed("ask for open accounts of a provider"))
    }

    async fn pending_accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        list(self, LIST_PENDING, after, limit).await
    }

    async fn set_account_channel(&self, id: AccountId, expires_at: Option<DateTime<Utc>>) -> Result<(), StoreError> {
        let query = sqlx::query(SET_CHANNEL).bind(id.to_string()).bind(expires_at.map(micros));
        self.write_one(query, "set an account's channel").await
    }

    async fn set_listed(&self, id: AccountId, at: DateTime<Utc>) -> Result<(), StoreError> {
        let query = sqlx::query(SET_LISTED).bind(id.to_string()).bind(micros(at));
        self.write(query, "note that calendars were listed").await.map(drop)
    }

    async fn set_account_state(
        &self,
        id: AccountId,
        state: AccountState,
        detail: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(SET_STATE)
            .bind(id.to_string())
            .bind(state.as_str())
            .bind(detail.map(storable))
            .bind(micros(at));
        if self.write(query, "set an account's state").await? == 0 && self.account(id).await?.is_none() {
            return Err(not_found("set an account's state"));
        }
        Ok(())
    }
}

async fn list(
    store: &Backend,
    statement: &'static str,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Account>, StoreError> {
    let query = sqlx::query_as::<_, AccountRow>(statement)
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(i64::from(limit));
    store.read_all(query, "list accounts").await
}
