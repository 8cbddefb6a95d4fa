//! Subscriptions: created, in each other's way, extended, listed, ended.

use chrono::{DateTime, Utc};
use evercal_domain::{ChannelId, ProviderError, ProviderErrorKind, RemoteChannelId};
use serde_json::json;

use super::*;
use crate::channels::{
    Blocking, ChannelGrant, ChannelRequest, Channels as _, Extended, LostChannels, Opening, WatchedRemote,
};

const ADDRESS: &str = "https://cal.example.com/api/webhooks/microsoft";

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn wanted(id: ChannelId) -> ChannelRequest {
    ChannelRequest {
        id,
        address: ADDRESS.parse().unwrap(),
        token: Secret::new("token-of-the-channel"),
        asked_at: time("2026-11-30T00:00:00Z"),
        expires_at: time("2026-12-03T00:00:00Z"),
    }
}

fn subscription(id: &str, resource: &str, url: &str) -> Value {
    json!({"id": id, "resource": resource, "changeType": "created,updated,deleted", "notificationUrl": url,
           "expirationDateTime": "2026-12-03T00:00:00Z", "clientState": null})
}

async fn opened(
    is_primary: bool,
    answers: impl IntoIterator<Item = Result<HttpResponse, TransportErrorKind>>,
) -> (Result<Opening, ProviderError>, Arc<LiteralTransport>) {
    let (graph, transport) = provider(answers);
    let calendar = team();
    let watched = WatchedRemote::Calendar(RemoteCalendarRef { id: &calendar, is_primary });
    let grant = graph.open(&context(), watched, &wanted(ChannelId::generate())).await;
    (grant, transport)
}

const OF_TEAM: &str = "me/calendars/AAMkTeam==/events";

#[tokio::test]
async fn a_subscription_is_asked_for_with_both_addresses_and_its_proof() {
    for (is_primary, resource) in [(true, "me/events"), (false, OF_TEAM)] {
        let (grant, transport) = opened(is_primary, [answered(201, &subscription("s", resource, ADDRESS))]).await;
        let expires_at = time("2026-12-03T00:00:00Z");
        let expected = ChannelGrant { remote_id: Some(RemoteChannelId::new("s")), expires_at };
        assert_eq!(grant.unwrap(), Opening::Open(expected));
        let body = json_of(&transport.requests.lock().unwrap()[0]);
        assert_eq!(body["resource"], resource);
        assert_eq!(body["changeType"], "created,updated,deleted");
        assert_eq!(body["clientState"], "token-of-the-channel");
        assert_eq!(body["includeResourceData"], false);
        assert_eq!(body["expirationDateTime"], "2026-12-03T00:00:00.000Z");
        let at = |field: &str| body[field].as_str().unwrap().to_owned();
        assert!(at("notificationUrl").starts_with(&format!("{ADDRESS}?channel=")), "{body}");
        assert!(at("lifecycleNotificationUrl").starts_with(&format!("{ADDRESS}/lifecycle?channel=")), "{body}");
    }
}

#[tokio::test]
async fn a_lifetime_that_is_too_long_is_asked_for_once_more_and_shorter() {
    let refusal = || refused(400, "ExtensionError", "Subscription expiration can only be 4230 minutes in the future.");
    let (grant, transport) = opened(true, [refusal(), answered(201, &subscription("s", "me/events", ADDRESS))]).await;
    assert!(grant.is_ok());
    let body = json_of(&transport.requests.lock().unwrap()[1]);
    assert_eq!(body["expirationDateTime"], "2026-12-02T22:00:00.000Z");
    let (grant, _) = opened(true, [refusal(), refusal()]).await;
    assert_eq!(grant.unwrap_err().kind, ProviderErrorKind::InvalidRequest);
}

#[tokio::test]
async fn those_of_ours_that_are_in_the_way_are_named_and_none_is_ended() {
    let known = ChannelId::generate();
    let list = json!({"value": [
        subscription("ours", OF_TEAM, &format!("{ADDRESS}?channel={known}")),
        subscription("older", OF_TEAM, &format!("{ADDRESS}?channel=x")),
        subscription("ours-on-another", "me/events", ADDRESS),
        subscription("theirs", OF_TEAM, "https://other.example.com/api/webhooks/microsoft"),
        {"odd": true},
    ]});
    let conflict = || refused(409, "Conflict", "Subscription ours already exists.");
    let (opening, transport) = opened(false, [conflict(), ok(&list)]).await;
    let blocking = |id, remote_id: &str| Blocking { id, remote_id: RemoteChannelId::new(remote_id) };
    assert_eq!(opening.unwrap(), Opening::Blocked(vec![blocking(Some(known), "ours"), blocking(None, "older")]));
    assert_eq!(sent(&transport), ["POST /subscriptions", "GET /subscriptions"]);
    let (opening, _) = opened(false, [conflict(), ok(&json!({"value": []}))]).await;
    assert_eq!(opening.unwrap_err().reason.as_deref(), Some("subscriptionNotListed"));
}

#[tokio::test]
async fn one_of_another_service_is_never_touched() {
    let list = json!({"value": [subscription("theirs", OF_TEAM, "https://other.example.com/api/webhooks/microsoft")]});
    let (grant, transport) = opened(false, [refused(409, "Conflict", ""), ok(&list)]).await;
    let error = grant.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::RateLimited);
    assert_eq!(error.reason.as_deref(), Some("subscriptionOfAnotherService"));
    assert_eq!(error.retry_after, Some(std::time::Duration::from_hours(6)));
    assert_eq!(sent(&transport), ["POST /subscriptions", "GET /subscriptions"]);
}

#[tokio::test]
async fn lists_of_calendars_are_not_watched() {
    let (graph, transport) = provider([]);
    let grant = graph.open(&context(), WatchedRemote::CalendarList, &wanted(ChannelId::generate())).await;
    assert_eq!(grant.unwrap_err().kind, ProviderErrorKind::WatchUnsupported);
    assert!(transport.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_end_is_put_off_or_the_subscription_is_gone() {
    let calendar = team();
    let remote_id = RemoteChannelId::new("s");
    for (answer, expected) in [
        (ok(&subscription("s", OF_TEAM, ADDRESS)), Some(Extended::Until(time("2026-12-03T00:00:00Z")))),
        (refused(404, "ResourceNotFound", ""), Some(Extended::Gone)),
        (refused(503, "ServiceUnavailable", ""), None),
        (Ok(crate::literal::answer(404, "<html>")), None),
    ] {
        let (graph, transport) = provider([answer]);
        let (asked_at, until) = (time("2026-11-30T00:00:00Z"), time("2026-12-03T00:00:00Z"));
        let watched = WatchedRemote::Calendar(other(&calendar));
        let extended = graph.extend(&context(), watched, &remote_id, asked_at, until).await;
        assert_eq!(extended.ok(), expected);
        assert_eq!(sent(&transport), ["PATCH /subscriptions/s"]);
        let body = json_of(&transport.requests.lock().unwrap()[0]);
        assert_eq!(body, json!({"expirationDateTime": "2026-12-03T00:00:00.000Z"}));
    }
}

#[tokio::test]
async fn one_whose_answer_was_lost_is_found_by_the_channel_in_its_address() {
    let (lost, other_lost) = (ChannelId::generate(), ChannelId::generate());
    let link = format!("{BASE}/subscriptions?$skiptoken=1");
    let first = json!({"value": [subscription("s", "me/events", &format!("{ADDRESS}?channel={lost}"))],
                       "@odata.nextLink": link});
    let second = json!({"value": [subscription("t", OF_TEAM, ADDRESS)]});
    let (graph, _) = provider([ok(&first), ok(&second)]);
    let found = graph.find_lost(&context(), WatchedRemote::CalendarList, &[lost, other_lost], &[]).await.unwrap();
    assert_eq!(found, LostChannels::Found([(lost, RemoteChannelId::new("s"))].into()));
}

#[tokio::test]
async fn one_that_is_gone_is_closed() {
    let (graph, _) = provider([refused(404, "ResourceNotFound", "")]);
    assert!(graph.close(&context(), ChannelId::generate(), &RemoteChannelId::new("s")).await.is_ok());
}
