//! Stopping channels: one of which nobody needs any more, and all on something that nobody is to watch any more.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{Channel, ChannelEnd, ChannelId, ChannelState, RemoteChannelId, Watched};
use evercal_providers::LostChannels;
use evercal_workflows::contract::{ChannelsClosed, StopChannelInput, StopOutcome};
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{ChannelActivities, backoff, channels_of, named, nameless};
use crate::attempt;
use crate::failure::{from_store, from_token};

impl ChannelActivities {
    /// Stops one channel, or finds that there is nothing to stop.
    pub(super) async fn stop(
        &self,
        ctx: &ActivityContext,
        input: &StopChannelInput,
    ) -> Result<StopOutcome, ActivityError> {
        let store = &self.deps.store;
        let now = attempt::started_at(ctx);
        let row = store.channel(input.channel.channel_id).await.map_err(from_store)?;
        // What a provider made twice under one id of ours are two channels: the register knows one of them.
        let is_same = |row: &Channel| match (&row.remote_id, &input.channel.remote_id) {
            (Some(known), Some(named)) => known == named,
            _ => true,
        };
        let Some(row) = row.filter(is_same) else { return self.stop_orphan(ctx, input, now).await };
        if matches!(row.state, ChannelState::Stopped | ChannelState::Expired) {
            return Ok(StopOutcome::WasOver);
        }
        if row.expires_at <= now {
            store.end_channel(row.id, ChannelEnd::Expired, now).await.map_err(from_store)?;
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
            live_at: None,
            ended_at: Some(now),
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

    /// Stops all channels on something that nobody is to watch any more.
    pub(super) async fn close_all(
        &self,
        ctx: &ActivityContext,
        watched: Watched,
    ) -> Result<ChannelsClosed, ActivityError> {
        let now = attempt::started_at(ctx);
        let mut alive = self.possibly_alive(watched, now).await?;
        if alive.is_empty() {
            return Ok(ChannelsClosed { stopped: 0 });
        }
        let connection = self.deps.last_connection_of(ctx, watched.account_id()).await?;
        let known: Vec<_> = named(&alive).cloned().collect();
        let lost: Vec<_> = nameless(&alive).collect();
        let mut found = match self.find_lost(ctx, connection, watched, &lost, &known).await? {
            LostChannels::Found(found) => found,
            LostChannels::TakesAnother { lifetime } => {
                let (_, grant) = self.open_one(ctx, watched, now + lifetime, backoff(connection)).await?;
                alive = self.possibly_alive(watched, now).await?;
                let known: Vec<_> = grant.remote_id.into_iter().collect();
                match self.find_lost(ctx, connection, watched, &lost, &known).await? {
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

    async fn stop_one(
        &self,
        ctx: &ActivityContext,
        watched: Watched,
        id: ChannelId,
        remote_id: &RemoteChannelId,
    ) -> Result<(), ActivityError> {
        self.call_stop(ctx, watched, id, remote_id).await?;
        let at = attempt::started_at(ctx);
        self.deps.store.end_channel(id, ChannelEnd::Stopped, at).await.map_err(from_store)
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
}

/// Of two failures the one to report: while one of them may pass, all is tried again.
fn worth_another_try(first: Option<ActivityError>, next: ActivityError) -> ActivityError {
    let is_final = |error: &ActivityError| match error {
        ActivityError::Application(failure) => failure.is_non_retryable(),
        _ => false,
    };
    first.filter(|first| !is_final(first) || is_final(&next)).unwrap_or(next)
}
