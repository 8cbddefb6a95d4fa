//! The consents that accounts wait with, and how they are settled.

use async_trait::async_trait;
use evercal_domain::account::Credentials;
use evercal_domain::{AccountId, ConsentOutcome, PendingConsent};
use evercal_sealing::Keyring;
use secrecy::zeroize::Zeroizing;

use super::authorizations::set_outcome;
use super::{
    Backend, Connection, Database, Engine, conflict, credentials, execute, failed, fetch_value, found, locks, not_found,
};
use crate::columns::{corrupt, parsed};
use crate::entities::consents::{ConsentVersion, Consents, Settlement, consent_context};
use crate::error::{StoreError, StoreErrorKind};

const CONSENT: &str = "SELECT consent, consent_version FROM accounts WHERE id = $1 AND consent IS NOT NULL";

/// The sealed consent that waits, and its version. `what` names the operation in errors.
async fn waiting_consent<'e>(
    executor: impl sqlx::Executor<'e, Database = Database>,
    account: &str,
    what: &'static str,
) -> Result<Option<(Vec<u8>, i64)>, StoreError> {
    sqlx::query_as(CONSENT).bind(account).fetch_optional(executor).await.map_err(failed(what))
}

const REPLACE_CONSENT: &str = "UPDATE accounts SET consent = $2, consent_version = consent_version + 1 \
     WHERE id = $1 AND state NOT IN ('disconnecting', 'disconnected') \
     AND EXISTS (SELECT 1 FROM tenants t WHERE t.id = accounts.tenant_id AND t.revoked_at IS NULL)";

const SWAP_CONSENT: &str = "UPDATE accounts SET consent = $3, consent_version = consent_version + 1 \
     WHERE id = $1 AND consent_version = $2 AND consent IS NOT NULL RETURNING consent_version";

/// A settled consent is gone, whatever came of it.
const SETTLE_CONSENT: &str = "UPDATE accounts SET consent = NULL, consent_version = consent_version + 1 \
     WHERE id = $1 AND consent_version = $2 AND consent IS NOT NULL";

#[async_trait]
impl Consents for Backend {
    async fn consent(&self, id: AccountId) -> Result<Option<(PendingConsent, ConsentVersion)>, StoreError> {
        let id = id.to_string();
        let waiting = waiting_consent(self.read_pool(), &id, "read a consent").await?;
        let Some((sealed, version)) = waiting else { return Ok(None) };
        Ok(Some((open(self.keyring(), &id, &sealed)?, ConsentVersion(version))))
    }

    async fn replace_consent(&self, id: AccountId, consent: &PendingConsent) -> Result<(), StoreError> {
        let account = id.to_string();
        let sealed = seal(self.keyring(), id, consent)?;
        let mut transaction = self.begin().await?;
        locks::account(&mut transaction, &account, "replace a consent").await?;
        let replaced = waiting_consent(&mut *transaction, &account, "replace a consent").await?;
        // One that cannot be opened has no page any more either.
        let replaced = replaced.and_then(|(sealed, _)| open(self.keyring(), &account, &sealed).ok());
        if replaced.as_ref().is_some_and(|replaced| replaced.state_hash == consent.state_hash) {
            // The same once more, such as a page that was reloaded at once: its code is good for one use.
            return Ok(());
        }
        let query = sqlx::query(REPLACE_CONSENT).bind(&account).bind(sealed);
        found(execute(&mut transaction, query, "replace a consent").await?, "replace a consent")?;
        if let Some(replaced) = replaced {
            set_outcome(&mut transaction, &replaced.state_hash, &ConsentOutcome::Superseded).await?;
        }
        self.commit(transaction, "replace a consent").await
    }

    async fn swap_consent(
        &self,
        id: AccountId,
        expected: ConsentVersion,
        consent: &PendingConsent,
    ) -> Result<ConsentVersion, StoreError> {
        let sealed = seal(self.keyring(), id, consent)?;
        let query = sqlx::query_scalar::<_, i64>(SWAP_CONSENT).bind(id.to_string()).bind(expected.0).bind(sealed);
        let version = fetch_value(self.write_pool(), query, "swap a consent").await?;
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
        let waiting = waiting_consent(&mut *transaction, &account, "settle a consent").await?;
        let waiting = waiting.filter(|(_, version)| *version == expected.0);
        let (sealed, _) = waiting.ok_or_else(|| conflict("settle a consent"))?;
        let consent = open(self.keyring(), &account, &sealed)?;
        let outcome = match settlement {
            Settlement::Rejected(outcome) => outcome.clone(),
            Settlement::Redeemed { credentials: tokens, subject_hash } => {
                let outcome = whose(&mut transaction, &account, subject_hash, consent.allow_duplicate).await?;
                let is_granted = outcome == ConsentOutcome::Granted;
                if is_granted && !grant(self, &mut transaction, id, tokens, subject_hash).await? {
                    ConsentOutcome::AccountGone
                } else {
                    outcome
                }
            }
        };
        let query = sqlx::query(SETTLE_CONSENT).bind(&account).bind(expected.0);
        execute(&mut transaction, query, "settle a consent").await?;
        set_outcome(&mut transaction, &consent.state_hash, &outcome).await?;
        self.commit(transaction, "settle a consent").await?;
        Ok(outcome)
    }
}

const GRANT: &str = "UPDATE accounts SET credentials = $2, credentials_version = credentials_version + 1, \
     grant_subject = $3 WHERE id = $1 AND state NOT IN ('disconnecting', 'disconnected')";

/// Stores credentials as the account's, and whose they are; false when the account is being disconnected.
async fn grant(
    store: &Backend,
    connection: &mut Connection,
    id: AccountId,
    tokens: &Credentials,
    subject_hash: &str,
) -> Result<bool, StoreError> {
    let query = sqlx::query(GRANT)
        .bind(id.to_string())
        .bind(credentials::seal(store.keyring(), id, tokens)?)
        .bind(subject_hash);
    Ok(execute(connection, query, "settle a consent").await? > 0)
}

/// Another account of the same tenant that lives on the same person's grant. Found by the grant: a tenant may have many
/// accounts, and a provider more, so that the indexes by them are kept out of it.
pub const DUPLICATE_OF: &str = "SELECT other.id FROM accounts mine JOIN accounts other \
     ON other.tenant_id || '' = mine.tenant_id AND other.provider || '' = mine.provider AND other.id <> mine.id \
     WHERE mine.id = $1 AND other.grant_subject = $2 AND other.state <> 'disconnected' \
     AND other.credentials IS NOT NULL ORDER BY other.id LIMIT 1";

/// Whose a redeemed consent is, compared with what is known of the account and of the others of its tenant.
async fn whose(
    connection: &mut Connection,
    account: &str,
    subject_hash: &str,
    allow_duplicate: bool,
) -> Result<ConsentOutcome, StoreError> {
    match credentials::grant_subject(&mut *connection, account).await? {
        Some(known) if known == subject_hash => return Ok(ConsentOutcome::Granted),
        Some(_) => return Ok(ConsentOutcome::AnotherUser),
        None if allow_duplicate => return Ok(ConsentOutcome::Granted),
        None => {}
    }
    let other: Option<String> = sqlx::query_scalar(DUPLICATE_OF)
        .bind(account)
        .bind(subject_hash)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("find the same user"))?;
    match other {
        Some(other) => Ok(ConsentOutcome::Duplicate { account_id: parsed(&other, "accounts.id")? }),
        None => Ok(ConsentOutcome::Granted),
    }
}

/// Seals a consent for the account that waits with it.
pub fn seal(keyring: &Keyring, id: AccountId, consent: &PendingConsent) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(consent)
        .map(Zeroizing::new)
        .map_err(|_| StoreError::new(StoreErrorKind::Sealed, "accounts.consent could not be serialised"))?;
    Ok(keyring.seal(consent_context(&id.to_string()), &json)?)
}

fn open(keyring: &Keyring, id: &str, sealed: &[u8]) -> Result<PendingConsent, StoreError> {
    let json = keyring.open(consent_context(id), sealed)?;
    serde_json::from_slice(&json).map_err(|_| corrupt("accounts.consent"))
}
