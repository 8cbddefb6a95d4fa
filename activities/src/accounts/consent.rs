//! Settling a consent. Its tokens are in a place of their own until it is known whose they are: only then do they replace
//! those of the account, so that somebody else's consent, or one to too little, ends nothing that works.

use evercal_domain::account::Credentials;
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{
    Account, AccountId, ConsentOutcome, PendingConsent, PendingGrant, ProviderError, ProviderErrorKind,
};
use evercal_providers::{RedeemedTokens, TokenError};
use evercal_storage::{ConsentVersion, Settlement};
use evercal_workflows::contract::{ConsentSettled, SettleConsentInput};
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{AccountActivities, subject_hash};
use crate::deps::Connection;
use crate::failure::{Repeat, from_store, from_token};

impl AccountActivities {
    pub(super) async fn settle(
        &self,
        ctx: &ActivityContext,
        input: &SettleConsentInput,
    ) -> Result<ConsentSettled, ActivityError> {
        let (store, account_id) = (&self.deps.store, input.account_id);
        let Some((consent, version)) = store.consent(account_id).await.map_err(from_store)? else {
            // The attempt before this one settled it, and its answer was lost; or there was none.
            let outcome = store.last_outcome(account_id).await.map_err(from_store)?;
            return self.ended(account_id, outcome.filter(ConsentOutcome::is_final)).await;
        };
        let account = store.account(account_id).await.map_err(from_store)?;
        let Some(account) = account else { return self.ended(account_id, None).await };
        let (settlement, version) = if input.give_up && matches!(consent.grant, PendingGrant::Code { .. }) {
            (Settlement::Rejected(ConsentOutcome::TooLate), version)
        } else {
            self.find_out(ctx, &account, &consent, version).await?
        };
        // On a conflict another consent came: the next attempt finds it.
        let outcome = store.settle_consent(account_id, version, &settlement).await.map_err(from_store)?;
        if let Some(connection) = self.deps.connections.get(&account.provider) {
            connection.tokens.forget(account_id).await;
        }
        self.write_down(&account, &consent, &outcome).await?;
        self.ended(account_id, Some(outcome)).await
    }

    async fn ended(
        &self,
        account_id: AccountId,
        outcome: Option<ConsentOutcome>,
    ) -> Result<ConsentSettled, ActivityError> {
        let has_tokens = self.deps.store.credentials(account_id).await.map_err(from_store)?.is_some();
        Ok(match outcome {
            Some(outcome) => ConsentSettled::Settled { outcome, has_tokens },
            None => ConsentSettled::NothingWaits { has_tokens },
        })
    }

    /// Redeems the code, unless that was done, and finds out whose the tokens are.
    async fn find_out(
        &self,
        ctx: &ActivityContext,
        account: &Account,
        consent: &PendingConsent,
        version: ConsentVersion,
    ) -> Result<(Settlement, ConsentVersion), ActivityError> {
        let connection = self.deps.connection(account.provider)?;
        let refused = |outcome| Settlement::Rejected(outcome);
        let (redeemed, version) = match &consent.grant {
            PendingGrant::Redeemed { credentials } => (credentials.clone(), version),
            PendingGrant::Code { code, code_verifier, redirect_uri } => {
                match connection.tokens.redeem(code, code_verifier, redirect_uri).await {
                    Ok(RedeemedTokens::Granted(credentials)) => {
                        let version = self.keep(account.id, consent, version, &credentials).await?;
                        (credentials, version)
                    }
                    Ok(RedeemedTokens::MissingScopes(scopes)) => {
                        return Ok((refused(ConsentOutcome::MissingScopes { scopes }), version));
                    }
                    // A code is good for one use: if an answer was lost, only a new consent helps.
                    Err(error) if is_refusal(error.kind) => return Ok((refused(ConsentOutcome::Refused), version)),
                    Err(error) => return Err(self.not_yet(ctx, account, consent, error).await?),
                }
            }
        };
        let mut credentials = redeemed.clone();
        let subject_hash = whose(connection, &mut credentials).await;
        let version = if credentials == redeemed {
            version
        } else {
            self.keep(account.id, consent, version, &credentials).await?
        };
        match subject_hash {
            Ok(subject_hash) => Ok((Settlement::Redeemed { credentials, subject_hash }, version)),
            Err(error)
                if matches!(
                    error.kind,
                    // The last two of a person who has no calendars there.
                    ProviderErrorKind::GrantRevoked
                        | ProviderErrorKind::TokenRefreshNeeded
                        | ProviderErrorKind::Forbidden
                        | ProviderErrorKind::NotFound
                ) =>
            {
                Ok((refused(ConsentOutcome::Refused), version))
            }
            Err(error) => Err(self.not_yet(ctx, account, consent, error).await?),
        }
    }

    /// Stores the tokens of the consent in place of its code, or of the tokens before them: what they replace is spent.
    async fn keep(
        &self,
        account_id: AccountId,
        consent: &PendingConsent,
        version: ConsentVersion,
        credentials: &Credentials,
    ) -> Result<ConsentVersion, ActivityError> {
        let grant = PendingGrant::Redeemed { credentials: credentials.clone() };
        let redeemed = PendingConsent { grant, ..consent.clone() };
        self.deps.store.swap_consent(account_id, version, &redeemed).await.map_err(from_store)
    }

    /// What keeps a consent from being settled now. Where the provider does not accept our own client, its operator is alerted.
    async fn not_yet(
        &self,
        ctx: &ActivityContext,
        account: &Account,
        consent: &PendingConsent,
        error: ProviderError,
    ) -> Result<ActivityError, ActivityError> {
        if error.kind == ProviderErrorKind::ClientRefused {
            let store = &self.deps.store;
            store.end_attempt(&consent.state_hash, &ConsentOutcome::NotSetUp).await.map_err(from_store)?;
            self.deps.connection(account.provider)?.client_alert.note(&error).await.map_err(from_store)?;
        }
        Ok(from_token(ctx, &TokenError::Provider(error), Repeat::ByWorkflow))
    }

    /// What people ask later about: a consent that was of no use.
    async fn write_down(
        &self,
        account: &Account,
        consent: &PendingConsent,
        outcome: &ConsentOutcome,
    ) -> Result<(), ActivityError> {
        let message = match outcome {
            ConsentOutcome::Granted => return Ok(()),
            ConsentOutcome::AnotherUser => "a consent was another user's: the account is as it was".to_owned(),
            ConsentOutcome::Duplicate { account_id } => {
                format!("the user is connected already, as {account_id}: nothing is mirrored twice")
            }
            ConsentOutcome::MissingScopes { scopes } => {
                format!("a consent left out what is needed: {}", scopes.join(", "))
            }
            ConsentOutcome::TooLate => "a consent could not be redeemed in time".to_owned(),
            _ => "a consent was refused by the provider".to_owned(),
        };
        let entry = AuditEntry {
            dedup_key: format!("consent/{}/{}", account.id, hex::encode(consent.state_hash)),
            at: self.deps.clock.now(),
            kind: AuditKind::ConsentRefused,
            tenant_id: Some(account.tenant_id),
            account_id: Some(account.id),
            calendar_id: None,
            message,
        };
        self.deps.store.append_audit(&entry).await.map_err(from_store)
    }
}

/// Asks the provider whose credentials these are. It may renew them, whatever comes of it.
async fn whose(connection: &Connection, credentials: &mut Credentials) -> Result<String, ProviderError> {
    let calendars = &connection.calendars;
    let ask = |context| async move { calendars.whose_grant(&context).await };
    let subject = connection.tokens.with_credentials(credentials, ask).await?;
    Ok(subject_hash(connection.profile.provider, &subject))
}

/// Whether an OAuth error means that only a person can help.
fn is_refusal(kind: ProviderErrorKind) -> bool {
    matches!(kind, ProviderErrorKind::GrantRevoked | ProviderErrorKind::Forbidden | ProviderErrorKind::InvalidRequest)
}
