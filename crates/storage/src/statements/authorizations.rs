//! Consents under way.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Backend, failed};
use crate::error::StoreError;
use crate::repository::Authorizations;
use crate::sql::authorizations::{self as sql, AttemptRow, row_id, verifier_place};
use crate::sql::{micros, storable};
use crate::types::AuthorizationAttempt;

#[async_trait]
impl Authorizations for Backend {
    async fn insert_attempt(&self, attempt: &AuthorizationAttempt) -> Result<(), StoreError> {
        let place = row_id(&attempt.state_hash);
        let verifier = self.keyring.seal(verifier_place(&place), attempt.code_verifier.expose().as_bytes())?;
        let mut transaction = self.begin().await?;
        sqlx::query(sql::DELETE_EXPIRED)
            .bind(micros(attempt.created_at))
            .execute(&mut *transaction)
            .await
            .map_err(failed("delete old consents"))?;
        sqlx::query(sql::INSERT)
            .bind(attempt.state_hash.as_slice())
            .bind(attempt.tenant_id.to_string())
            .bind(attempt.provider.as_str())
            .bind(attempt.account_id.to_string())
            .bind(storable(&attempt.label))
            .bind(verifier)
            .bind(&attempt.redirect_uri)
            .bind(micros(attempt.created_at))
            .bind(micros(attempt.expires_at))
            .execute(&mut *transaction)
            .await
            .map_err(failed("insert a consent"))?;
        transaction.commit().await.map_err(failed("insert a consent"))
    }

    async fn take_attempt(
        &self,
        state_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, StoreError> {
        let row: Option<AttemptRow> = sqlx::query_as(sql::TAKE)
            .bind(state_hash.as_slice())
            .fetch_optional(&self.write)
            .await
            .map_err(failed("take a consent"))?;
        let attempt = row.map(|row| row.open(&self.keyring)).transpose()?;
        Ok(attempt.filter(|attempt| attempt.expires_at > now))
    }
}
