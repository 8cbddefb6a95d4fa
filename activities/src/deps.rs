//! What activities work with; put together by `worker/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_domain::{AccountId, Calendar, CalendarId, Clock, Profile, Provider, ProviderError, SyncStrategy};
use evercal_providers::{CalendarProvider, CallContext, RemoteCalendarRef, TokenError, TokenSource};
use evercal_storage::{Store, StoreError, StoreErrorKind};
use evercal_workflows::Timing;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use url::Url;

use crate::client_alert::ClientAlert;
use crate::failure::{from_store, provider_off, provider_off_at_last};
use crate::outages::{Caller, Outages, Source};

/// Everything that activities need; shared by all of them.
pub struct Deps {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The providers that this worker is set up for.
    pub connections: BTreeMap<Provider, Connection>,
    /// Real time.
    pub clock: Arc<dyn Clock>,
    /// Whether the provider's own text of each event is kept.
    pub keep_raw: bool,
}

/// A provider as activities see it.
pub struct Connection {
    /// The provider's nature.
    pub profile: &'static Profile,
    /// The durations that its accounts' workflows go by, returned to them with the daily discovery.
    pub timing: Timing,
    /// How changes are found, returned to workflows with the durations.
    pub strategy: SyncStrategy,
    /// Its calendar calls.
    pub calendars: Arc<dyn CalendarProvider>,
    /// How its accounts sign in, and what their calls carry.
    pub tokens: TokenSource,
    /// Where its notices are to be sent.
    pub webhook_address: Url,
    /// The keys that sign its channel tokens.
    pub channel_token_keys: ChannelTokenKeys,
    /// Who waits for it while it fails.
    pub outages: Outages,
    /// The alert that it does not accept our own client.
    pub client_alert: ClientAlert,
}

impl Connection {
    /// A call of an account's own work, or of one of its calendars. While the provider refuses the whole installation, it is
    /// not made.
    pub(crate) async fn call<T, F, Fut>(
        &self,
        account: AccountId,
        calendar: Option<CalendarId>,
        call: F,
    ) -> Result<T, TokenError>
    where
        F: Fn(CallContext) -> Fut,
        Fut: Future<Output = Result<T, ProviderError>>,
    {
        self.may_call(account, calendar)?;
        let answer = self.tokens.with_token(account, call).await;
        if let Some(calendar) = calendar {
            self.outages.note(Source::OwnWork, Caller { account, calendar }, &answer);
        }
        if let Err(TokenError::Provider(error)) = &answer
            && let Err(error) = self.client_alert.note(error).await
        {
            // The next call that fails so raises it.
            tracing::warn!(%error, cause = error.cause(), "the alert that the provider refuses our client could not be written");
        }
        answer
    }

    /// Whether such a call is made: where it is not, the calendar waits until the provider is answered again.
    pub(crate) fn may_call(&self, account: AccountId, calendar: Option<CalendarId>) -> Result<(), TokenError> {
        let Some(refusal) = self.outages.refused() else { return Ok(()) };
        if let Some(calendar) = calendar {
            self.outages.waits(Caller { account, calendar });
        }
        Err(refusal.into())
    }

    /// Reads as little of a calendar as possible, to see whether the provider answers for it.
    pub async fn probe(&self, calendar: &Calendar) -> Result<(), TokenError> {
        let remote = RemoteCalendarRef::from(&calendar.remote);
        let call = |context| async move { self.calendars.probe(&context, remote).await };
        let answer = self.tokens.with_token(calendar.account_id, call).await;
        self.outages.note(Source::Probe, Caller { account: calendar.account_id, calendar: calendar.id }, &answer);
        answer
    }
}

impl Deps {
    /// The connection to a provider; one that is off is a failure that people see.
    pub(crate) fn connection(&self, provider: Provider) -> Result<&Connection, ActivityError> {
        self.connections.get(&provider).ok_or_else(|| provider_off(provider))
    }

    /// A calendar that an activity names; a missing row is a permanent failure.
    pub async fn calendar(&self, id: CalendarId) -> Result<Calendar, StoreError> {
        let calendar = self.store.calendar(id).await?;
        calendar.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, "the calendar has no row"))
    }

    /// The connection of an account's provider.
    pub(crate) async fn connection_of(&self, account: AccountId) -> Result<&Connection, ActivityError> {
        self.connection(self.provider_of(account).await?)
    }

    /// The connection of an account's provider, for what nobody tries again.
    pub(crate) async fn last_connection_of(
        &self,
        ctx: &ActivityContext,
        account: AccountId,
    ) -> Result<&Connection, ActivityError> {
        let provider = self.provider_of(account).await?;
        self.connections.get(&provider).ok_or_else(|| provider_off_at_last(ctx, provider))
    }

    async fn provider_of(&self, account: AccountId) -> Result<Provider, ActivityError> {
        let account = self.store.account(account).await.map_err(from_store)?;
        let no_row = || from_store(StoreError::new(StoreErrorKind::NotFound, "the account has no row"));
        Ok(account.ok_or_else(no_row)?.provider)
    }
}
