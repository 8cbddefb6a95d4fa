//! Opening, extending and stopping push channels.
//!
//! The register is written before the provider is called: whatever happens in between, a channel that may exist has a
//! row. Where a provider lists none, a row is all that ever leads to a lost one.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

mod opening;
mod stopping;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use evercal_domain::{
    Calendar, Channel, ChannelEnd, ChannelId, ProviderError, ProviderErrorKind, RemoteChannelId, Watched,
};
use evercal_providers::{Channels, LostChannels, WatchedRemote};
use evercal_workflows::contract::{
    self, ChannelOpened, ChannelsClosed, CloseChannelsInput, OpenChannelInput, StopChannelInput, StopOutcome,
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::attempt;
use crate::deps::{Connection, Deps};
use crate::failure::{Repeat, from_store, from_token};

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

    /// Extends a channel where its provider does that. Elsewhere it opens the successor; the old one stays until the workflow has
    /// it stopped: overlap, never a gap.
    #[activity(definition = contract::RenewChannel)]
    pub async fn renew_channel(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: OpenChannelInput,
    ) -> Result<ChannelOpened, ActivityError> {
        attempt::run(&ctx, self.renew(&ctx, &input)).await
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
    /// What the provider calls channels whose answers were lost.
    async fn find_lost(
        &self,
        ctx: &ActivityContext,
        connection: &Connection,
        watched: Watched,
        lost: &[ChannelId],
        known: &[RemoteChannelId],
    ) -> Result<LostChannels, ActivityError> {
        if lost.is_empty() {
            return Ok(LostChannels::Found(BTreeMap::new()));
        }
        let calendar = self.calendar_of(watched).await?;
        let remote = remote_of(calendar.as_ref());
        let call = |context| async move { channels_of(connection)?.find_lost(&context, remote, lost, known).await };
        // Of no calendar: a provider may find them without a call, which is no sign that it answers for one.
        let found = connection.call(watched.account_id(), None, call).await;
        found.map_err(|error| from_token(ctx, &error, backoff(connection)))
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
            store.end_channel(channel.id, ChannelEnd::Expired, now).await.map_err(from_store)?;
        }
        Ok(alive)
    }

    /// The calendar that is watched, where it is one.
    async fn calendar_of(&self, watched: Watched) -> Result<Option<Calendar>, ActivityError> {
        match watched.calendar_id() {
            Some(id) => self.deps.calendar(id).await.map(Some).map_err(from_store),
            None => Ok(None),
        }
    }
}

/// Those whose answers were lost: nobody knows what the provider calls them.
fn nameless(channels: &[Channel]) -> impl Iterator<Item = ChannelId> {
    channels.iter().filter(|channel| channel.remote_id.is_none()).map(|channel| channel.id)
}

/// What the provider calls the others.
fn named(channels: &[Channel]) -> impl Iterator<Item = &RemoteChannelId> {
    channels.iter().filter_map(|channel| channel.remote_id.as_ref())
}

fn remote_of(calendar: Option<&Calendar>) -> WatchedRemote<'_> {
    calendar.map_or(WatchedRemote::CalendarList, |calendar| WatchedRemote::Calendar((&calendar.remote).into()))
}

/// How stopping is repeated when the provider fails it.
fn backoff(connection: &Connection) -> Repeat {
    Repeat::Backoff { initial: std::time::Duration::from_millis(connection.timing.sync_backoff_initial_ms) }
}

/// The provider's channels; one that has none watches nothing.
fn channels_of(connection: &Connection) -> Result<&dyn Channels, ProviderError> {
    connection.calendars.channels().ok_or_else(cannot_be_watched)
}

/// Whether the provider has channels on such a thing at all.
fn can_be_watched(connection: &Connection, watched: Watched) -> Result<(), ProviderError> {
    let can_be = match watched {
        Watched::Calendar { .. } => connection.profile.has_push(),
        Watched::CalendarList { .. } => connection.profile.has_list_push(),
    };
    if can_be { Ok(()) } else { Err(cannot_be_watched()) }
}

fn cannot_be_watched() -> ProviderError {
    ProviderError::without_answer(ProviderErrorKind::WatchUnsupported, "channels")
}
