//! Microsoft's notices (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>): many in the body of one
//! request, each proven by the text that its subscription was made with. A new address is tried with a request whose answer is a
//! text out of its query.

use std::time::Duration;

use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_domain::{LifecycleEvent, Priority, RemoteChannelId};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use url::form_urlencoded;

use crate::notices::{
    Met, Notice, NoticeBatch, NoticeHead, NoticeLimits, NoticeReader, NoticeRefused, Says, UnreadableNotices,
};

/// The body in bytes. An item has about 1 KiB.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Items of one request.
const ITEMS_MAX: usize = 2_000;
/// Microsoft counts an answer after 3 s as none, and slows down who gives many of these.
const ANSWER_WITHIN: Duration = Duration::from_millis(2_500);
/// The parameter of a request that tries an address.
const VALIDATION_TOKEN: &str = "validationToken";
/// The text of such a request in bytes; Microsoft's have about 200.
const VALIDATION_TOKEN_BYTES_MAX: usize = 2_048;
/// An id of a subscription in bytes; Microsoft's are GUIDs.
const ID_BYTES_MAX: usize = 256;

/// Reads Microsoft's notices.
#[derive(Debug, Clone, Copy)]
pub struct GraphNotices;

impl NoticeReader for GraphNotices {
    fn limits(&self) -> NoticeLimits {
        NoticeLimits { body_bytes_max: BODY_BYTES_MAX, answer_within: ANSWER_WITHIN }
    }

    /// Whoever tries the address has proven nothing; the answer is their own text, and nothing else comes of it.
    fn meet(&self, _keys: &ChannelTokenKeys, head: &NoticeHead<'_>) -> Result<Met, NoticeRefused> {
        let pairs = form_urlencoded::parse(head.query.unwrap_or_default().as_bytes());
        let mut texts = pairs.filter(|(name, _)| name == VALIDATION_TOKEN).map(|(_, text)| text);
        let Some(text) = texts.next() else { return Ok(Met::InBody) };
        Ok(if texts.next().is_some() {
            Met::MalformedHandshake("the validation token is given twice")
        } else if text.is_empty() || text.len() > VALIDATION_TOKEN_BYTES_MAX {
            Met::MalformedHandshake("the validation token is empty or too long")
        } else if text.chars().any(char::is_control) || text.contains(char::REPLACEMENT_CHARACTER) {
            Met::MalformedHandshake("the validation token has characters that no text has")
        } else {
            Met::Handshake(text.into_owned())
        })
    }

    fn read(&self, keys: &ChannelTokenKeys, body: &[u8]) -> Result<NoticeBatch, UnreadableNotices> {
        #[derive(Deserialize)]
        struct WireBatch<'body> {
            #[serde(borrow)]
            value: Vec<&'body RawValue>,
        }
        let text = str::from_utf8(body).map_err(|_| UnreadableNotices::NotOfTheForm)?;
        let batch: WireBatch<'_> = serde_json::from_str(text).map_err(|_| UnreadableNotices::NotOfTheForm)?;
        if batch.value.len() > ITEMS_MAX {
            return Err(UnreadableNotices::TooManyItems);
        }
        let mut read = NoticeBatch::default();
        for item in batch.value {
            match notice(keys, item.get()) {
                Ok(notice) => read.notices.push(notice),
                Err(refused) => read.dropped.push(refused),
            }
        }
        Ok(read)
    }
}

/// One item. Which mailbox and which event it is about is not looked at: it starts a read, and the calendar's workflow knows its
/// subscription.
fn notice(keys: &ChannelTokenKeys, item: &str) -> Result<Notice, NoticeRefused> {
    let item: WireItem = serde_json::from_str(item).map_err(|_| NoticeRefused::NotOurs("an item that is no notice"))?;
    let token = item.client_state.ok_or(NoticeRefused::NotOurs("no client state"))?;
    let claim = keys.verify(&token).map_err(|_| NoticeRefused::NotOurs("a client state that is not ours"))?;
    let is_usable = |id: &String| !id.is_empty() && id.len() <= ID_BYTES_MAX;
    let remote_id = item.subscription_id.filter(is_usable).map(RemoteChannelId::new);
    let says = match (item.lifecycle_event, item.change_type.as_deref()) {
        (Some(event), _) => Says::Lifecycle(lifecycle_event(&event)),
        (None, Some("created" | "deleted")) => Says::Changed(Some(Priority::High)),
        (None, Some("updated")) => Says::Changed(Some(Priority::Medium)),
        (None, Some(_)) => Says::Changed(None),
        (None, None) => return Err(NoticeRefused::Contradicts("an item that says nothing")),
    };
    Ok(Notice { claim, remote_id, says })
}

/// What happened to the subscription itself
/// (<https://learn.microsoft.com/graph/change-notifications-lifecycle-events>).
fn lifecycle_event(event: &Value) -> LifecycleEvent {
    match event.as_str() {
        Some("reauthorizationRequired") => LifecycleEvent::MustBeExtended,
        Some("subscriptionRemoved") => LifecycleEvent::Removed,
        Some("missed") => LifecycleEvent::NoticesLost,
        _ => LifecycleEvent::Unknown,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireItem {
    client_state: Option<String>,
    subscription_id: Option<String>,
    change_type: Option<String>,
    lifecycle_event: Option<Value>,
}

#[cfg(test)]
mod tests {
    use evercal_domain::channel_token::ChannelClaim;
    use evercal_domain::{AccountId, CalendarId, ChannelId, Watched};
    use serde_json::json;

    use super::*;

    fn keys() -> ChannelTokenKeys {
        ChannelTokenKeys::parse("a-key-of-sixteen-chars").unwrap()
    }

    fn claim() -> ChannelClaim {
        let watched = Watched::Calendar { account_id: AccountId::generate(), calendar_id: CalendarId::generate() };
        ChannelClaim { watched, channel_id: ChannelId::generate() }
    }

    fn met(query: &str) -> Met {
        GraphNotices.meet(&keys(), &NoticeHead { header: &|_| None, query: Some(query) }).unwrap()
    }

    fn read(body: Value) -> Result<NoticeBatch, UnreadableNotices> {
        GraphNotices.read(&keys(), body.to_string().as_bytes())
    }

    #[test]
    fn a_new_address_is_tried_with_a_text_that_is_decoded_once() {
        let sentence = "Validation: Testing client application reachability Request-Id: 1 + 1";
        for query in [
            "validationToken=Validation%3A+Testing+client+application+reachability+Request-Id%3A+1+%2B+1",
            "channel=x&validationToken=Validation%3a%20Testing%20client%20application%20reachability%20Request-Id:%201%20%2B%201",
        ] {
            assert_eq!(met(query), Met::Handshake(sentence.into()), "{query}");
        }
        assert_eq!(met("validationToken=%2541"), Met::Handshake("%41".into()));
        assert_eq!(met("validationToken=%3Cb%3E"), Met::Handshake("<b>".into()));
    }

    #[test]
    fn a_handshake_that_nobody_means_is_malformed() {
        let long = format!("validationToken={}", "x".repeat(VALIDATION_TOKEN_BYTES_MAX + 1));
        for query in [
            "validationToken=",
            "validationToken=a&validationToken=b",
            "validationToken=a%0D%0Ab",
            "validationToken=%00",
            "validationToken=%ff%fe",
            &long,
        ] {
            assert!(matches!(met(query), Met::MalformedHandshake(_)), "{query}");
        }
        assert_eq!(met("channel=x"), Met::InBody);
        let none = GraphNotices.meet(&keys(), &NoticeHead { header: &|_| None, query: None });
        assert_eq!(none, Ok(Met::InBody));
    }

    #[test]
    fn each_item_is_judged_alone() {
        let (one, other) = (claim(), claim());
        let foreign = ChannelTokenKeys::parse("another-key-of-16-chars").unwrap().sign(one);
        let item =
            |token: String, change: &str| json!({"clientState": token, "subscriptionId": "s", "changeType": change});
        let batch = read(json!({"value": [
            item(keys().sign(one), "updated"),
            item(foreign, "updated"),
            item(keys().sign(other), "deleted"),
            {"changeType": "updated"},
            "no item",
            {"clientState": 7},
            {"clientState": keys().sign(one), "lifecycleEvent": "missed", "subscriptionId": "s"},
            {"clientState": keys().sign(one), "lifecycleEvent": {"new": true}},
            {"clientState": keys().sign(one)},
        ]}))
        .unwrap();
        let said: Vec<_> = batch.notices.iter().map(|notice| (notice.claim, notice.says)).collect();
        assert_eq!(
            said,
            [
                (one, Says::Changed(Some(Priority::Medium))),
                (other, Says::Changed(Some(Priority::High))),
                (one, Says::Lifecycle(LifecycleEvent::NoticesLost)),
                (one, Says::Lifecycle(LifecycleEvent::Unknown)),
            ]
        );
        assert_eq!(batch.notices[0].remote_id, Some(RemoteChannelId::new("s")));
        assert_eq!(batch.dropped.len(), 5);
    }

    #[test]
    fn what_is_no_list_of_notices_is_unreadable_and_too_many_are_too_many() {
        for body in [json!({}), json!([]), json!({"value": {}}), json!("x")] {
            assert_eq!(read(body), Err(UnreadableNotices::NotOfTheForm));
        }
        for body in [&b""[..], b"\xff", b"{\"value\": ["] {
            assert_eq!(GraphNotices.read(&keys(), body), Err(UnreadableNotices::NotOfTheForm));
        }
        assert_eq!(read(json!({"value": []})), Ok(NoticeBatch::default()));
        let many = |count| json!({"value": vec![Value::Null; count]});
        assert_eq!(read(many(ITEMS_MAX + 1)), Err(UnreadableNotices::TooManyItems));
        assert_eq!(read(many(ITEMS_MAX)).unwrap().dropped.len(), ITEMS_MAX);
    }
}
