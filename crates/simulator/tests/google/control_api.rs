//! The control API over HTTP, as tests in other processes use it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ADA, Answer, BEN, World, answer, meeting};

const AT: &str = "2026-03-02T09:00:00";

async fn control(world: &World, method: Method, path: &str, body: Option<Value>) -> Answer {
    let mut request = world.http.request(method, format!("{}control/{path}", world.simulator.root_url()));
    if let Some(body) = body {
        request = request.json(&body);
    }
    answer(request).await
}

#[tokio::test]
async fn users_calendars_and_tokens_are_made() {
    let mut world = World::start().await;
    let user = json!({"email": "cy@example.com", "name": "Cy", "time_zone": "Asia/Tokyo"});
    assert_eq!(control(&world, Method::POST, "users", Some(user.clone())).await.status, 204);
    assert_eq!(control(&world, Method::POST, "users", Some(user)).await.status, 409);
    let calendar = json!({"owner": "cy@example.com", "summary": "Holidays", "watchable": false});
    let id = control(&world, Method::POST, "calendars", Some(calendar)).await.ok()["id"].clone();
    let tokens = control(&world, Method::POST, "tokens", Some(json!({"user": "cy@example.com"}))).await.ok();
    world.token = tokens["access_token"].as_str().unwrap().to_owned();
    let list = world.get("users/me/calendarList").await.ok();
    assert!(list["items"].as_array().unwrap().iter().any(|entry| entry["id"] == id));
    let expired = control(&world, Method::DELETE, "access-tokens", None).await.ok();
    assert!(expired["expired"].as_u64().unwrap() >= 1);
    world.list("").await.fails(401, "authError");
}

#[tokio::test]
async fn events_are_changed_and_compared_with_the_truth() {
    let world = World::start().await;
    let path = format!("calendars/{ADA}/events");
    let made = control(&world, Method::POST, &path, Some(meeting("New", AT))).await.ok();
    let event = format!("{path}/{}", made["id"].as_str().unwrap());
    control(&world, Method::PATCH, &event, Some(json!({"summary": "Newer"}))).await.ok();
    let truth = control(&world, Method::GET, &format!("state/{ADA}"), None).await.ok();
    assert_eq!(truth["events"][0]["title"], "Newer");
    assert_eq!(control(&world, Method::DELETE, &event, None).await.status, 204);
    let refused = control(&world, Method::POST, &path, Some(json!({"summary": "No times"}))).await;
    assert_eq!(refused.status, 400);
    let changes = json!({"calendar": ADA, "count": 20, "seed": 4, "notices": "none"});
    let summary = control(&world, Method::POST, "changes", Some(changes)).await.ok();
    let made: u64 = summary["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(made, 20);
}

#[tokio::test]
async fn faults_calls_and_clocks_are_set_and_read() {
    let world = World::start().await;
    let plan = json!({"rules": [{"method": "calendar.events.list", "action": {"kind": "status", "status": 503}}]});
    assert_eq!(control(&world, Method::PUT, "faults", Some(plan)).await.status, 204);
    world.list("").await.fails(503, "backendError");
    let calls = control(&world, Method::GET, "calls", None).await.ok();
    assert_eq!(calls["counts"]["calendar.events.list"], 1);
    assert_eq!((&calls["calls"][0]["status"], &calls["calls"][0]["fault"]), (&json!(503), &json!("status")));
    assert_eq!(control(&world, Method::DELETE, "calls", None).await.status, 204);
    assert_eq!(control(&world, Method::GET, "calls", None).await.ok()["calls"], json!([]));
    let clock = control(&world, Method::PUT, "clock", Some(json!({"offset_ms": 5_000}))).await.ok();
    assert_eq!(clock["offset_ms"], 5_000);
    for (path, body) in [
        ("notices", json!({"drop_percent": 10, "seed": 1})),
        ("google/quirks", json!({"id_only_tombstones": true})),
        ("google/quota", json!({"per_user_per_minute": 600})),
        ("access", json!({"calendar": ADA, "user": BEN, "role": "reader"})),
        (&format!("users/{ADA}/consent"), json!({"deny": true})),
        (&format!("calendars/{ADA}/watchable"), json!({"watchable": false})),
    ] {
        assert_eq!(control(&world, Method::PUT, path, Some(body)).await.status, 204, "{path}");
    }
    for path in ["channels", "deliveries", "faults", "clock"] {
        assert_eq!(control(&world, Method::GET, path, None).await.status, 200, "{path}");
    }
    for path in [
        format!("calendars/{ADA}/sync-tokens"),
        format!("google/calendars/{ADA}/page-tokens"),
        format!("google/calendars/{ADA}/history"),
        format!("google/users/{ADA}/calendar-list-tokens"),
    ] {
        assert_eq!(control(&world, Method::DELETE, &path, None).await.status, 204, "{path}");
    }
    let revoked = control(&world, Method::DELETE, &format!("users/{ADA}/grants"), None).await.ok();
    assert_eq!(revoked["revoked"], 1);
}

#[tokio::test]
async fn mistakes_are_errors() {
    let world = World::start().await;
    assert_eq!(control(&world, Method::GET, "state/nobody", None).await.status, 404);
    let unknown = control(&world, Method::PUT, "faults", Some(json!({"rule": []}))).await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.json["error"].as_str().unwrap().contains("unknown field"), "{}", unknown.json);
    let too_many = json!({"calendar": ADA, "count": 100_001});
    assert_eq!(control(&world, Method::POST, "changes", Some(too_many)).await.status, 400);
    assert_eq!(control(&world, Method::PUT, "google/quota", Some(json!({"status": 500}))).await.status, 400);
    assert_eq!(control(&world, Method::GET, "nothing", None).await.status, 404);
}
