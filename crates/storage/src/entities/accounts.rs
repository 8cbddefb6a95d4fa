//! Accounts, their sealed credentials, and the consents that wait to be settled.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::account::Credentials;
use evercal_domain::{Account, AccountId, AccountState, ConsentOutcome, PendingConsent, Provider, TenantId};
use evercal_sealing::Place;

use crate::columns::{corrupt, instant, instant_or_none, parsed};
use crate::error::StoreError;
use crate::paging::{Page, PageRequest};

/// Accounts and their sealed credentials.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Adds an account with its first consent, unless its tenant was revoked or has all that it may have. Those of one
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
    async fn unsettled_accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError>;
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
    /// Opens an account's credentials; `None` when there is no account or they were erased.
    async fn credentials(&self, id: AccountId) -> Result<Option<(Credentials, CredentialsVersion)>, StoreError>;
    /// Replaces the credentials if they still have the expected version; else [`crate::StoreErrorKind::Conflict`].
    async fn swap_credentials(
        &self,
        id: AccountId,
        expected: CredentialsVersion,
        credentials: &Credentials,
    ) -> Result<CredentialsVersion, StoreError>;
    /// Puts a consent beside the credentials, in place of one that waits there already, which is superseded. `NotFound`
    /// for an account that is being disconnected or whose tenant was revoked: they are not connected again.
    async fn replace_consent(&self, id: AccountId, consent: &PendingConsent) -> Result<(), StoreError>;
    /// Opens the consent that waits; `None` when there is none.
    async fn consent(&self, id: AccountId) -> Result<Option<(PendingConsent, ConsentVersion)>, StoreError>;
    /// Replaces the consent that waits if it still has the expected version; else [`crate::StoreErrorKind::Conflict`].
    async fn swap_consent(
        &self,
        id: AccountId,
        expected: ConsentVersion,
        consent: &PendingConsent,
    ) -> Result<ConsentVersion, StoreError>;
    /// Ends the consent that waits, if it still has the expected version (else [`crate::StoreErrorKind::Conflict`]): in one
    /// transaction whose it is is compared, the credentials are replaced or left, and its outcome is written down, which is
    /// answered. Of two accounts of a tenant that are settled for the same user at the same time, one is the duplicate.
    async fn settle_consent(
        &self,
        id: AccountId,
        expected: ConsentVersion,
        settlement: &Settlement,
    ) -> Result<ConsentOutcome, StoreError>;
    /// Erases the credentials, and a consent that waits.
    async fn erase_credentials(&self, id: AccountId) -> Result<(), StoreError>;
    /// Remembers whose grant this is (a hash, not an address), to know when two accounts share one.
    async fn set_grant_subject(&self, id: AccountId, subject_hash: &str) -> Result<(), StoreError>;
    /// Whose grant this is, as it was last remembered; `None` before that.
    async fn grant_subject(&self, id: AccountId) -> Result<Option<String>, StoreError>;
    /// Whether another account that is not disconnected has tokens of the same grant.
    async fn shares_grant(&self, id: AccountId) -> Result<bool, StoreError>;
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

/// The version of an account's waiting consent; every change makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentVersion(pub i64);

/// How a waiting consent is to end.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// It was redeemed, and whose it is was found out: the account lives on these tokens, unless they are somebody else's.
    Redeemed {
        /// The tokens.
        credentials: Credentials,
        /// Whose they are: a hash, not an address.
        subject_hash: String,
    },
    /// Nothing comes of it.
    Refused(ConsentOutcome),
}

/// The version of an account's credentials; every swap makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialsVersion(pub i64);

/// Where an account's credentials are sealed for.
pub fn credentials_place(id: &str) -> Place<'_> {
    Place { table: "accounts", row: id, field: "credentials" }
}

/// Where an account's consent is sealed for.
pub fn consent_place(id: &str) -> Place<'_> {
    Place { table: "accounts", row: id, field: "consent" }
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
