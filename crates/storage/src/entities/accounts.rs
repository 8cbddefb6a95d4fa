//! Accounts.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{Account, AccountId, AccountState, PendingConsent, Provider, TenantId};

use crate::columns::{corrupt, instant, instant_or_none, parsed};
use crate::error::StoreError;
use crate::paging::{Page, PageRequest};

/// Accounts.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Adds an account with its first consent, unless its tenant was revoked or has all that it may have. Calls for one
    /// tenant take turns, so that the limit holds.
    async fn insert_account(&self, account: &Account, consent: &PendingConsent)
    -> Result<AccountAdmission, StoreError>;
    /// An account.
    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError>;
    /// An account of a tenant.
    async fn account_of_tenant(&self, tenant: TenantId, id: AccountId) -> Result<Option<Account>, StoreError>;
    /// A tenant's accounts, oldest first, without those that are disconnected.
    async fn accounts_of_tenant(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<Account>, StoreError>;
    /// All accounts that are not disconnected, after `after`, in order.
    async fn open_accounts_after(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError>;
    /// Whether any account of a provider is not disconnected.
    async fn has_open_accounts(&self, provider: Provider) -> Result<bool, StoreError>;
    /// Accounts that wait for something: for their first calendars, for a consent to be settled, for their end. In order.
    async fn pending_accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError>;
    /// Writes an account's state down. What is disconnected stays so.
    async fn set_account_state(
        &self,
        id: AccountId,
        state: AccountState,
        detail: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// Writes down when the channel on an account's list of calendars ends.
    async fn set_account_channel(&self, id: AccountId, expires_at: Option<DateTime<Utc>>) -> Result<(), StoreError>;
    /// Notes that an account's list of calendars was read. Never moves backwards.
    async fn set_listed(&self, id: AccountId, at: DateTime<Utc>) -> Result<(), StoreError>;
}

/// What came of adding an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum AccountAdmission {
    /// It is there.
    Inserted,
    /// Its tenant has all the accounts that it may have.
    TenantFull,
    /// Its tenant was revoked.
    TenantRevoked,
}

#[derive(sqlx::FromRow)]
pub struct AccountRow {
    pub id: String,
    tenant_id: String,
    provider: String,
    label: String,
    state: String,
    detail: Option<String>,
    created_at: i64,
    state_changed_at: i64,
    listed_at: Option<i64>,
    channel_expires_at: Option<i64>,
    consent_waits: bool,
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed::<AccountId>(&row.id, "accounts.id")?,
            tenant_id: parsed(&row.tenant_id, "accounts.tenant_id")?,
            provider: Provider::from_name(&row.provider).ok_or_else(|| corrupt("accounts.provider"))?,
            label: row.label,
            state: AccountState::from_name(&row.state).ok_or_else(|| corrupt("accounts.state"))?,
            detail: row.detail,
            created_at: instant(row.created_at, "accounts.created_at")?,
            state_changed_at: instant(row.state_changed_at, "accounts.state_changed_at")?,
            listed_at: instant_or_none(row.listed_at, "accounts.listed_at")?,
            channel_expires_at: instant_or_none(row.channel_expires_at, "accounts.channel_expires_at")?,
            consent_waits: row.consent_waits,
        })
    }
}
