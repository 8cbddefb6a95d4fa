//! Opening channels, and putting off their end where a provider does that.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use evercal_domain::account::Secret;
use evercal_domain::channel_token::ChannelClaim;
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::profile::Push;
use evercal_domain::{
    Calendar, CalendarState, Channel, ChannelEnd, ChannelId, ChannelState, ProviderError, ProviderErrorKind,
    RemoteChannelId, UnixMs, Watched,
};
use evercal_providers::{
    Blocking, ChannelGrant, ChannelRequest, Extended, LostChannels, Opening, TokenError, WatchedRemote,
};
use evercal_storage::StoreError;
use evercal_workflows::contract::{ChannelOpened, ChannelRef, OpenChannelInput, Renewed};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::time::Instant;

use super::{ChannelActivities, can_be_watched, channels_of, named, nameless, remote_of};
use crate::attempt;
use crate::deps::Connection;
use crate::failure::{Repeat, from_provider, from_store, from_token};
use crate::refusal::{self, Refused};

/// When a channel is asked for again that another account here has.
const WATCHED_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_hours(6);

impl ChannelActivities {
    /// Extends the channel that is named, or opens another one.
    pub(super) async fn renew(
        &self,
        ctx: &ActivityContext,
        input: &OpenChannelInput,
    ) -> Result<ChannelOpened, ActivityError> {
        let connection = self.deps.connection_of(input.watched.account_id()).await?;
        let is_extended = connection.profile.push == Push::Extended;
        match input.renews.as_ref().filter(|_| is_extended) {
            Some(Renewed { channel: ChannelRef { channel_id, remote_id: Some(remote_id), .. }, alive_at })
                if self.is_registered(*channel_id).await? =>
            {
                match self.extend(ctx, connection, input, *channel_id, remote_id).await? {
                    Some(extended) => Ok(extended),
                    None => self.reopen(ctx, input, *channel_id, *alive_at).await,
                }
            }
            _ => self.open(ctx, input).await,
        }
    }

    /// Whether the register has a channel as alive. An older database that was brought back may not: then another one is opened,
    /// which it has, and the next notice of this one has it stopped.
    async fn is_registered(&self, id: ChannelId) -> Result<bool, ActivityError> {
        let row = self.deps.store.channel(id).await.map_err(from_store)?;
        Ok(row.is_some_and(|row| row.ended_at.is_none()))
    }

    /// Puts off the end of a channel; none where the provider does not know it any more.
    async fn extend(
        &self,
        ctx: &ActivityContext,
        connection: &Connection,
        input: &OpenChannelInput,
        channel_id: ChannelId,
        remote_id: &RemoteChannelId,
    ) -> Result<Option<ChannelOpened>, ActivityError> {
        let (watched, now) = (input.watched, attempt::started_at(ctx));
        let until = now + Duration::seconds(input.lifetime_s.into());
        let calendar = self.calendar_of(watched).await?;
        let remote = remote_of(calendar.as_ref());
        let call =
            |context| async move { channels_of(connection)?.extend(&context, remote, remote_id, now, until).await };
        match connection.call(watched.account_id(), watched.calendar_id(), call).await {
            Ok(Extended::Until(expires_at)) => {
                let stored = self.deps.store.activate_channel(channel_id, Some(remote_id), expires_at, now).await;
                stored.map_err(from_store)?;
                Ok(Some(ChannelOpened {
                    channel_id,
                    remote_id: Some(remote_id.clone()),
                    opened_at: now.into(),
                    expires_at: expires_at.into(),
                    superseded: Vec::new(),
                    kept: true,
                }))
            }
            Ok(Extended::Gone) => Ok(None),
            Err(error) => Err(self.refused(ctx, calendar.as_ref(), error, Repeat::ByWorkflow).await?),
        }
    }

    /// Opens another channel for one that the provider does not know any more. Since that was last seen alive nothing may have
    /// been announced: the sync that a new channel begins with reads it, and the audit log says from when to when.
    async fn reopen(
        &self,
        ctx: &ActivityContext,
        input: &OpenChannelInput,
        gone: ChannelId,
        alive_at: UnixMs,
    ) -> Result<ChannelOpened, ActivityError> {
        let now = attempt::started_at(ctx);
        self.deps.store.end_channel(gone, ChannelEnd::Expired, now).await.map_err(from_store)?;
        let opened = self.open(ctx, input).await?;
        let cause = format!("the provider had ended {gone} before its time");
        let gap = (alive_at.to_datetime(), now);
        self.note_gap(input.watched, gone, &cause, gap, Some(opened.channel_id)).await.map_err(from_store)?;
        Ok(opened)
    }

    /// Writes down from when to when nothing may have been announced, and since when `open` does it again.
    async fn note_gap(
        &self,
        watched: Watched,
        about: ChannelId,
        cause: &str,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        open: Option<ChannelId>,
    ) -> Result<(), StoreError> {
        let account_id = watched.account_id();
        let account = self.deps.store.account(account_id).await?;
        let entry = AuditEntry {
            dedup_key: format!("channel_gap/{about}"),
            at: to,
            kind: AuditKind::ChannelGap,
            tenant_id: account.map(|account| account.tenant_id),
            account_id: Some(account_id),
            calendar_id: watched.calendar_id(),
            message: format!(
                "{cause}: from {} to {} changes may not have been announced; {}",
                from.to_rfc3339_opts(SecondsFormat::Secs, true),
                to.to_rfc3339_opts(SecondsFormat::Secs, true),
                open.map_or_else(
                    || "none is open yet, and changes are read all the same".to_owned(),
                    |open| format!("{open} is open, and all changes since are read")
                ),
            ),
        };
        self.deps.store.append_audit(&entry).await
    }

    /// Opens a channel; all others on the same are superfluous from then on.
    pub(super) async fn open(
        &self,
        ctx: &ActivityContext,
        input: &OpenChannelInput,
    ) -> Result<ChannelOpened, ActivityError> {
        let now = attempt::started_at(ctx);
        let lifetime = Duration::seconds(input.lifetime_s.into());
        let (id, grant) = self.open_one(ctx, input.watched, now + lifetime, Repeat::ByWorkflow).await?;
        let others = self.possibly_alive(input.watched, now).await?;
        let connection = self.deps.connection_of(input.watched.account_id()).await?;
        let lost: Vec<_> = nameless(&others).filter(|lost| *lost != id).collect();
        let known: Vec<_> = grant.remote_id.iter().chain(named(&others)).cloned().collect();
        let found = self.find_lost(ctx, connection, input.watched, &lost, &known);
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
            kept: false,
        })
    }

    /// Row, call, answer into the row.
    pub(super) async fn open_one(
        &self,
        ctx: &ActivityContext,
        watched: Watched,
        expires_at: DateTime<Utc>,
        repeat: Repeat,
    ) -> Result<(ChannelId, ChannelGrant), ActivityError> {
        let (store, account_id) = (&self.deps.store, watched.account_id());
        let calendar = self.calendar_of(watched).await?;
        let connection = self.deps.connection_of(account_id).await?;
        can_be_watched(connection, watched).map_err(|error| from_provider(ctx, &error, repeat, None))?;
        // A row for each attempt at what is not even tried would make the register grow for as long as an outage lasts.
        connection.may_call(account_id, watched.calendar_id()).map_err(|error| from_token(ctx, &error, repeat))?;
        let id = ChannelId::generate();
        let pending = Channel {
            id,
            watched,
            remote_id: None,
            state: ChannelState::Pending,
            created_at: attempt::started_at(ctx),
            live_at: None,
            ended_at: None,
            expires_at,
        };
        store.insert_channel(&pending).await.map_err(from_store)?;
        let request = ChannelRequest {
            id,
            address: connection.webhook_address.clone(),
            token: Secret::new(connection.channel_token_keys.sign(ChannelClaim { watched, channel_id: id })),
            asked_at: attempt::started_at(ctx),
            expires_at,
        };
        let request = &request;
        let remote = remote_of(calendar.as_ref());
        let call = |context| async move { channels_of(connection)?.open(&context, remote, request).await };
        let opening = match connection.call(account_id, watched.calendar_id(), call).await {
            Ok(Opening::Blocked(others)) => {
                self.open_in_their_place(connection, watched, request, remote, &others).await?
            }
            opening => opening,
        };
        let granted = opening.and_then(|opening| match opening {
            Opening::Open(grant) => Ok(grant),
            Opening::Blocked(_) => Err(TokenError::Provider(blocked_again())),
        });
        match granted {
            Ok(grant) => {
                let at = attempt::started_at(ctx);
                let stored = store.activate_channel(id, grant.remote_id.as_ref(), grant.expires_at, at).await;
                stored.map_err(from_store)?;
                Ok((id, grant))
            }
            Err(error) => {
                if !may_have_happened(&error) {
                    let at = attempt::started_at(ctx);
                    store.end_channel(id, ChannelEnd::Stopped, at).await.map_err(from_store)?;
                }
                Err(self.refused(ctx, calendar.as_ref(), error, repeat).await?)
            }
        }
    }

    /// Closes the channels that stand in the way of another one, and asks for that again. Those that another account of this
    /// installation has are its own: then the calendar has to be polled for this one.
    async fn open_in_their_place(
        &self,
        connection: &Connection,
        watched: Watched,
        request: &ChannelRequest,
        remote: WatchedRemote<'_>,
        others: &[Blocking],
    ) -> Result<Result<Opening, TokenError>, ActivityError> {
        let (store, account_id, begun) = (&self.deps.store, watched.account_id(), Instant::now());
        for id in others.iter().filter_map(|other| other.id) {
            let Some(row) = store.channel(id).await.map_err(from_store)? else { continue };
            if row.ended_at.is_none() && row.watched != watched && self.is_open(row.watched).await? {
                return Ok(Err(TokenError::Provider(another_accounts())));
            }
        }
        let calendar_id = watched.calendar_id();
        for Blocking { id, remote_id } in others {
            let own = id.unwrap_or(request.id);
            let call = |context| async move { channels_of(connection)?.close(&context, own, remote_id).await };
            if let Err(error) = connection.call(account_id, calendar_id, call).await {
                return Ok(Err(error));
            }
        }
        let call = |context| async move { channels_of(connection)?.open(&context, remote, request).await };
        let opening = connection.call(account_id, calendar_id, call).await;
        let open = matches!(opening, Ok(Opening::Open(_))).then_some(request.id);
        let cause = "a channel of ours that nobody knew stood in the way of the new one and was closed";
        let until = request.asked_at + Duration::from_std(begun.elapsed()).unwrap_or_default();
        let gap = (request.asked_at, until);
        self.note_gap(watched, request.id, cause, gap, open).await.map_err(from_store)?;
        Ok(opening)
    }

    /// Whether something is still watched: the channel of a calendar that has ended may not have been stopped.
    async fn is_open(&self, watched: Watched) -> Result<bool, ActivityError> {
        let Some(calendar) = watched.calendar_id() else { return Ok(true) };
        let row = self.deps.store.calendar(calendar).await.map_err(from_store)?;
        Ok(row.is_some_and(|row| row.state != CalendarState::Closed))
    }

    /// A failed call about a channel. A refusal may be about more than the calendar.
    async fn refused(
        &self,
        ctx: &ActivityContext,
        calendar: Option<&Calendar>,
        error: TokenError,
        repeat: Repeat,
    ) -> Result<ActivityError, ActivityError> {
        Ok(match (error, calendar) {
            (TokenError::Provider(refusal), Some(calendar)) if refusal::is_refusal(refusal.kind) => {
                let (Refused::ThisCalendar(error) | Refused::More(error)) =
                    refusal::judge(&self.deps, ctx, calendar, refusal).await?;
                from_provider(ctx, &error, repeat, None)
            }
            (error, _) => from_token(ctx, &error, repeat),
        })
    }
}

/// Another account has the channel that would be in the way.
fn another_accounts() -> ProviderError {
    let error = ProviderError::without_answer(ProviderErrorKind::RateLimited, "channels");
    let error = ProviderError { retry_after: Some(WATCHED_AGAIN_AFTER), ..error };
    let advice =
        "another account here watches the same calendar, which takes one channel at a time; it is polled for this one";
    error.with_reason("watchedByAnotherAccount").with_advice(Some(advice))
}

/// Something took the place of what was closed a moment ago.
fn blocked_again() -> ProviderError {
    ProviderError::without_answer(ProviderErrorKind::TemporaryFailure, "channels").with_reason("blockedAgain")
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
