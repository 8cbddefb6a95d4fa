//! Opening and stopping push channels.
//!
//! The register is written before the provider is called: whatever happens in between, a channel that may exist has a
//! row. Where a provider lists none, a row is all that ever leads to a lost one.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use evercal_domain::account::Secret;
use evercal_domain::channel_token::ChannelClaim;
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{
    Calendar, Channel, ChannelId, ChannelState, ProviderError, ProviderErrorKind, RemoteChannelId, UnixMs, Watched,
};
use evercal_providers::{ChannelGrant, ChannelRequest, Channels, LostChannels, TokenError, WatchedRemote};
use evercal_workflows::contract::{
    self, ChannelOpened, ChannelRef, ChannelsClosed, CloseChannelsInput, OpenChannelInput, StopChannelInput,
    StopOutcome,
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::attempt;
use crate::deps::{Connection, Deps};
use crate::failure::{Repeat, from_provider, from_store, from_token};
use crate::refusal::{self, Refused};

/// Implements [`contract::ChannelActivities`].
pub struct ChannelActivities {
    /// What it works with.
    pub deps: Arc<Deps>,
}

#[activities]
impl ChannelActivities {
    /// Opens a calendar's first channel.
    #[activity(definition = contract::CreateChannel)]
    pub async fn create_channel(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: OpenChannelInput,
    ) -> Result<ChannelOpened, ActivityError> {
        attempt::run(&ctx, self.open(&ctx, &input)).await
    }

    /// Opens the successor of a channel. The old one stays until the workflow has it stopped: overlap, never a gap. Where a
    /// provider replaces its channels that is another opening; the name is for who reads the history.
    #[activity(definition = contract::RenewChannel)]
    pub async fn renew_channel(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: OpenChannelInput,
    ) -> Result<ChannelOpened, ActivityError> {
        attempt::run(&ctx, self.open(&ctx, &input)).await
    }

    /// Stops one channel, or finds that there is nothing to stop.
    #[activity(definition = contract::StopChannel)]
    pub async fn stop_channel(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: StopChannelInput,
    ) -> Result<StopOutcome, ActivityError> {
        attempt::run(&ctx, self.stop(&ctx, &input)).await
    }

    /// Stops all channels of a calendar that ends, those included whose answers were lost.
    #[activity(definition = contract::CloseChannels)]
    pub async fn close_channels(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: CloseChannelsInput,
    ) -> Result<ChannelsClosed, ActivityError> {
        attempt::run(&ctx, self.close_all(&ctx, input.watched)).await
    }
}

impl ChannelActivities {
    async fn open(&self, ctx: &ActivityContext, input: &OpenChannelInput) -> Result<ChannelOpened, ActivityError> {
        let now = attempt::started_at(ctx);
        let lifetime = Duration::seconds(input.lifetime_s.into());
        let (id, grant) = self.open_one(ctx, input.watched, now + lifetime, Repeat::ByWorkflow).await?;
        let others = self.possibly_alive(input.watched, now).await?;
        let connection = self.deps.connection_of(input.watched.account_id()).await?;
        let lost: Vec<_> = nameless(&others).filter(|lost| *lost != id).collect();
        let found = self.find_lost(ctx, connection, input.watched, &lost, grant.remote_id.as_ref());
        let mut found = match found.await {
            Ok(LostChannels::Found(found)) => found,
            Ok(LostChannels::TakesAnother { .. }) => BTreeMap::new(),
            Err(_) => {
                // They run out by themselves; that they could not be named costs the new one nothing.
                let account_id = input.watched.account_id();
                tracing::warn!(%account_id, "channels whose answers were lost could not be found");
                BTreeMap::new()
            }
        };
        Ok(ChannelOpened {
            channel_id: id,
            opened_at: now.into(),
            expires_at: grant.expires_at.into(),
            superseded: others
                .into_iter()
                .filter(|channel| channel.id != id)
                .map(|channel| ChannelRef {
                    channel_id: channel.id,
                    remote_id: channel.remote_id.or_else(|| found.remove(&channel.id)),
                    expires_at: Some(UnixMs::from(channel.expires_at)),
                })
                .collect(),
            remote_id: grant.remote_id.clone(),
        })
    }

    /// Row, call, answer into the row.
    async fn open_one(
        &self,
        ctx: &ActivityContext,
        watched: Watched,
        expires_at: DateTime<Utc>,
        repeat: Repeat,
    ) -> Result<(ChannelId, ChannelGrant), ActivityError> {
        let (store, account_id) = (&self.deps.store, watched.account_id());
        let calendar = match watched.calendar_id() {
            Some(id) => Some(self.deps.calendar(id).await.map_err(from_store)?),
            None => None,
        };
        let connection = self.deps.connection_of(account_id).await?;
        // A row for each attempt at what is not even tried would make the register grow for as long as an outage lasts.
        connection.may_call(account_id, watched.calendar_id()).map_err(|error| from_token(ctx, &error, repeat))?;
        let id = ChannelId::generate();
        let pending = Channel {
            id,
            watched,
            remote_id: None,
            state: ChannelState::Pending,
            created_at: attempt::started_at(ctx),
            expires_at,
        };
        store.insert_channel(&pending).await.map_err(from_store)?;
        let request = ChannelRequest {
            id,
            address: connection.webhook_address.clone(),
            token: Secret::new(connection.channel_token_keys.sign(ChannelClaim { watched, channel_id: id })),
            expires_at,
        };
        let request = &request;
        let remote = remote_of(calendar.as_ref());
        let call = |context| async move { channels_of(connection)?.open(&context, remote, request).await };
        match connection.call(account_id, watched.calendar_id(), call).await {
            Ok(grant) => {
                store.activate_channel(id, grant.remote_id.as_ref(), grant.expires_at).await.map_err(from_store)?;
                Ok((id, grant))
            }
            Err(error) => {
                if !may_have_happened(&error) {
                    store.set_channel_state(id, ChannelState::Stopped).await.map_err(from_store)?;
                }
                match (error, &calendar) {
                    (TokenError::Provider(refusal), Some(calendar)) if refusal::is_refusal(refusal.kind) => {
                        let (Refused::ThisCalendar(error) | Refused::More(error)) =
                            refusal::judge(&self.deps, ctx, calendar, refusal).await?;
                        Err(from_provider(ctx, &error, repeat, None))
                    }
                    (error, _) => Err(from_token(ctx, &error, repeat)),
                }
            }
        }
    }

    async fn stop(&self, ctx: &ActivityContext, input: &StopChannelInput) -> Result<StopOutcome, ActivityError> {
        let store = &self.deps.store;
        let now = attempt::started_at(ctx);
        let row = store.channel(input.channel.channel_id).await.map_err(from_store)?;
        let Some(row) = row else { return self.stop_orphan(ctx, input, now).await };
        if matches!(row.state, ChannelState::Stopped | ChannelState::Expired) {
            return Ok(StopOutcome::WasOver);
        }
        if row.expires_at <= now {
            store.set_channel_state(row.id, ChannelState::Expired).await.map_err(from_store)?;
            return Ok(StopOutcome::WasOver);
        }
        let Some(remote_id) = row.remote_id.or_else(|| input.channel.remote_id.clone()) else {
            return Ok(StopOutcome::NotStoppable);
        };
        self.stop_one(ctx, row.watched, row.id, &remote_id).await?;
        Ok(StopOutcome::Stopped)
    }

    /// A channel that the register does not know, although its token is ours: stopped once, and put into the register
    /// as stopped so that its late notices find it there.
    async fn stop_orphan(
        &self,
        ctx: &ActivityContext,
        input: &StopChannelInput,
        now: DateTime<Utc>,
    ) -> Result<StopOutcome, ActivityError> {
        let Some(remote_id) = input.channel.remote_id.clone() else { return Ok(StopOutcome::NotStoppable) };
        let (id, watched) = (input.channel.channel_id, input.watched);
        self.call_stop(ctx, watched, id, &remote_id).await?;
        let store = &self.deps.store;
        let account = store.account(watched.account_id()).await.map_err(from_store)?;
        let row = Channel {
            id,
            watched,
            remote_id: Some(remote_id),
            state: ChannelState::Stopped,
            created_at: now,
            expires_at: now,
        };
        store.insert_channel(&row).await.map_err(from_store)?;
        let entry = AuditEntry {
            dedup_key: format!("orphan/{id}"),
            at: now,
            kind: AuditKind::OrphanStopped,
            tenant_id: account.map(|account| account.tenant_id),
            account_id: Some(watched.account_id()),
            calendar_id: watched.calendar_id(),
            message: format!("{id} was not in the register but its token is ours: stopped"),
        };
        store.append_audit(&entry).await.map_err(from_store)?;
        Ok(StopOutcome::OrphanStopped)
    }

    async fn close_all(&self, ctx: &ActivityContext, watched: Watched) -> Result<ChannelsClosed, ActivityError> {
        let now = attempt::started_at(ctx);
        let mut alive = self.possibly_alive(watched, now).await?;
        if alive.is_empty() {
            return Ok(ChannelsClosed { stopped: 0 });
        }
        let connection = self.deps.last_connection_of(ctx, watched.account_id()).await?;
        let known = alive.iter().find_map(|channel| channel.remote_id.clone());
        let lost: Vec<_> = nameless(&alive).collect();
        let mut found = match self.find_lost(ctx, connection, watched, &lost, known.as_ref()).await? {
            LostChannels::Found(found) => found,
            LostChannels::TakesAnother { lifetime } => {
                let (_, grant) = self.open_one(ctx, watched, now + lifetime, backoff(connection)).await?;
                alive = self.possibly_alive(watched, now).await?;
                match self.find_lost(ctx, connection, watched, &lost, grant.remote_id.as_ref()).await? {
                    LostChannels::Found(found) => found,
                    LostChannels::TakesAnother { .. } => BTreeMap::new(),
                }
            }
        };
        let (mut stopped, mut failed) = (0, None);
        for channel in alive {
            // One of which nobody knows what it is called cannot be stopped: it runs out.
            let Some(remote_id) = channel.remote_id.or_else(|| found.remove(&channel.id)) else { continue };
            match self.stop_one(ctx, watched, channel.id, &remote_id).await {
                Ok(()) => stopped += 1,
                // One that cannot be stopped keeps none of the others alive.
                Err(error) => failed = Some(worth_another_try(failed, error)),
            }
        }
        failed.map_or(Ok(ChannelsClosed { stopped }), Err)
    }

    /// What the provider calls channels whose answers were lost.
    async fn find_lost(
        &self,
        ctx: &ActivityContext,
        connection: &Connection,
        watched: Watched,
        lost: &[ChannelId],
        known: Option<&RemoteChannelId>,
    ) -> Result<LostChannels, ActivityError> {
        if lost.is_empty() {
            return Ok(LostChannels::Found(BTreeMap::new()));
        }
        let calendar = match watched.calendar_id() {
            Some(id) => Some(self.deps.calendar(id).await.map_err(from_store)?),
            None => None,
        };
        let remote = remote_of(calendar.as_ref());
        let call = |context| async move { channels_of(connection)?.find_lost(&context, remote, lost, known).await };
        // Of no calendar: a provider may find them without a call, which is no sign that it answers for one.
        let found = connection.call(watched.account_id(), None, call).await;
        found.map_err(|error| from_token(ctx, &error, backoff(connection)))
    }

    async fn stop_one(
        &self,
        ctx: &ActivityContext,
        watched: Watched,
        id: ChannelId,
        remote_id: &RemoteChannelId,
    ) -> Result<(), ActivityError> {
        self.call_stop(ctx, watched, id, remote_id).await?;
        self.deps.store.set_channel_state(id, ChannelState::Stopped).await.map_err(from_store)
    }

    async fn call_stop(
        &self,
        ctx: &ActivityContext,
        watched: Watched,
        id: ChannelId,
        remote_id: &RemoteChannelId,
    ) -> Result<(), ActivityError> {
        let account_id = watched.account_id();
        let connection = self.deps.connection_of(account_id).await?;
        let call = |context| async move { channels_of(connection)?.close(&context, id, remote_id).await };
        let stopped = connection.call(account_id, watched.calendar_id(), call).await;
        stopped.map_err(|error| from_token(ctx, &error, backoff(connection)))
    }

    /// Channels that the provider may still serve, oldest first; those that have run out are marked on the way.
    async fn possibly_alive(&self, watched: Watched, now: DateTime<Utc>) -> Result<Vec<Channel>, ActivityError> {
        let store = &self.deps.store;
        let (over, alive): (Vec<_>, Vec<_>) = store
            .channels_alive(watched)
            .await
            .map_err(from_store)?
            .into_iter()
            .partition(|channel| channel.expires_at <= now);
        for channel in over {
            store.set_channel_state(channel.id, ChannelState::Expired).await.map_err(from_store)?;
        }
        Ok(alive)
    }
}

/// Those whose answers were lost: nobody knows what the provider calls them.
fn nameless(channels: &[Channel]) -> impl Iterator<Item = ChannelId> {
    channels.iter().filter(|channel| channel.remote_id.is_none()).map(|channel| channel.id)
}

fn remote_of(calendar: Option<&Calendar>) -> WatchedRemote<'_> {
    calendar.map_or(WatchedRemote::CalendarList, |calendar| WatchedRemote::Calendar(&calendar.remote.provider_id))
}

/// How stopping is repeated when the provider fails it.
fn backoff(connection: &Connection) -> Repeat {
    Repeat::Backoff { initial: std::time::Duration::from_millis(connection.timing.sync_backoff_initial_ms) }
}

/// The provider's channels; one that has none watches nothing.
fn channels_of(connection: &Connection) -> Result<&dyn Channels, ProviderError> {
    let none = || ProviderError::without_answer(ProviderErrorKind::WatchUnsupported, "channels");
    connection.calendars.channels().ok_or_else(none)
}

/// Of two failures the one to report: while one of them may pass, all is tried again.
fn worth_another_try(first: Option<ActivityError>, next: ActivityError) -> ActivityError {
    let is_final = |error: &ActivityError| match error {
        ActivityError::Application(failure) => failure.is_non_retryable(),
        _ => false,
    };
    first.filter(|first| !is_final(first) || is_final(&next)).unwrap_or(next)
}

/// Whether the provider may have done what we asked although the call failed. Only a clear refusal says that it did not.
fn may_have_happened(error: &TokenError) -> bool {
    match error {
        TokenError::Provider(error) => match error.kind {
            ProviderErrorKind::ConnectionReset | ProviderErrorKind::TimedOut | ProviderErrorKind::TemporaryFailure => {
                true
            }
            ProviderErrorKind::ConnectionRefused
            | ProviderErrorKind::RateLimited
            | ProviderErrorKind::TokenRefreshNeeded
            | ProviderErrorKind::GrantRevoked
            | ProviderErrorKind::PositionLost
            | ProviderErrorKind::PageTooLarge
            | ProviderErrorKind::NotFound
            | ProviderErrorKind::Forbidden
            | ProviderErrorKind::ClientRefused
            | ProviderErrorKind::AccountRefused
            | ProviderErrorKind::ProjectRefused
            | ProviderErrorKind::WatchUnsupported
            | ProviderErrorKind::InvalidRequest => false,
        },
        TokenError::Store(_) | TokenError::NotConnected => false,
    }
}
