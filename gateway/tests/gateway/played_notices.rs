//! Readers of notices that a test puts in the place of the provider's own.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use evercal_domain::channel_token::{ChannelClaim, ChannelTokenKeys};
use evercal_domain::{AccountId, CalendarId, ChannelId, LifecycleEvent, Priority, Provider, Watched};
use evercal_providers::google::GoogleNotices;
use evercal_providers::{
    Met, Notice, NoticeBatch, NoticeHead, NoticeLimits, NoticeReader, NoticeRefused, Says, UnreadableNotices,
};
use serde::{Deserialize, Serialize};

use crate::support::{Answer, World};

/// Where notices are sent to, and those about channels.
pub const NOTICES: &str = "/api/webhooks/google";
pub const LIFECYCLE: &str = "/api/webhooks/google/lifecycle";
/// Longer than any test waits.
pub const LONG: Duration = Duration::from_mins(10);
/// Notices in one body.
pub const ITEMS_MAX: usize = 1_000;
/// The largest body.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A notice in a body, which has an array of them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Item {
    pub token: String,
    pub channel: String,
    pub says: Said,
}

/// What it says.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Said {
    Urgent,
    Routine,
    Removed,
    NoticesLost,
    SomethingNew,
}

/// The provider's own, with another time for its answers.
struct Within {
    reader: Arc<dyn NoticeReader>,
    answer_within: Duration,
}

/// Reads notices in bodies. What has a channel token in its head is proven there, and `?hello=` is a handshake.
struct InBodies {
    answer_within: Duration,
}

impl NoticeReader for Within {
    fn limits(&self) -> NoticeLimits {
        NoticeLimits { answer_within: self.answer_within, ..self.reader.limits() }
    }

    fn has_lifecycle(&self) -> bool {
        self.reader.has_lifecycle()
    }

    fn meet(&self, keys: &ChannelTokenKeys, head: &NoticeHead<'_>) -> Result<Met, NoticeRefused> {
        self.reader.meet(keys, head)
    }
}

impl NoticeReader for InBodies {
    fn limits(&self) -> NoticeLimits {
        NoticeLimits { body_bytes_max: BODY_BYTES_MAX, answer_within: self.answer_within }
    }

    fn meet(&self, keys: &ChannelTokenKeys, head: &NoticeHead<'_>) -> Result<Met, NoticeRefused> {
        if (head.header)("x-goog-channel-token").is_some() {
            return GoogleNotices.meet(keys, head);
        }
        Ok(match head.query.and_then(|query| query.strip_prefix("hello=")) {
            Some("") => Met::MalformedHandshake("a handshake without a text"),
            Some(text) => Met::Handshake(text.to_owned()),
            None => Met::InBody,
        })
    }

    fn read(&self, keys: &ChannelTokenKeys, body: &[u8]) -> Result<NoticeBatch, UnreadableNotices> {
        let items: Vec<Item> = serde_json::from_slice(body).map_err(|_| UnreadableNotices::NotOfTheForm)?;
        if items.len() > ITEMS_MAX {
            return Err(UnreadableNotices::TooManyItems);
        }
        let mut batch = NoticeBatch::default();
        for item in items {
            match verified(keys, &item) {
                Ok(notice) => batch.notices.push(notice),
                Err(refused) => batch.dropped.push(refused),
            }
        }
        Ok(batch)
    }
}

fn verified(keys: &ChannelTokenKeys, item: &Item) -> Result<Notice, NoticeRefused> {
    let claim = keys.verify(&item.token).map_err(|_| NoticeRefused::NotOurs("a token that is not ours"))?;
    if item.channel != claim.channel_id.to_string() {
        return Err(NoticeRefused::Contradicts("a channel that is not the token's"));
    }
    let says = match item.says {
        Said::Urgent => Says::Changed(Some(Priority::High)),
        Said::Routine => Says::Changed(Some(Priority::Medium)),
        Said::Removed => Says::Lifecycle(LifecycleEvent::Removed),
        Said::NoticesLost => Says::Lifecycle(LifecycleEvent::NoticesLost),
        Said::SomethingNew => Says::Lifecycle(LifecycleEvent::Unknown),
    };
    Ok(Notice { claim, remote_id: None, says })
}

/// A channel on a calendar.
pub fn channel_on(calendar: CalendarId) -> ChannelClaim {
    watching(Watched::Calendar { account_id: AccountId::generate(), calendar_id: calendar })
}

/// A channel that watches this.
pub fn watching(watched: Watched) -> ChannelClaim {
    ChannelClaim { watched, channel_id: ChannelId::generate() }
}

/// An item that proves nothing.
pub fn forged(calendar: CalendarId) -> Item {
    let claim = channel_on(calendar);
    let token = ChannelTokenKeys::parse("somebody-elses-key").unwrap().sign(claim);
    Item { token, channel: claim.channel_id.to_string(), says: Said::Urgent }
}

/// The body of a request with these items.
pub fn body(items: &[Item]) -> String {
    serde_json::to_string(items).unwrap()
}

impl World {
    /// Has its provider's notices answered within this time.
    pub fn answer_notices_within(&mut self, answer_within: Duration) {
        self.read_notices_by(|reader| Arc::new(Within { reader, answer_within }));
    }

    /// Has the notices of its provider in bodies, and answered within this time.
    pub fn take_notices_in_bodies(&mut self, answer_within: Duration) {
        self.read_notices_by(|_| Arc::new(InBodies { answer_within }));
    }

    fn read_notices_by(&mut self, by: impl FnOnce(Arc<dyn NoticeReader>) -> Arc<dyn NoticeReader>) {
        let front = self.config.fronts.get_mut(&Provider::new("google")).unwrap();
        front.edge.notices = by(Arc::clone(&front.edge.notices));
    }

    /// A genuine item.
    pub fn item(&self, claim: ChannelClaim, says: Said) -> Item {
        Item { token: self.keys.sign(claim), channel: claim.channel_id.to_string(), says }
    }

    /// Sends these items in one request.
    pub async fn send_items(&self, items: &[Item]) -> Answer {
        self.send(Method::POST, NOTICES, &[], Body::from(body(items))).await
    }
}
