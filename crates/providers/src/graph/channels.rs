//! Microsoft's subscriptions (<https://learn.microsoft.com/graph/api/resources/subscription>). Microsoft gives them their ids, puts
//! off their end, and lists them. Of one application there is one for the same changes of the same resource.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::{ChannelId, ProviderError, ProviderErrorKind, RemoteChannelId};
use evercal_http::{HttpRequest, HttpResponse};
use serde::Deserialize;
use url::Url;

use super::calls::{CREATE_SUBSCRIPTION, LIST_SUBSCRIPTIONS, UPDATE_SUBSCRIPTION};
use super::cursor::own_link;
use super::delta::WirePage;
use super::errors::{is_about_lifetime, not_listed, somebody_elses, unreadable_answer};
use super::requests::{self, CHANNEL_IN_ADDRESS};
use super::{GraphProvider, checked};
use crate::call::{CallContext, RemoteCalendarRef, error_without_answer};
use crate::channels::{
    Blocking, ChannelGrant, ChannelRequest, Channels, Extended, LostChannels, Opening, WatchedRemote,
};

/// What was the longest life of a subscription on events for years, and is where the new one has not come yet.
const SHORTER_LIFETIME: TimeDelta = TimeDelta::minutes(4_200);
/// Pages of a list of subscriptions. Microsoft allows a mailbox 1,000 of them.
const LIST_PAGES_MAX: usize = 100;
/// An id in bytes; Microsoft's are GUIDs.
const ID_BYTES_MAX: usize = 256;

#[async_trait]
impl Channels for GraphProvider {
    async fn open(
        &self,
        context: &CallContext,
        watched: WatchedRemote<'_>,
        request: &ChannelRequest,
    ) -> Result<Opening, ProviderError> {
        let WatchedRemote::Calendar(calendar) = watched else { return Err(lists_are_not_watched()) };
        if let Some(opened) = self.create(context, calendar, request).await? {
            return Ok(Opening::Open(opened.grant()));
        }
        // There is one already: of ours, whose answer was lost or which went deaf, or of another service of the same application.
        let resource = requests::resource(calendar);
        let all = self.subscriptions(context).await?;
        let others: Vec<&Subscription> = all.iter().filter(|other| other.is_on(&resource)).collect();
        if others.is_empty() {
            // It ended meanwhile, or the list is not up to date.
            return Err(not_listed());
        }
        let ours = others.into_iter().filter(|other| other.comes_to(&request.address));
        let ours: Vec<Blocking> = ours.filter_map(Subscription::blocking).collect();
        if ours.is_empty() { Err(somebody_elses()) } else { Ok(Opening::Blocked(ours)) }
    }

    async fn extend(
        &self,
        context: &CallContext,
        _watched: WatchedRemote<'_>,
        remote_id: &RemoteChannelId,
        asked_at: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Extended, ProviderError> {
        let request = |until| requests::extend_subscription(&self.settings, context, remote_id, until);
        let answer = self.within_lifetime(context, request, asked_at, until).await?;
        let answer = match checked(UPDATE_SUBSCRIPTION, answer) {
            // In Microsoft's own words: a page of HTML that says so comes from in front of it.
            Err(error) if error.kind == ProviderErrorKind::NotFound => return Ok(Extended::Gone),
            answer => answer?,
        };
        let subscription = Subscription::read(UPDATE_SUBSCRIPTION, &answer)?;
        Ok(Extended::Until(subscription.expires_at))
    }

    async fn close(
        &self,
        context: &CallContext,
        _id: ChannelId,
        remote_id: &RemoteChannelId,
    ) -> Result<(), ProviderError> {
        self.delete(context, remote_id).await
    }

    async fn find_lost(
        &self,
        context: &CallContext,
        _watched: WatchedRemote<'_>,
        lost: &[ChannelId],
        _known: &[RemoteChannelId],
    ) -> Result<LostChannels, ProviderError> {
        if lost.is_empty() {
            return Ok(LostChannels::Found([].into()));
        }
        let all = self.subscriptions(context).await?;
        let named = |subscription: &Subscription| {
            let channel = subscription.channel()?;
            Some((channel, subscription.remote_id()?)).filter(|_| lost.contains(&channel))
        };
        Ok(LostChannels::Found(all.iter().filter_map(named).collect()))
    }
}

impl GraphProvider {
    /// A new subscription; none where one on the same is in its way.
    async fn create(
        &self,
        context: &CallContext,
        calendar: RemoteCalendarRef<'_>,
        wanted: &ChannelRequest,
    ) -> Result<Option<Subscription>, ProviderError> {
        let request = |until| requests::create_subscription(&self.settings, context, calendar, wanted, until);
        let answer = self.within_lifetime(context, request, wanted.asked_at, wanted.expires_at).await?;
        if answer.status == 409 {
            return Ok(None);
        }
        Subscription::read(CREATE_SUBSCRIPTION, &checked(CREATE_SUBSCRIPTION, answer)?).map(Some)
    }

    /// Asks for an end, and once more for an earlier one where that is too far away.
    async fn within_lifetime(
        &self,
        context: &CallContext,
        request: impl Fn(DateTime<Utc>) -> HttpRequest + Send + Sync,
        asked_at: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<HttpResponse, ProviderError> {
        let failed = |error| error_without_answer(&error);
        let answer = self.ask(context, request(until)).await.map_err(failed)?;
        let shorter = asked_at + SHORTER_LIFETIME;
        if is_about_lifetime(&answer) && shorter < until {
            return self.ask(context, request(shorter)).await.map_err(failed);
        }
        Ok(answer)
    }

    /// Ends a subscription; one that does not exist any more is ended.
    async fn delete(&self, context: &CallContext, id: &RemoteChannelId) -> Result<(), ProviderError> {
        match self.send(context, requests::delete_subscription(&self.settings, context, id)).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ProviderErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All subscriptions that this application has for the user.
    async fn subscriptions(&self, context: &CallContext) -> Result<Vec<Subscription>, ProviderError> {
        let mut all = Vec::new();
        let mut request = requests::list_subscriptions(&self.settings, context);
        for _ in 0..LIST_PAGES_MAX {
            let answer = self.send(context, request).await?;
            let unreadable = || unreadable_answer(LIST_SUBSCRIPTIONS, &answer);
            let text = String::from_utf8_lossy(&answer.body);
            let page: WirePage<'_> = serde_json::from_str(&text).map_err(|_| unreadable())?;
            // What cannot be read is nothing that we made.
            all.extend(page.value.iter().filter_map(|raw| serde_json::from_str::<Subscription>(raw.get()).ok()));
            let Some(link) = page.next_link else { return Ok(all) };
            request = requests::get(LIST_SUBSCRIPTIONS, own_link(&self.settings, LIST_SUBSCRIPTIONS, &link)?, context);
        }
        let endless = ProviderError::without_answer(ProviderErrorKind::TemporaryFailure, LIST_SUBSCRIPTIONS);
        Err(endless.with_reason("tooManyPages"))
    }
}

/// No page says that a list of calendars can be watched: it is read every day, and when somebody asks for it.
fn lists_are_not_watched() -> ProviderError {
    ProviderError::without_answer(ProviderErrorKind::WatchUnsupported, CREATE_SUBSCRIPTION)
}

/// A subscription, as Microsoft has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    id: String,
    #[serde(rename = "expirationDateTime")]
    expires_at: DateTime<Utc>,
    #[serde(default)]
    resource: String,
    notification_url: Option<String>,
}

impl Subscription {
    fn read(call: &'static str, answer: &HttpResponse) -> Result<Self, ProviderError> {
        let read: Self = serde_json::from_slice(&answer.body).map_err(|_| unreadable_answer(call, answer))?;
        if read.remote_id().is_some() { Ok(read) } else { Err(unreadable_answer(call, answer)) }
    }

    fn grant(self) -> ChannelGrant {
        ChannelGrant { remote_id: self.remote_id(), expires_at: self.expires_at }
    }

    fn blocking(&self) -> Option<Blocking> {
        Some(Blocking { id: self.channel(), remote_id: self.remote_id()? })
    }

    fn remote_id(&self) -> Option<RemoteChannelId> {
        let is_usable = !self.id.is_empty() && self.id.len() <= ID_BYTES_MAX;
        is_usable.then(|| RemoteChannelId::new(self.id.clone()))
    }

    fn is_on(&self, resource: &str) -> bool {
        self.resource.trim_matches('/').eq_ignore_ascii_case(resource)
    }

    /// Whether its notices come to this address. For which channel it was made, its query says.
    fn comes_to(&self, address: &Url) -> bool {
        self.address().is_some_and(|own| own.origin() == address.origin() && own.path() == address.path())
    }

    fn address(&self) -> Option<Url> {
        Url::parse(self.notification_url.as_deref()?).ok()
    }

    /// The channel that it was made for.
    fn channel(&self) -> Option<ChannelId> {
        let address = self.address()?;
        address.query_pairs().find(|(name, _)| name == CHANNEL_IN_ADDRESS)?.1.parse().ok()
    }
}
