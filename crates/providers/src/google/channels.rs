//! Google's push channels (<https://developers.google.com/workspace/calendar/api/guides/push>). A channel has the id that we give
//! it, and is stopped by that and the id of the resource that it watches, which all channels on the same thing have in common.

use std::time::Duration;

use async_trait::async_trait;
use evercal_domain::{ChannelId, ProviderError, ProviderErrorKind, RemoteChannelId};

use super::GoogleProvider;
use super::calls::{WATCH_CALENDARS, WATCH_EVENTS};
use super::parse::{self, OpenedChannel};
use super::requests;
use crate::call::CallContext;
use crate::channels::{ChannelGrant, ChannelRequest, Channels, LostChannels, Opening, WatchedRemote};

/// How long a channel lives that is opened only to learn which resource others watch.
const HELPER_LIFETIME: Duration = Duration::from_hours(1);
/// A resource id in bytes; Google's have about 27.
const RESOURCE_ID_BYTES_MAX: usize = 256;

#[async_trait]
impl Channels for GoogleProvider {
    async fn open(
        &self,
        context: &CallContext,
        watched: WatchedRemote<'_>,
        request: &ChannelRequest,
    ) -> Result<Opening, ProviderError> {
        let (call, sent) = match watched {
            WatchedRemote::Calendar(calendar) => {
                (WATCH_EVENTS, requests::watch_events(&self.settings, context, calendar.id, request))
            }
            WatchedRemote::CalendarList => {
                (WATCH_CALENDARS, requests::watch_calendars(&self.settings, context, request))
            }
        };
        let OpenedChannel { resource_id, expires_at } = parse::channel(call, &self.send(sent).await?)?;
        Ok(Opening::Open(ChannelGrant { remote_id: remote_id(request.id, &resource_id), expires_at }))
    }

    async fn close(
        &self,
        context: &CallContext,
        id: ChannelId,
        remote_id: &RemoteChannelId,
    ) -> Result<(), ProviderError> {
        let resource_id = resource_of(remote_id);
        match self.send(requests::stop_channel(&self.settings, context, id, resource_id)).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ProviderErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn find_lost(
        &self,
        _context: &CallContext,
        _watched: WatchedRemote<'_>,
        lost: &[ChannelId],
        known: &[RemoteChannelId],
    ) -> Result<LostChannels, ProviderError> {
        // Google lists no channels; the answer to another one on the same thing has the resource of all of them.
        let [known, ..] = known else { return Ok(LostChannels::TakesAnother { lifetime: HELPER_LIFETIME }) };
        let named = |id: &ChannelId| Some((*id, remote_id(*id, resource_of(known))?));
        Ok(LostChannels::Found(lost.iter().filter_map(named).collect()))
    }
}

/// A channel by its id and its resource: the resource alone is the same for all channels on a thing.
pub(super) fn remote_id(id: ChannelId, resource_id: &str) -> Option<RemoteChannelId> {
    let is_usable = !resource_id.is_empty() && resource_id.len() <= RESOURCE_ID_BYTES_MAX;
    is_usable.then(|| RemoteChannelId::new(format!("{id} {resource_id}")))
}

fn resource_of(remote_id: &RemoteChannelId) -> &str {
    remote_id.as_str().split_once(' ').map_or(remote_id.as_str(), |(_, resource_id)| resource_id)
}
