//! What activities work with; put together by `worker/`.

use std::sync::Arc;

use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_domain::{AccountId, Calendar, CalendarId, Clock, Provider, SyncStrategies};
use evercal_providers::{CalendarProvider, OAuthProvider, TokenSource};
use evercal_storage::{Store, StoreError, StoreErrorKind};
use evercal_workflows::Timing;
use url::Url;

/// Everything that activities need; shared by all of them.
pub struct Deps {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Google.
    pub google: Connection,
    /// Real time.
    pub clock: Arc<dyn Clock>,
    /// What an operator sets.
    pub settings: ActivitySettings,
}

/// A provider as activities see it.
pub struct Connection {
    /// Which provider it is.
    pub provider: Provider,
    /// Its calendar calls.
    pub calendars: Arc<dyn CalendarProvider>,
    /// Its OAuth calls.
    pub oauth: Arc<dyn OAuthProvider>,
    /// Access tokens of its accounts.
    pub tokens: TokenSource,
    /// Where its notices are to be sent.
    pub webhook_address: Url,
}

/// What an operator sets.
pub struct ActivitySettings {
    /// The keys that sign channel tokens.
    pub channel_token_keys: ChannelTokenKeys,
    /// The durations that workflows go by; handed to them with the daily discovery.
    pub timing: Timing,
    /// How changes are found, by provider; handed to workflows with the durations.
    pub strategies: SyncStrategies,
    /// Whether requests carry the workflow's time for a simulator. Never in production.
    pub simulated_time: bool,
}

impl Deps {
    /// The connection to a provider.
    pub fn connection(&self, provider: Provider) -> &Connection {
        match provider {
            Provider::Google => &self.google,
        }
    }

    /// A calendar that an activity names; a missing row is a permanent failure.
    pub async fn calendar(&self, id: CalendarId) -> Result<Calendar, StoreError> {
        let calendar = self.store.calendar(id).await?;
        calendar.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, "the calendar has no row"))
    }

    /// Where an account lives.
    pub async fn provider_of(&self, account: AccountId) -> Result<Provider, StoreError> {
        let account = self.store.account(account).await?;
        let account = account.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, "the account has no row"))?;
        Ok(account.provider)
    }

    /// The connection of an account's provider.
    pub async fn connection_of(&self, account: AccountId) -> Result<&Connection, StoreError> {
        Ok(self.connection(self.provider_of(account).await?))
    }
}
