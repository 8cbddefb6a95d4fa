//! Redeeming a consent, finding calendars, giving the grant back.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use std::sync::Arc;

use evercal_domain::account::Credentials;
use evercal_domain::limits::CALENDARS_PER_ACCOUNT_MAX;
use evercal_domain::{AccountId, CalendarState, Provider, ProviderErrorKind, RemoteCalendar, RetryClass};
use evercal_providers::{PageToken, TokenError};
use evercal_storage::StoreErrorKind;
use evercal_workflows::contract::{
    self, AccountRef, AccountRevoked, CalendarsListed, CodeRedeemed, ListCalendarsInput, OpenCalendars, RevokeInput,
};
use sha2::{Digest, Sha256};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::attempt;
use crate::deps::Deps;
use crate::failure::{Repeat, from_limit, from_store, from_token};

/// Implements [`contract::AccountActivities`].
pub struct AccountActivities {
    /// What it works with.
    pub deps: Arc<Deps>,
}

#[activities]
impl AccountActivities {
    /// Turns the stored authorization code into tokens.
    #[activity(definition = contract::RedeemCode)]
    pub async fn redeem_code(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: AccountRef,
    ) -> Result<CodeRedeemed, ActivityError> {
        attempt::run(&ctx, async {
            let (store, account_id) = (&self.deps.store, input.account_id);
            let connection = self.deps.connection_of(account_id).await.map_err(from_store)?;
            let tried = store.credentials(account_id).await.map_err(from_store)?;
            match connection.tokens.reload(account_id).await {
                // Also with the tokens of the consent before this one, where this one was refused.
                Ok(()) => Ok(CodeRedeemed::Granted),
                Err(TokenError::NotConnected) => Ok(CodeRedeemed::Refused),
                // A code is good for one use: if an answer was lost, only a new consent helps.
                Err(TokenError::Provider(error)) if is_refusal(error.kind) => {
                    if let Some((Credentials::AuthorizationCode { before: None, .. }, version)) = tried {
                        // Left in the store, every gateway that starts would have it redeemed again.
                        store.erase_credentials_if(account_id, version).await.map_err(from_store)?;
                    }
                    Ok(CodeRedeemed::Refused)
                }
                Err(error) => Err(from_token(&ctx, &error, Repeat::Policy)),
            }
        })
        .await
    }

    /// Reads the provider's list of calendars and compares it with ours.
    #[activity(definition = contract::ListCalendars)]
    pub async fn list_calendars(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: ListCalendarsInput,
    ) -> Result<CalendarsListed, ActivityError> {
        attempt::run(&ctx, async {
            let account_id = input.account_id;
            let (store, provider) = (&self.deps.store, self.deps.provider_of(account_id).await.map_err(from_store)?);
            // Reading the list may redeem a consent of which the workflow has not heard yet.
            let stored = store.credentials(account_id).await.map_err(from_store)?;
            let new_consent =
                input.new_consent || matches!(stored, Some((Credentials::AuthorizationCode { .. }, _version)));
            if input.new_consent {
                // What this process has in memory may be of the consent before. A failure shows again with the list.
                let _read_anew = self.deps.connection(provider).tokens.reload(account_id).await;
            }
            let Some((calendars, complete)) = self.read_list(&ctx, account_id).await? else {
                return Ok(CalendarsListed::NeedsReauth);
            };
            if let Some(primary) = calendars.iter().find(|calendar| calendar.primary) {
                let subject = grant_subject(provider, primary);
                // Only after a consent: a person's address may change, the person of a grant cannot.
                if new_consent && self.is_another_user(account_id, &subject).await? {
                    self.erase_foreign_tokens(account_id, provider).await?;
                    return Ok(CalendarsListed::AnotherUser);
                }
                store.set_grant_subject(account_id, &subject).await.map_err(from_store)?;
            }
            let at = attempt::started_at(&ctx);
            let reconciled = store.reconcile_calendars(account_id, &calendars, at).await.map_err(from_store)?;
            let register = store.calendars_of_account(account_id).await.map_err(from_store)?;
            // One whose grant died as well shows that; after a new consent it waits all the same.
            let may_wait = [CalendarState::ActionRequired, CalendarState::NeedsReauth];
            let waiting = register.iter().filter(|calendar| may_wait.contains(&calendar.state));
            let waiting = waiting.map(|calendar| calendar.id).filter(|id| reconciled.listed.contains(id));
            Ok(CalendarsListed::Listed {
                action_required: waiting.collect(),
                listed: reconciled.listed,
                // Where an entry could not be read, absence proves nothing: nobody's mirror is ended for that.
                vanished: if complete { reconciled.vanished } else { Vec::new() },
                timing: Box::new(self.deps.settings.timing.clone()),
                strategy: Some(self.deps.settings.strategies.of(provider)),
            })
        })
        .await
    }

    /// Reads which of an account's calendars have a subscription that has not ended.
    #[activity(definition = contract::ListOpenCalendars)]
    pub async fn list_open_calendars(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: AccountRef,
    ) -> Result<OpenCalendars, ActivityError> {
        attempt::run(&ctx, async {
            let calendars = self.deps.store.calendars_of_account(input.account_id).await.map_err(from_store)?;
            let open = calendars.into_iter().filter(|calendar| calendar.state != CalendarState::Closed);
            Ok(OpenCalendars { calendars: open.map(|calendar| calendar.id).collect() })
        })
        .await
    }

    /// Gives the grant back unless another account lives on it, then erases tokens and mirrored events.
    #[activity(definition = contract::RevokeAccount)]
    pub async fn revoke_account(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: RevokeInput,
    ) -> Result<AccountRevoked, ActivityError> {
        attempt::run(&ctx, async {
            let (store, account_id) = (&self.deps.store, input.account_id);
            let revoked = if input.erase_only {
                // What cannot be opened any more, or asked of the provider, can still be erased.
                AccountRevoked::OnlyErased
            } else {
                self.give_grant_back(&ctx, account_id).await?
            };
            store.erase_credentials(account_id).await.map_err(from_store)?;
            store.erase_mirrors(account_id).await.map_err(from_store)?;
            Ok(revoked)
        })
        .await
    }
}

impl AccountActivities {
    /// Revokes the grant, unless another account lives on it.
    async fn give_grant_back(
        &self,
        ctx: &ActivityContext,
        account_id: AccountId,
    ) -> Result<AccountRevoked, ActivityError> {
        let store = &self.deps.store;
        let connection = self.deps.connection_of(account_id).await.map_err(from_store)?;
        let credentials = store.credentials(account_id).await.map_err(from_store)?;
        let tokens = credentials.as_ref().and_then(|(credentials, _version)| credentials.tokens());
        let Some(Credentials::Tokens { refresh_token, .. }) = tokens else { return Ok(AccountRevoked::WasDead) };
        // Revoking ends the tokens of every client of the project for that person.
        if store.shares_grant(account_id).await.map_err(from_store)? {
            return Ok(AccountRevoked::KeptForOthers);
        }
        match connection.oauth.revoke(refresh_token).await {
            Ok(()) => Ok(AccountRevoked::Revoked),
            // Whatever the provider means by it, asking again is in vain, and the tokens must go.
            Err(error) if error.kind.retry_class() == RetryClass::Permanent => Ok(AccountRevoked::WasDead),
            Err(error) => Err(from_token(ctx, &TokenError::Provider(error), Repeat::Policy)),
        }
    }

    /// Whether the account is known to be somebody else's.
    async fn is_another_user(&self, account_id: AccountId, subject: &str) -> Result<bool, ActivityError> {
        let known = self.deps.store.grant_subject(account_id).await.map_err(from_store)?;
        Ok(known.is_some_and(|known| known != subject))
    }

    /// Forgets the tokens of a user whose calendars these are not. They are not revoked: that would end the grant of an
    /// account which that user may have of their own.
    async fn erase_foreign_tokens(&self, account_id: AccountId, provider: Provider) -> Result<(), ActivityError> {
        let store = &self.deps.store;
        let credentials = store.credentials(account_id).await.map_err(from_store)?;
        // A code that came meanwhile is of the next consent, and so is what replaces the tokens from here on.
        if let Some((Credentials::Tokens { .. }, version)) = credentials {
            match store.erase_credentials_if(account_id, version).await {
                Err(error) if error.kind != StoreErrorKind::Conflict => return Err(from_store(error)),
                _ => {}
            }
            // Found to be erased, they are not kept in memory either.
            let _not_connected = self.deps.connection(provider).tokens.reload(account_id).await;
        }
        Ok(())
    }

    /// All pages of the list, and whether every entry could be read; `None` when the grant is dead.
    async fn read_list(
        &self,
        ctx: &ActivityContext,
        account_id: AccountId,
    ) -> Result<Option<(Vec<RemoteCalendar>, bool)>, ActivityError> {
        let connection = self.deps.connection_of(account_id).await.map_err(from_store)?;
        let simulated_now = self.deps.settings.simulated_time.then(|| attempt::started_at(ctx));
        let mut calendars: Vec<RemoteCalendar> = Vec::new();
        let mut complete = true;
        let mut page: Option<PageToken> = None;
        loop {
            let (provider, token) = (&connection.calendars, page.as_ref());
            let call = |context| async move { provider.list_calendars(&context, token).await };
            let answer = match connection.tokens.with_token(account_id, simulated_now, call).await {
                Ok(answer) => answer,
                Err(TokenError::NotConnected) => return Ok(None),
                Err(TokenError::Provider(error)) if error.kind == ProviderErrorKind::GrantRevoked => return Ok(None),
                Err(error) => return Err(from_token(ctx, &error, Repeat::Policy)),
            };
            complete &= answer.unreadable == 0;
            calendars.extend(answer.calendars);
            if calendars.len() > CALENDARS_PER_ACCOUNT_MAX {
                return Err(from_limit("the account lists more calendars than one account may have"));
            }
            match answer.next {
                Some(next) => page = Some(next),
                None => return Ok(Some((calendars, complete))),
            }
        }
    }
}

/// Whether an OAuth error means that only a person can help.
fn is_refusal(kind: ProviderErrorKind) -> bool {
    matches!(kind, ProviderErrorKind::GrantRevoked | ProviderErrorKind::Forbidden | ProviderErrorKind::InvalidRequest)
}

/// Whose grant it is, as a hash: the primary calendar's id is the person's address at Google.
fn grant_subject(provider: Provider, primary: &RemoteCalendar) -> String {
    let digest = Sha256::digest(format!("{}:{}", provider.as_str(), primary.provider_id.as_str()).as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
