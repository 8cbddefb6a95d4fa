//! The consents that wait to be settled.

use async_trait::async_trait;
use evercal_domain::account::Credentials;
use evercal_domain::{AccountId, ConsentOutcome, PendingConsent};
use evercal_sealing::Context;

use crate::error::StoreError;

/// Consents that came back and wait to be settled, one for each account at the most.
#[async_trait]
pub trait Consents: Send + Sync {
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
    /// Ends the consent that waits, if it still has the expected version (else [`crate::StoreErrorKind::Conflict`]), and answers
    /// its outcome. One transaction compares the user with those that are known, replaces the credentials or leaves them, and
    /// writes the outcome down. Of two accounts of a tenant that are settled for one user at the same time, one is the duplicate.
    async fn settle_consent(
        &self,
        id: AccountId,
        expected: ConsentVersion,
        settlement: &Settlement,
    ) -> Result<ConsentOutcome, StoreError>;
}

/// The version of an account's waiting consent; every change makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentVersion(pub i64);

/// How a waiting consent is to end.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// It was redeemed, and its user is known: the account uses these tokens from now on, unless they are another user's.
    Redeemed {
        /// The tokens.
        credentials: Credentials,
        /// Whose they are: a hash, not an address.
        subject_hash: String,
    },
    /// The account gets no new tokens, for this reason.
    Rejected(ConsentOutcome),
}

/// The context in which an account's consent is sealed.
pub fn consent_context(id: &str) -> Context<'_> {
    Context { table: "accounts", row: id, field: "consent" }
}
