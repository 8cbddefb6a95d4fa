//! SQL and rows of accounts.

use evercal_domain::account::{AccountState, Provider};
use evercal_domain::{Account, AccountId};
use evercal_sealing::Place;

use super::{corrupt, instant, instant_or_none, parsed};
use crate::error::StoreError;

pub const INSERT: &str = "INSERT INTO accounts (id, tenant_id, provider, label, state, detail, created_at, \
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

/// The condition of the index `accounts_unsettled`.
pub const LIST_UNSETTLED: &str = select_accounts!(
    "WHERE (consent IS NOT NULL OR state IN ('connecting', 'disconnecting')) AND id > $1 ORDER BY id LIMIT $2"
);

pub const SET_STATE: &str = "UPDATE accounts SET detail = $3, \
     state_changed_at = CASE WHEN state = $2 THEN state_changed_at ELSE $4 END, state = $2 \
     WHERE id = $1 AND (state <> 'disconnected' OR $2 = 'disconnected')";

pub const CREDENTIALS: &str =
    "SELECT credentials, credentials_version FROM accounts WHERE id = $1 AND credentials IS NOT NULL";

pub const SWAP_CREDENTIALS: &str = "UPDATE accounts SET credentials = $3, \
     credentials_version = credentials_version + 1 \
     WHERE id = $1 AND credentials_version = $2 AND credentials IS NOT NULL RETURNING credentials_version";

pub const CONSENT: &str = "SELECT consent, consent_version FROM accounts WHERE id = $1 AND consent IS NOT NULL";

pub const SWAP_CONSENT: &str = "UPDATE accounts SET consent = $3, consent_version = consent_version + 1 \
     WHERE id = $1 AND consent_version = $2 AND consent IS NOT NULL RETURNING consent_version";

/// A settled consent is gone, whatever came of it.
pub const SETTLE_CONSENT: &str = "UPDATE accounts SET consent = NULL, consent_version = consent_version + 1 \
     WHERE id = $1 AND consent_version = $2 AND consent IS NOT NULL";

pub const GRANT: &str = "UPDATE accounts SET credentials = $2, credentials_version = credentials_version + 1, \
     grant_subject = $3 WHERE id = $1 AND state NOT IN ('disconnecting', 'disconnected')";

/// Another account of the same tenant that lives on the same person's grant. Found by the grant: a tenant may have many
/// accounts, so that the index by tenant is kept out of it.
pub const DUPLICATE_OF: &str = "SELECT other.id FROM accounts mine JOIN accounts other \
     ON other.tenant_id || '' = mine.tenant_id AND other.provider = mine.provider AND other.id <> mine.id \
     WHERE mine.id = $1 AND other.grant_subject = $2 AND other.state <> 'disconnected' \
     AND other.credentials IS NOT NULL ORDER BY other.id LIMIT 1";

pub const SET_CHANNEL: &str = "UPDATE accounts SET channel_expires_at = $2 WHERE id = $1";

pub const SET_LISTED: &str =
    "UPDATE accounts SET listed_at = $2 WHERE id = $1 AND (listed_at IS NULL OR listed_at < $2)";

pub const REPLACE_CONSENT: &str = "UPDATE accounts SET consent = $2, consent_version = consent_version + 1 \
     WHERE id = $1 AND state NOT IN ('disconnecting', 'disconnected') \
     AND EXISTS (SELECT 1 FROM tenants t WHERE t.id = accounts.tenant_id AND t.revoked_at IS NULL)";

/// The version moves too, so that a refresh under way cannot bring credentials back.
pub const ERASE_CREDENTIALS: &str = "UPDATE accounts SET credentials = NULL, \
     credentials_version = credentials_version + 1, consent = NULL, consent_version = consent_version + 1 \
     WHERE id = $1";

pub const GRANT_SUBJECT: &str = "SELECT grant_subject FROM accounts WHERE id = $1";

pub const SET_GRANT_SUBJECT: &str = "UPDATE accounts SET grant_subject = $2 WHERE id = $1";

/// Across tenants on purpose: a grant belongs to a person at a provider, and revoking it would cut off the other tenant.
pub const SHARES_GRANT: &str = "SELECT COUNT(*) FROM accounts mine JOIN accounts other \
     ON other.grant_subject = mine.grant_subject AND other.provider = mine.provider AND other.id <> mine.id \
     WHERE mine.id = $1 AND other.state <> 'disconnected' AND other.credentials IS NOT NULL";

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
