//! Creating and stopping channels, and their register.

use chrono::{DateTime, TimeDelta, Utc};
use evercal_simulator::{OauthClient, SIMULATED_NOW_HEADER, SimulatorOptions, TokenRequest};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ADA, BEN, Receiver, World, answer, options};

const WATCH: &str = "calendars/primary/events/watch";
const ADDRESS: &str = "http://127.0.0.1:9/hook";

fn channel(id: &str) -> Value {
    json!({"id": id, "type": "web_hook", "address": ADDRESS})
}

fn expiration(answer: &Value) -> DateTime<Utc> {
    let milliseconds = answer["expiration"].as_str().unwrap().parse().unwrap();
    DateTime::from_timestamp_millis(milliseconds).unwrap()
}

#[tokio::test]
async fn the_answer_has_the_documented_fields() {
    let world = World::start().await;
    let mut body = channel("c1");
    body["token"] = json!("mine");
    let answer = world.post(WATCH, body).await.ok();
    assert_eq!(
        (&answer["kind"], &answer["id"], &answer["token"]),
        (&json!("api#channel"), &json!("c1"), &json!("mine"))
    );
    assert!(answer["resourceUri"].as_str().unwrap().ends_with("/calendars/ada%40example.com/events?alt=json"));
    // The resource id belongs to the collection, so it is the same on every channel.
    let second = world.post(WATCH, channel("c2")).await.ok();
    assert_eq!(second["resourceId"], answer["resourceId"]);
    let list = world.post("users/me/calendarList/watch", channel("c3")).await.ok();
    assert_ne!(list["resourceId"], answer["resourceId"]);
}

#[tokio::test]
async fn a_channel_lives_as_long_as_asked_but_seven_days_at_most() {
    let world = World::start().await;
    let now = world.control.clock().unwrap().now;
    let in_two_days = now + TimeDelta::days(2);
    let close = |at: DateTime<Utc>, wanted: DateTime<Utc>| (at - wanted).abs() < TimeDelta::minutes(1);
    for (number, (field, value, wanted)) in [
        ("expiration", json!(in_two_days.timestamp_millis()), in_two_days),
        ("expiration", json!(in_two_days.timestamp_millis().to_string()), in_two_days),
        ("expiration", json!((now + TimeDelta::days(30)).timestamp_millis()), now + TimeDelta::days(7)),
        ("params", json!({"ttl": "3600"}), now + TimeDelta::hours(1)),
        ("payload", json!(false), now + TimeDelta::days(7)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = channel(&format!("c{number}"));
        body[field] = value;
        let granted = expiration(&world.post(WATCH, body).await.ok());
        assert!(close(granted, wanted), "{field}: {granted} instead of {wanted}");
    }
    let mut past = channel("past");
    past["expiration"] = json!((now - TimeDelta::hours(1)).timestamp_millis());
    world.post(WATCH, past).await.fails(400, "invalid");
    for ttl in [json!(0), json!(-1), json!("-9000000000000000"), json!(i64::MAX)] {
        let mut body = channel("ttl");
        body["params"] = json!({"ttl": ttl});
        world.post(WATCH, body).await.fails(400, "invalid");
    }
}

#[tokio::test]
async fn channels_that_google_would_refuse_are_refused() {
    let world = World::start().await;
    let with = |name: &str, value: Value| {
        let mut body = channel("ok");
        body[name] = value;
        body
    };
    for (body, reason) in [
        (with("id", json!("x".repeat(65))), "invalidChannelId"),
        (with("id", json!("a@b")), "invalidChannelId"),
        (with("id", json!("a.b")), "invalidChannelId"),
        (with("id", Value::Null), "required"),
        (with("type", json!("email")), "invalid"),
        (with("address", Value::Null), "required"),
        (with("address", json!("nowhere")), "invalid"),
        (with("address", json!("ftp://example.com/")), "push.webhookUrlNotHttps"),
        (with("token", json!("x".repeat(257))), "invalid"),
        (with("expiration", json!("soon")), "invalid"),
    ] {
        let refused = world.post(WATCH, body.clone()).await;
        assert_eq!((refused.status, refused.reason()), (400, reason), "{body}");
    }
    world.post(WATCH, with("id", json!("Az09-_+/="))).await.ok();
    world.post(WATCH, with("type", json!("webhook"))).await.ok();
}

#[tokio::test]
async fn a_channel_id_is_never_accepted_twice() {
    let world = World::start().await;
    let first = world.post(WATCH, channel("c1")).await.ok();
    world.post(WATCH, channel("c1")).await.fails(400, "channelIdNotUnique");
    world.post("channels/stop", first).await.ok();
    world.post(WATCH, channel("c1")).await.fails(400, "channelIdNotUnique");
}

#[tokio::test]
async fn an_address_without_tls_is_refused_unless_allowed() {
    let world = World::with(SimulatorOptions { allow_http_webhooks: false, ..options() }).await;
    world.post(WATCH, channel("c1")).await.fails(400, "push.webhookUrlNotHttps");
    let mut body = channel("c1");
    body["address"] = json!("https://127.0.0.1:9/hook");
    world.post(WATCH, body).await.ok();
}

#[tokio::test]
async fn a_calendar_that_cannot_be_watched_says_so() {
    let world = World::start().await;
    world.control.set_watchable(ADA, false).unwrap();
    world.post(WATCH, channel("c1")).await.fails(400, "pushNotSupportedForRequestedResource");
    world.post("calendars/missing/events/watch", channel("c1")).await.fails(404, "notFound");
}

#[tokio::test]
async fn only_its_creator_stops_a_channel_and_only_with_both_ids() {
    let other_client = OauthClient { id: "other".to_owned(), ..OauthClient::default() };
    let clients = vec![OauthClient::default(), other_client];
    let mut world = World::with(SimulatorOptions { oauth_clients: clients, ..options() }).await;
    let made = world.post(WATCH, channel("c1")).await.ok();
    let stop = json!({"id": "c1", "resourceId": made["resourceId"]});
    world.post("channels/stop", json!({"id": "c1"})).await.fails(400, "required");
    world.post("channels/stop", json!({"id": "c1", "resourceId": "other"})).await.fails(404, "notFound");
    let mine = world.token.clone();
    let same_user_other_client =
        TokenRequest { user: ADA.to_owned(), client_id: Some("other".to_owned()), scopes: Vec::new() };
    for stranger in [world.token_of(BEN), world.control.issue_tokens(&same_user_other_client).unwrap().access_token] {
        world.token = stranger;
        world.post("channels/stop", stop.clone()).await.fails(404, "notFound");
    }
    world.token = mine;
    let stopped = world.post("channels/stop", stop.clone()).await;
    assert_eq!((stopped.status, &stopped.json), (204, &Value::Null));
    world.post("channels/stop", stop).await.fails(404, "notFound");
}

#[tokio::test]
async fn the_header_of_a_request_sets_its_calendars_virtual_time_which_never_goes_back() {
    let world = World::start().await;
    let real_now = world.control.clock().unwrap().now;
    let later = real_now + TimeDelta::days(100);
    let watch_at = async |id: &str, at: DateTime<Utc>| {
        let request = world.request(Method::POST, WATCH).json(&channel(id));
        answer(request.header(SIMULATED_NOW_HEADER, at.timestamp_millis())).await.ok()
    };
    let first = watch_at("c1", later).await;
    assert_eq!(expiration(&first).timestamp_millis(), (later + TimeDelta::days(7)).timestamp_millis());
    let second = watch_at("c2", real_now).await;
    assert_eq!(expiration(&second), expiration(&first), "an earlier time does not count");
    watch_at("c3", later + TimeDelta::days(8)).await;
    let channels = world.control.channels().unwrap();
    let live: Vec<bool> = channels.iter().map(|channel| channel.live).collect();
    assert_eq!(live, [false, false, true]);
    assert_eq!(channels[0].created_at.timestamp_millis(), later.timestamp_millis());
    // Another calendar has its own clock.
    let other = world.post("calendars", json!({"summary": "Other"})).await.ok();
    let path = format!("calendars/{}/events/watch", other["id"].as_str().unwrap());
    let granted = expiration(&world.post(&path, channel("c4")).await.ok());
    assert!(granted < later);
}

#[tokio::test]
async fn the_clock_offset_moves_everything_that_has_no_time_of_its_own() {
    let world = World::start().await;
    let before = world.control.clock().unwrap().now;
    world.control.set_clock_offset(TimeDelta::days(50).num_milliseconds()).unwrap();
    let granted = expiration(&world.post(WATCH, channel("c1")).await.ok());
    assert!(granted > before + TimeDelta::days(56));
}

#[tokio::test]
async fn the_register_keeps_every_channel_with_its_end() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let first = world.watch("c1", &receiver.address).await;
    world.watch("c2", &receiver.address).await;
    world.post("channels/stop", first).await.ok();
    let channels = world.control.channels().unwrap();
    assert_eq!(channels.len(), 2);
    assert!(channels[0].stopped_at.is_some() && !channels[0].live);
    assert!(channels[1].stopped_at.is_none() && channels[1].live);
    assert_eq!((channels[1].user.as_str(), channels[1].token.as_deref()), (ADA, Some("token of c2")));
}
