//! Every fault as a client meets it.

use std::time::{Duration, Instant};

use evercal_simulator::{FaultAction, FaultPlan, FaultRule, RandomFaults};
use serde_json::json;

use crate::support::{World, meeting};

const LIST: &str = "calendar.events.list";
const INSERT: &str = "calendar.events.insert";
const AT: &str = "2026-03-02T09:00:00";

fn script(rules: Vec<FaultRule>) -> FaultPlan {
    FaultPlan { rules, random: None }
}

fn arm(world: &World, method: &str, action: FaultAction) {
    world.control.set_faults(script(vec![FaultRule::once(method, action)])).unwrap();
}

/// Sends `events.list` and gives what the client library makes of it.
async fn list(world: &World) -> Result<reqwest::Response, reqwest::Error> {
    world.request(reqwest::Method::GET, "calendars/primary/events").send().await
}

#[tokio::test]
async fn a_status_comes_with_the_asked_reason_and_pause() {
    let world = World::start().await;
    let status = |status, reason: Option<&str>| FaultAction::Status {
        status,
        reason: reason.map(str::to_owned),
        retry_after_s: Some(7),
    };
    for (action, reason) in [
        (status(500, None), "backendError"),
        (status(503, None), "backendError"),
        (status(404, None), "notFound"),
        (status(410, None), "fullSyncRequired"),
        (status(403, Some("quotaExceeded")), "quotaExceeded"),
        (status(429, None), "rateLimitExceeded"),
    ] {
        arm(&world, LIST, action.clone());
        let answer = world.list("").await;
        assert_eq!(answer.headers["retry-after"], "7");
        let FaultAction::Status { status, .. } = action else { unreachable!() };
        answer.fails(status, reason);
        world.list("").await.ok();
    }
}

#[tokio::test]
async fn an_error_page_is_for_people_and_has_no_effect() {
    let world = World::start().await;
    arm(&world, INSERT, FaultAction::ErrorPage { status: 403 });
    let request = world.request(reqwest::Method::POST, "calendars/primary/events");
    let answer = request.json(&meeting("New", AT)).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (403, &"text/html; charset=UTF-8".parse().unwrap())
    );
    assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(world.list_all("").await.0.len(), 0);
}

#[tokio::test]
async fn a_reset_before_has_no_effect_and_a_reset_after_has_one() {
    let world = World::start().await;
    for (action, events) in [(FaultAction::ResetBefore, 0), (FaultAction::ResetAfter, 1)] {
        arm(&world, INSERT, action);
        let request = world.request(reqwest::Method::POST, "calendars/primary/events");
        let error = request.json(&meeting("New", AT)).send().await.unwrap_err();
        assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
        assert_eq!(world.list_all("").await.0.len(), events);
    }
    let calls = world.control.calls().unwrap().calls;
    assert_eq!((calls[0].status, calls[0].fault.as_deref()), (None, Some("reset_before")));
}

#[tokio::test]
async fn a_hanging_call_ends_only_when_the_client_gives_up() {
    let world = World::start().await;
    arm(&world, LIST, FaultAction::Hang);
    let request = world.request(reqwest::Method::GET, "calendars/primary/events");
    let error = request.timeout(Duration::from_millis(200)).send().await.unwrap_err();
    assert!(error.is_timeout());
}

#[tokio::test]
async fn a_delayed_call_is_handled_later() {
    let world = World::start().await;
    arm(&world, LIST, FaultAction::Delay { delay_ms: 150 });
    let started = Instant::now();
    world.list("").await.ok();
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn bodies_are_slow_cut_short_garbage_or_too_large() {
    let world = World::start().await;
    world.insert(meeting("New", AT)).await;
    arm(&world, LIST, FaultAction::SlowBody { chunk_bytes: 200, delay_ms: 20 });
    let started = Instant::now();
    assert_eq!(world.list("").await.ok()["items"].as_array().unwrap().len(), 1);
    assert!(started.elapsed() >= Duration::from_millis(80), "{:?}", started.elapsed());

    arm(&world, LIST, FaultAction::TruncatedBody);
    let response = list(&world).await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.unwrap_err();

    arm(&world, LIST, FaultAction::GarbageBody);
    let response = list(&world).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().starts_with("<html>"));

    arm(&world, LIST, FaultAction::OversizedBody { bytes: 3_000_000 });
    let response = list(&world).await.unwrap();
    assert!(response.bytes().await.unwrap().len() > 3_000_000);
}

#[tokio::test]
async fn an_empty_page_goes_on_where_it_was() {
    let world = World::start().await;
    world.insert(meeting("New", AT)).await;
    arm(&world, LIST, FaultAction::EmptyPage);
    let empty = world.list("").await.ok();
    assert_eq!(empty["items"], json!([]));
    let token = empty["nextPageToken"].as_str().unwrap();
    let page = world.list(&format!("pageToken={token}")).await.ok();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_expired_token_stays_expired() {
    let mut world = World::start().await;
    arm(&world, LIST, FaultAction::ExpiredToken);
    world.list("").await.fails(401, "authError");
    world.list("").await.fails(401, "authError");
    world.token = world.token_of(crate::support::ADA);
    world.list("").await.ok();
}

#[tokio::test]
async fn the_rate_limit_has_two_forms() {
    let world = World::start().await;
    arm(&world, LIST, FaultAction::Quota { status: 403 });
    world.list("").await.fails(403, "userRateLimitExceeded");
    arm(&world, LIST, FaultAction::Quota { status: 429 });
    world.list("").await.fails(429, "rateLimitExceeded");
}

#[tokio::test]
async fn a_fault_at_the_nth_call_counts_every_method() {
    let world = World::start().await;
    let unavailable = FaultAction::Status { status: 503, reason: None, retry_after_s: None };
    world.control.set_faults(script(vec![FaultRule { after: 1, ..FaultRule::once("*", unavailable) }])).unwrap();
    world.get("calendars/primary").await.ok();
    world.list("").await.fails(503, "backendError");
    world.get("calendars/primary").await.ok();
}

#[tokio::test]
async fn a_rule_may_be_for_one_calendar() {
    let world = World::start().await;
    let rule = FaultRule {
        calendar: Some("primary".to_owned()),
        ..FaultRule::always("calendar.*", FaultAction::Quota { status: 429 })
    };
    world.control.set_faults(script(vec![rule])).unwrap();
    assert_eq!(world.list("").await.status, 429);
    assert_eq!(world.list("").await.status, 429);
    world.get("users/me/calendarList").await.ok();
    world.control.set_faults(FaultPlan::default()).unwrap();
    world.list("").await.ok();
}

#[tokio::test]
async fn random_faults_repeat_with_their_seed() {
    let world = World::start().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let random = RandomFaults {
            seed: 3,
            percent: 40,
            methods: vec![LIST.to_owned()],
            actions: vec![FaultAction::Quota { status: 403 }, FaultAction::Quota { status: 429 }],
        };
        world.control.set_faults(FaultPlan { rules: Vec::new(), random: Some(random) }).unwrap();
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(world.list("").await.status);
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&200) && runs[0].contains(&403) && runs[0].contains(&429), "{:?}", runs[0]);
}
