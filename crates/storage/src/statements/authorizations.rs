//! Consents that were asked for.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::{AccountId, ConsentOutcome};

use super::{Backend, Connection, Engine, execute, failed, fetch_value};
use crate::columns::{from_json, micros, storable, to_json};
use crate::entities::authorizations::{
    AttemptRow, AuthorizationAttempt, Authorizations, TakenAttempt, row_id, verifier_context,
};
use crate::error::StoreError;

/// How long the page of a consent that came back can be shown again after it ran out.
const KEPT_AFTER_EXPIRY: TimeDelta = TimeDelta::hours(1);

/// Those that came back are kept a little longer than they were good for, for the page in the browser.
pub const DELETE_EXPIRED: &str =
    "DELETE FROM authorizations WHERE expires_at <= $1 AND (taken_at IS NULL OR expires_at <= $2)";

const INSERT: &str = "INSERT INTO authorizations (state_hash, tenant_id, provider, account_id, label, \
     code_verifier, redirect_uri, created_at, expires_at, allow_duplicate) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const EXISTS: &str = "SELECT COUNT(*) FROM authorizations WHERE state_hash = $1";

/// Marking and reading in one statement is what makes an attempt good for one use.
pub const TAKE: &str = "UPDATE authorizations SET taken_at = $2, answer_hash = $3 \
     WHERE state_hash = $1 AND taken_at IS NULL AND expires_at > $2 RETURNING state_hash, tenant_id, provider, \
     account_id, label, code_verifier, redirect_uri, created_at, expires_at, allow_duplicate";

const TAKEN: &str = "SELECT state_hash, tenant_id, provider, account_id, label, code_verifier, redirect_uri, \
     created_at, expires_at, allow_duplicate FROM authorizations WHERE state_hash = $1 AND taken_at IS NOT NULL \
     AND answer_hash = $2";

const ENDED: &str = "SELECT state_hash, tenant_id, provider, account_id, label, code_verifier, redirect_uri, \
     created_at, expires_at, allow_duplicate FROM authorizations WHERE state_hash = $1 AND taken_at IS NOT NULL \
     AND outcome IS NOT NULL AND outcome <> $2 AND expires_at > $3";

pub const OUTCOME: &str = "SELECT outcome FROM authorizations WHERE state_hash = $1 AND outcome IS NOT NULL";

pub const LAST_OUTCOME: &str = "SELECT outcome FROM authorizations WHERE account_id = $1 AND taken_at IS NOT NULL \
     ORDER BY taken_at DESC LIMIT 1";

#[async_trait]
impl Authorizations for Backend {
    async fn insert_attempt(&self, attempt: &AuthorizationAttempt) -> Result<(), StoreError> {
        let row = row_id(&attempt.state_hash);
        let verifier = self.keyring().seal(verifier_context(&row), attempt.code_verifier.expose().as_bytes())?;
        let mut transaction = self.begin().await?;
        let query = sqlx::query(DELETE_EXPIRED)
            .bind(micros(attempt.created_at))
            .bind(micros(attempt.created_at - KEPT_AFTER_EXPIRY));
        execute(&mut transaction, query, "delete old consents").await?;
        let query = sqlx::query(INSERT)
            .bind(attempt.state_hash.as_slice())
            .bind(attempt.tenant_id.to_string())
            .bind(attempt.provider.as_str())
            .bind(attempt.account_id.to_string())
            .bind(storable(&attempt.label))
            .bind(verifier)
            .bind(&attempt.redirect_uri)
            .bind(micros(attempt.created_at))
            .bind(micros(attempt.expires_at))
            .bind(attempt.allow_duplicate);
        execute(&mut transaction, query, "insert a consent").await?;
        self.commit(transaction, "insert a consent").await
    }

    async fn take_attempt(
        &self,
        state_hash: &[u8; 32],
        answer_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<TakenAttempt>, StoreError> {
        // Anybody can send any text, and only a known one is worth a write.
        let rows: i64 = sqlx::query_scalar(EXISTS)
            .bind(state_hash.as_slice())
            .fetch_one(self.read_pool())
            .await
            .map_err(failed("find a consent"))?;
        if rows == 0 {
            return Ok(None);
        }
        let row: Option<AttemptRow> = sqlx::query_as(TAKE)
            .bind(state_hash.as_slice())
            .bind(micros(now))
            .bind(answer_hash.as_slice())
            .fetch_optional(self.write_pool())
            .await
            .map_err(failed("take a consent"))?;
        if let Some(row) = row {
            return row.open(self.keyring()).map(TakenAttempt::Now).map(Some);
        }
        let row: Option<AttemptRow> = sqlx::query_as(TAKEN)
            .bind(state_hash.as_slice())
            .bind(answer_hash.as_slice())
            .fetch_optional(self.read_pool())
            .await
            .map_err(failed("read a consent that came back"))?;
        row.map(|row| row.open(self.keyring()).map(TakenAttempt::Before)).transpose()
    }

    async fn end_attempt(&self, state_hash: &[u8; 32], outcome: &ConsentOutcome) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        set_outcome(&mut transaction, state_hash, outcome).await?;
        self.commit(transaction, "end a consent").await
    }

    async fn ended_attempt(
        &self,
        state_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, StoreError> {
        let row: Option<AttemptRow> = sqlx::query_as(ENDED)
            .bind(state_hash.as_slice())
            .bind(to_json(&ConsentOutcome::Granted, "authorizations.outcome")?)
            .bind(micros(now - KEPT_AFTER_EXPIRY))
            .fetch_optional(self.read_pool())
            .await
            .map_err(failed("read a consent that ended"))?;
        row.map(|row| row.open(self.keyring())).transpose()
    }

    async fn attempt_outcome(&self, state_hash: &[u8; 32]) -> Result<Option<ConsentOutcome>, StoreError> {
        let query = sqlx::query_scalar::<_, String>(OUTCOME).bind(state_hash.as_slice());
        let outcome = fetch_value(self.read_pool(), query, "read what came of a consent").await?;
        outcome.map(|json| from_json(&json, "authorizations.outcome")).transpose()
    }

    async fn last_outcome(&self, account: AccountId) -> Result<Option<ConsentOutcome>, StoreError> {
        let query = sqlx::query_scalar::<_, Option<String>>(LAST_OUTCOME).bind(account.to_string());
        let outcome = fetch_value(self.read_pool(), query, "read what came of a consent").await?;
        outcome.flatten().map(|json| from_json(&json, "authorizations.outcome")).transpose()
    }
}

/// What is final stays.
const SET_OUTCOME: &str = "UPDATE authorizations SET outcome = $2 WHERE state_hash = $1 \
     AND (outcome IS NULL OR outcome = $3)";

/// Writes down what came of a consent; what is final stays.
pub async fn set_outcome(
    connection: &mut Connection,
    state_hash: &[u8; 32],
    outcome: &ConsentOutcome,
) -> Result<(), StoreError> {
    let query = sqlx::query(SET_OUTCOME)
        .bind(state_hash.as_slice())
        .bind(to_json(outcome, "authorizations.outcome")?)
        .bind(to_json(&ConsentOutcome::NotSetUp, "authorizations.outcome")?);
    execute(connection, query, "write down what came of a consent").await.map(drop)
}
