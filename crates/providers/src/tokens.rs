//! What accounts sign in with, and the access tokens that calls carry for it: one refresh at a time per account, kept until
//! shortly before they end, and never used again once the provider has refused them.
//!
//! Not for storing: [`CredentialStore`] does that, and its compare-and-swap decides between processes.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::account::{Credentials, OAuthTokens, Secret};
use evercal_domain::{AccountId, Clock, ProviderError, ProviderErrorKind};

use crate::call::{Access, CallContext};
use crate::oauth::{OAuthProvider, RedeemedCode, TokenGrant};

/// How long before its end a token is not used any more: longer than one call may take.
const EXPIRY_MARGIN: TimeDelta = TimeDelta::seconds(60);
/// The longest lifetime that is accepted of a provider.
const LIFETIME_MAX: TimeDelta = TimeDelta::days(30);
/// Accounts whose token is kept in memory; beyond it the idle ones are forgotten and read from the store again.
const CACHED_ACCOUNTS_MAX: usize = 10_000;
/// How often somebody else may be faster before we give up.
const SWAP_ROUNDS_MAX: u32 = 3;
/// Calls that are made with one token after the other before the grant is taken for dead. Each of two other workers may have
/// left one in the store that is spent.
const REFUSED_CALLS_MAX: u32 = 4;

/// Where credentials are kept.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// The credentials of an account; `None` when it does not exist or they were erased.
    async fn read(&self, account: AccountId) -> Result<Option<StoredCredentials>, CredentialStoreError>;

    /// Replaces the credentials if they still have the expected version.
    async fn swap(
        &self,
        account: AccountId,
        expected_version: i64,
        credentials: &Credentials,
    ) -> Result<SwapOutcome, CredentialStoreError>;
}

/// Credentials and the version that names them.
#[derive(Debug, Clone)]
pub struct StoredCredentials {
    /// The credentials.
    pub credentials: Credentials,
    /// Another one after each change.
    pub version: i64,
}

/// The outcome of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapOutcome {
    /// Ours are stored.
    Stored,
    /// Somebody else's are stored: read them.
    Lost,
}

/// The store failed; trying again may help.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the credentials could not be read or written: {0}")]
pub struct CredentialStoreError(Arc<dyn Error + Send + Sync>);

impl CredentialStoreError {
    /// Wraps the store's own error.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

/// Why there is no token, or why the call made with one failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// The provider refused or failed; `GrantRevoked` means that somebody has to consent again.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] CredentialStoreError),
    /// The account has no credentials (any more).
    #[error("the account is not connected")]
    NotConnected,
}

/// The calls by which a provider's accounts sign in. Their [`Credentials`] are of the same kind.
#[derive(Clone)]
pub enum SignInCalls {
    /// By the consent of a person, whose grant is redeemed, refreshed and revoked.
    OAuth(Arc<dyn OAuthProvider>),
}

/// The access tokens of a provider's accounts.
pub struct TokenSource {
    sign_in: SignInCalls,
    store: Arc<dyn CredentialStore>,
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<AccountId, Arc<Slot>>>,
}

/// What is known of one account's token. Whoever fetches one holds the lock, so that the others wait for that outcome.
#[derive(Default)]
struct Slot {
    /// How many fetches have ended; those who waited see by it that one ended meanwhile.
    fetches: AtomicU64,
    state: tokio::sync::Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    token: Option<AccessToken>,
    /// What the provider refused since the last fetch that brought a token. The store may still hold it.
    refused: Vec<Access>,
    /// The error of the last fetch, if it failed.
    failure: Option<TokenError>,
}

#[derive(Clone)]
struct AccessToken {
    access: Access,
    expires_at: DateTime<Utc>,
    /// Granted by the provider to this process; else another process left it in the store, who knows when.
    is_granted: bool,
}

impl AccessToken {
    /// The one that is in credentials, as another process may have left it there.
    fn kept_in(credentials: &Credentials) -> Self {
        match credentials {
            Credentials::OAuth(tokens) => Self {
                access: Access::Bearer(tokens.access_token.clone()),
                expires_at: tokens.access_token_expires_at,
                is_granted: false,
            },
        }
    }
}

impl TokenSource {
    /// A source that has nothing cached. `clock` must show real time, whatever time a calendar lives in: tokens are real.
    pub fn new(sign_in: SignInCalls, store: Arc<dyn CredentialStore>, clock: Arc<dyn Clock>) -> Self {
        Self { sign_in, store, clock, slots: Mutex::default() }
    }

    /// Makes a call with a valid token. When the provider refuses the token (401), that token is dropped, another one is
    /// fetched, and the call is made once more; when one that the provider has just granted is refused too, the grant is
    /// dead (`GrantRevoked`).
    pub async fn with_token<T, F, Fut>(&self, account: AccountId, call: F) -> Result<T, TokenError>
    where
        F: Fn(CallContext) -> Fut,
        Fut: Future<Output = Result<T, ProviderError>>,
    {
        let mut token = self.access_token(account).await?;
        let mut calls = 0;
        loop {
            calls += 1;
            let access = token.access.clone();
            let refusal = match call(CallContext { access, account: Some(account) }).await {
                Err(error) if error.kind == ProviderErrorKind::TokenRefreshNeeded => error,
                outcome => return outcome.map_err(TokenError::from),
            };
            self.invalidate(account, &token.access).await;
            // The first one may just be old; so may one that another process left in the store.
            if (calls > 1 && token.is_granted) || calls >= REFUSED_CALLS_MAX {
                return Err(dead_grant(refusal));
            }
            let next = self.access_token(account).await?;
            if next.access == token.access {
                return Err(dead_grant(refusal));
            }
            token = next;
        }
    }

    /// Turns the code of a consent into tokens, which are nobody's yet: the account's own ones stay as they are.
    pub async fn redeem(
        &self,
        code: &Secret,
        code_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<RedeemedTokens, ProviderError> {
        let SignInCalls::OAuth(oauth) = &self.sign_in;
        match oauth.redeem_code(code, code_verifier, redirect_uri).await? {
            RedeemedCode::MissingScopes(scopes) => Ok(RedeemedTokens::MissingScopes(scopes)),
            RedeemedCode::Granted(grant) => {
                let Some(refresh_token) = grant.refresh_token.clone() else {
                    let error = ProviderError::without_answer(ProviderErrorKind::GrantRevoked, "oauth.token");
                    return Err(error.with_reason("noRefreshToken"));
                };
                Ok(RedeemedTokens::Granted(self.granted(grant, refresh_token, "")))
            }
        }
    }

    /// Makes a call with credentials that are no account's yet. They are renewed where they are about to end, or where the
    /// provider refuses them (401), after which the call is made once more. Whatever comes of the call, the caller keeps renewed
    /// ones: the provider may accept those before them no more.
    pub async fn with_credentials<T, F, Fut>(&self, credentials: &mut Credentials, call: F) -> Result<T, ProviderError>
    where
        F: Fn(CallContext) -> Fut,
        Fut: Future<Output = Result<T, ProviderError>>,
    {
        let ask = |credentials: &Credentials| {
            call(CallContext { access: AccessToken::kept_in(credentials).access, account: None })
        };
        if !self.is_fresh(AccessToken::kept_in(credentials).expires_at) {
            *credentials = self.renew(credentials).await?;
        }
        match ask(credentials).await {
            Err(error) if error.kind == ProviderErrorKind::TokenRefreshNeeded => {
                *credentials = self.renew(credentials).await?;
                ask(credentials).await
            }
            answer => answer,
        }
    }

    /// Gives back what credentials were granted. It may end other grants of the same person too.
    pub async fn revoke(&self, credentials: &Credentials) -> Result<(), ProviderError> {
        let (SignInCalls::OAuth(oauth), Credentials::OAuth(tokens)) = (&self.sign_in, credentials);
        oauth.revoke(&tokens.refresh_token).await
    }

    /// Forgets what is in memory of an account: its credentials are others now, or none.
    pub async fn forget(&self, account: AccountId) {
        *self.slot(account).state.lock().await = SlotState::default();
    }

    async fn access_token(&self, account: AccountId) -> Result<AccessToken, TokenError> {
        let slot = self.slot(account);
        let fetches_before = slot.fetches.load(Ordering::Acquire);
        let mut state = slot.state.lock().await;

        let waited_for_a_fetch = slot.fetches.load(Ordering::Acquire) != fetches_before;
        if let Some(token) = &state.token
            && (waited_for_a_fetch || self.is_fresh(token.expires_at))
        {
            return Ok(token.clone());
        }
        if waited_for_a_fetch && let Some(failure) = &state.failure {
            return Err(failure.clone());
        }

        let fetched = self.fetch(account, &state.refused).await;
        slot.fetches.fetch_add(1, Ordering::Release);
        match fetched {
            Ok(token) => {
                *state = SlotState { token: Some(token.clone()), ..SlotState::default() };
                Ok(token)
            }
            Err(error) => {
                state.token = None;
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Drops exactly this token; one that has replaced it meanwhile stays.
    async fn invalidate(&self, account: AccountId, refused: &Access) {
        let slot = self.slot(account);
        let mut state = slot.state.lock().await;
        state.token.take_if(|current| current.access == *refused);
        if state.token.is_none() && !state.refused.contains(refused) {
            state.refused.push(refused.clone());
        }
    }

    /// Gets a token from the store or, where that one is spent, from the provider.
    async fn fetch(&self, account: AccountId, refused: &[Access]) -> Result<AccessToken, TokenError> {
        for _ in 0..SWAP_ROUNDS_MAX {
            let stored = self.store.read(account).await?.ok_or(TokenError::NotConnected)?;
            let token = AccessToken::kept_in(&stored.credentials);
            if self.is_fresh(token.expires_at) && !refused.contains(&token.access) {
                return Ok(token);
            }
            let renewed = match self.renew(&stored.credentials).await {
                Ok(renewed) => renewed,
                Err(error) => {
                    // What we tried with may have been replaced meanwhile, by another process or by a new consent.
                    if error.kind == ProviderErrorKind::GrantRevoked && self.was_replaced(account, &stored).await? {
                        continue;
                    }
                    return Err(error.into());
                }
            };
            if self.store.swap(account, stored.version, &renewed).await? == SwapOutcome::Stored {
                return Ok(AccessToken { is_granted: true, ..AccessToken::kept_in(&renewed) });
            }
        }
        Err(CredentialStoreError::new("they are being replaced faster than they can be used").into())
    }

    async fn was_replaced(&self, account: AccountId, tried: &StoredCredentials) -> Result<bool, TokenError> {
        let current = self.store.read(account).await?.ok_or(TokenError::NotConnected)?;
        Ok(current.version != tried.version)
    }

    async fn renew(&self, credentials: &Credentials) -> Result<Credentials, ProviderError> {
        let (SignInCalls::OAuth(oauth), Credentials::OAuth(before)) = (&self.sign_in, credentials);
        let grant = oauth.refresh(&before.refresh_token).await?;
        // A provider that gives no new refresh token means that the old one stays.
        let refresh_token = grant.refresh_token.clone().unwrap_or_else(|| before.refresh_token.clone());
        Ok(self.granted(grant, refresh_token, &before.scope))
    }

    fn granted(&self, grant: TokenGrant, refresh_token: Secret, scope_before: &str) -> Credentials {
        let lifetime = TimeDelta::from_std(grant.expires_in).unwrap_or(LIFETIME_MAX).min(LIFETIME_MAX);
        Credentials::OAuth(OAuthTokens {
            access_token: grant.access_token,
            access_token_expires_at: self.clock.now() + lifetime,
            refresh_token,
            scope: grant.scope.unwrap_or_else(|| scope_before.to_owned()),
        })
    }

    fn is_fresh(&self, expires_at: DateTime<Utc>) -> bool {
        expires_at - self.clock.now() > EXPIRY_MARGIN
    }

    fn slot(&self, account: AccountId) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= CACHED_ACCOUNTS_MAX && !slots.contains_key(&account) {
            // A slot in use stays, so that there is never more than one per account.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(account).or_default())
    }
}

/// The outcome of redeeming a code, as an account's credentials.
#[derive(Debug, Clone, PartialEq)]
pub enum RedeemedTokens {
    /// Tokens for all that evercal needs.
    Granted(Credentials),
    /// The person left out some of it.
    MissingScopes(Vec<String>),
}

/// A token was refused that the provider had just granted: another one would be refused too.
fn dead_grant(refusal: ProviderError) -> TokenError {
    TokenError::Provider(ProviderError { kind: ProviderErrorKind::GrantRevoked, ..refusal })
}

#[cfg(test)]
mod tests;
