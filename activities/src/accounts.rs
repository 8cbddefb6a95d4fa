//! Settling a consent, finding calendars, revoking the grant.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

mod consent;
mod list;

use std::sync::Arc;

use evercal_domain::{AccountId, CalendarState, GrantSubject, Provider, RetryClass};
use evercal_providers::TokenError;
use evercal_workflows::contract::{
    self, AccountRef, AccountRevoked, CalendarsListed, ConsentSettled, OpenCalendars, RevokeInput, SettleConsentInput,
};
use sha2::{Digest, Sha256};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::attempt;
use crate::deps::Deps;
use crate::failure::{Repeat, from_store, from_token};
use list::ReadList;

/// Implements [`contract::AccountActivities`].
pub struct AccountActivities {
    /// What it works with.
    pub deps: Arc<Deps>,
}

#[activities]
impl AccountActivities {
    /// Turns the stored authorization code into tokens, finds out whose they are, and ends the consent.
    #[activity(definition = contract::SettleConsent)]
    pub async fn settle_consent(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: SettleConsentInput,
    ) -> Result<ConsentSettled, ActivityError> {
        attempt::run(&ctx, self.settle(&ctx, &input)).await
    }

    /// Reads the provider's list of calendars and compares it with ours.
    #[activity(definition = contract::ListCalendars)]
    pub async fn list_calendars(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: AccountRef,
    ) -> Result<CalendarsListed, ActivityError> {
        attempt::run(&ctx, async {
            let account_id = input.account_id;
            let (store, connection) = (&self.deps.store, self.deps.connection_of(account_id).await?);
            let at = attempt::started_at(&ctx);
            let list = match self.read_list(&ctx, account_id).await? {
                ReadList::Read(list) => list,
                ReadList::GrantDead { why } => {
                    return Ok(CalendarsListed::NeedsReauth { why: why.map(str::to_owned) });
                }
            };
            if let Some(subject) = &list.subject {
                // A person's address may change, the person of a grant cannot.
                let hash = subject_hash(connection.profile.provider, subject);
                store.set_grant_subject(account_id, &hash).await.map_err(from_store)?;
            }
            let reconciled = store.reconcile_calendars(account_id, &list.calendars, at).await.map_err(from_store)?;
            let register = store.calendars_of_account(account_id).await.map_err(from_store)?;
            // One whose grant died as well is in that state, and still waits for a person after a new consent.
            let may_wait = [CalendarState::ActionRequired, CalendarState::NeedsReauth];
            let listed: std::collections::HashSet<_> = reconciled.listed.iter().copied().collect();
            let waiting = register.iter().filter(|calendar| may_wait.contains(&calendar.state));
            let waiting = waiting.map(|calendar| calendar.id).filter(|id| listed.contains(id));
            // Of these the account sees more or less than before: they are read anew.
            let waiting = waiting.chain(reconciled.seen_otherwise.iter().copied());
            let answer = CalendarsListed::Listed {
                action_required: waiting.collect(),
                listed: reconciled.listed,
                // Where something could not be read, absence proves nothing: nobody's mirror is ended for that.
                vanished: if list.is_whole() { reconciled.vanished } else { Vec::new() },
                timing: Box::new(connection.timing.clone()),
                strategy: connection.strategy,
                incomplete: list.limit,
            };
            store.set_listed(account_id, self.deps.clock.now()).await.map_err(from_store)?;
            Ok(answer)
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

    /// Revokes the grant unless another account uses it too, then erases tokens and mirrored events.
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
                self.revoke_grant(&ctx, account_id).await?
            };
            store.erase_credentials(account_id).await.map_err(from_store)?;
            store.erase_mirrors(account_id).await.map_err(from_store)?;
            Ok(revoked)
        })
        .await
    }
}

impl AccountActivities {
    /// Revokes the grant, unless another account uses it too.
    async fn revoke_grant(
        &self,
        ctx: &ActivityContext,
        account_id: AccountId,
    ) -> Result<AccountRevoked, ActivityError> {
        let store = &self.deps.store;
        let credentials = store.credentials(account_id).await.map_err(from_store)?;
        let Some((credentials, _version)) = credentials else { return Ok(AccountRevoked::WasDead) };
        // Revoking may end the tokens of every account of that person, those of other tenants too.
        if store.shares_grant(account_id).await.map_err(from_store)? {
            return Ok(AccountRevoked::KeptForOthers);
        }
        let connection = self.deps.connection_of(account_id).await?;
        if !connection.profile.takes_grants_back() {
            return Ok(AccountRevoked::NotRevocable);
        }
        match connection.tokens.revoke(&credentials).await {
            Ok(()) => Ok(AccountRevoked::Revoked),
            // Whatever the provider means by it, asking again is in vain, and the tokens must go.
            Err(error) if error.kind.retry_class() == RetryClass::Permanent => Ok(AccountRevoked::WasDead),
            Err(error) => Err(from_token(ctx, &TokenError::Provider(error), Repeat::ByWorkflow)),
        }
    }
}

/// Whose grant it is, as the store compares it: a hash, since a provider may know people by their addresses.
fn subject_hash(provider: Provider, subject: &GrantSubject) -> String {
    hex::encode(Sha256::digest(format!("{}:{}", provider.as_str(), subject.as_str())))
}
