//! What the gateway says of itself and of those that it needs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::journal::{AuditEntry, AuditKind, IncidentKind};
use evercal_domain::{AccountState, Clock as _, Provider, SystemClock};
use evercal_storage::{AuditOf, IncidentEnd, PageRequest, ProviderIncident};
use serde_json::{Value, json};

use crate::support::{World, eventually};

async fn health(world: &World) -> Value {
    world.get("", "/api/health/sync").await.json()
}

async fn readiness(world: &World) -> u16 {
    world.get("", "/health/ready").await.status.as_u16()
}

#[tokio::test]
async fn without_a_worker_health_is_down_and_says_so_and_notices_are_taken_all_the_same() {
    let mut world = World::new().await;
    world.has_worker.store(false, Ordering::SeqCst);
    world.store.forget_beat("worker/played").await.unwrap();
    world.start().await;
    eventually(&json!("workers"), async || health(&world).await["problems"][0]["part"].clone()).await;
    let down = health(&world).await;
    assert_eq!((&down["status"], &down["workers"]), (&json!("down"), &json!(0)));
    assert!(down["problems"][0]["detail"].as_str().unwrap().contains("No worker"), "{down}");
    assert!(down["problems"][0]["since"].is_string(), "{down}");
    assert_eq!(readiness(&world).await, 200);
    world.has_worker.store(true, Ordering::SeqCst);
    eventually(&json!("ok"), async || health(&world).await["status"].clone()).await;
    let healthy = health(&world).await;
    assert_eq!((&healthy["workers"], &healthy["problems"]), (&json!(1), &json!([])));
}

#[tokio::test]
async fn a_start_opens_nobodys_credentials_however_many_accounts_there_are() {
    let mut world = World::new().await;
    for _ in 0..20 {
        world.customer().await;
    }
    world.start().await;
    eventually(&200, async || readiness(&world).await).await;
    eventually(&json!("ok"), async || health(&world).await["status"].clone()).await;
    eventually(&true, async || world.faults.called("pending_accounts")).await;
    world.heartbeats(10).await;
    assert!(!world.faults.called("credentials") && !world.faults.called("consent"));
}

#[tokio::test]
async fn what_is_away_is_named_with_its_beginning() {
    let world = World::running().await;
    eventually(&json!("ok"), async || health(&world).await["status"].clone()).await;
    world.workflows.down.store(true, Ordering::SeqCst);
    eventually(&json!("temporal"), async || health(&world).await["problems"][0]["part"].clone()).await;
    assert!(health(&world).await["problems"][0]["since"].is_string());
    world.workflows.down.store(false, Ordering::SeqCst);
    world.faults.failing.lock().unwrap().insert("beat");
    eventually(&json!("store"), async || health(&world).await["problems"][0]["part"].clone()).await;
}

#[tokio::test]
async fn a_provider_that_refuses_the_installation_is_named_and_notices_are_taken_all_the_same() {
    let world = World::running().await;
    eventually(&json!("ok"), async || health(&world).await["status"].clone()).await;
    let at = SystemClock.now();
    let since = world.store.open_incident(&refusal(at), "refused").await.unwrap();
    eventually(&json!("down"), async || health(&world).await["status"].clone()).await;
    let down = health(&world).await;
    assert_eq!(down["problems"][0]["part"], "provider", "{down}");
    let trouble = &down["providers"][0];
    assert_eq!((&trouble["provider"], &trouble["cause"]), (&json!("google"), &json!("accessNotConfigured")));
    assert_eq!(trouble["since"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(), since);
    assert_eq!(readiness(&world).await, 200);
    let (provider, kind) = (Provider::new("google"), IncidentKind::Refused);
    let end = IncidentEnd { provider, kind, at, only_if_reported_at: None, message: "over" };
    world.store.close_incident(&end).await.unwrap();
    eventually(&json!([]), async || health(&world).await["providers"].clone()).await;
    assert_eq!(health(&world).await["status"], "ok");
}

#[tokio::test]
async fn a_provider_that_is_off_is_a_problem_where_accounts_are_connected_and_what_it_refused_before_is_none() {
    let mut world = World::new().await;
    world.config.fronts.clear();
    world.start().await;
    eventually(&json!("ok"), async || health(&world).await["status"].clone()).await;
    let at = SystemClock.now();
    let customer = world.customer().await;
    world.store.open_incident(&refusal(at), "refused").await.unwrap();
    eventually(&json!("down"), async || health(&world).await["status"].clone()).await;
    let down = health(&world).await;
    let [problem] = down["problems"].as_array().unwrap().as_slice() else { panic!("{down}") };
    assert_eq!(problem["part"], "provider");
    let since = problem["since"].as_str().expect("since when is known").parse::<DateTime<Utc>>().unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("Google is off") && detail.contains("GOOGLE_CLIENT_ID is not set"), "{detail}");
    assert_eq!(down["providers"], json!([]), "nobody asks it any more");
    assert_eq!(readiness(&world).await, 200);
    world.store.set_account_state(customer.account, AccountState::Disconnected, None, at).await.unwrap();
    eventually(&json!("ok"), async || health(&world).await["status"].clone()).await;
    let page = PageRequest::first(10);
    let audit = world.store.audit_entries(AuditOf::Everything, &page).await.unwrap().items;
    let of_off: Vec<_> = audit.iter().filter(|entry| entry.message.contains(" off ")).collect();
    let [cleared, raised] = of_off.as_slice() else { panic!("one alert, however often it was reported: {audit:?}") };
    assert_eq!((raised.kind, raised.at), (AuditKind::AlertRaised, since));
    assert_eq!((cleared.kind, cleared.tenant_id), (AuditKind::AlertCleared, None));
}

fn refusal(since: DateTime<Utc>) -> ProviderIncident {
    let cause = "accessNotConfigured".to_owned();
    ProviderIncident {
        provider: Provider::new("google"),
        kind: IncidentKind::Refused,
        cause,
        since,
        reported_at: since,
    }
}

#[tokio::test]
async fn an_oauth_client_that_is_not_accepted_is_a_warning_to_operators() {
    let world = World::running().await;
    let at = SystemClock.now();
    let alert = AuditEntry {
        // As the worker writes it.
        dedup_key: format!("client_refused/google/{}", at.timestamp().div_euclid(3_600)),
        at,
        kind: AuditKind::AlertRaised,
        tenant_id: None,
        account_id: None,
        calendar_id: None,
        message: "google does not accept this installation's OAuth client (invalid_client)".to_owned(),
    };
    world.store.append_audit(&alert).await.unwrap();
    eventually(&true, async || {
        health(&world).await["warnings"][0].as_str().unwrap_or_default().contains("invalid_client")
    })
    .await;
    assert_eq!(health(&world).await["status"], "ok", "what is connected is kept fresh");
}

#[tokio::test]
async fn a_background_task_that_hangs_is_named_and_the_gateway_is_not_ready_until_it_goes_on() {
    let mut world = World::new().await;
    world.config.limits.task_silence_max = Duration::from_millis(500);
    world.start().await;
    let customer = world.customer().await;
    eventually(&200, async || readiness(&world).await).await;
    *world.faults.held.lock().unwrap() = Some("count_security_event");
    let mut forged = world.notice(customer.calendar, "exists");
    forged[1].1.push('x');
    assert_eq!(world.send_notice(&forged).await.status, 401);
    let silent =
        async || health(&world).await["problems"][0]["detail"].as_str().unwrap_or_default().contains("security log");
    eventually(&true, silent).await;
    assert_eq!(readiness(&world).await, 503);
    *world.faults.held.lock().unwrap() = None;
    eventually(&200, async || readiness(&world).await).await;
    assert_eq!(world.security_events("notice_refused").await, 1);
}

#[tokio::test]
async fn a_panic_in_any_background_task_is_the_end_of_the_gateway() {
    let tasks = [
        ("beats_of", "catch-up"),
        ("pending_accounts", "waiting accounts"),
        ("count_security_event", "security log"),
        ("open_accounts_after", "fleet check"),
        ("try_reading", "store probe"),
        ("check_pages", "store probe"),
        ("append_audit", "store journal"),
    ];
    for (method, task) in tasks {
        let mut world = World::new().await;
        world.config.fleet_interval = Duration::from_secs(1);
        world.config.probe.pages = Duration::from_millis(100);
        // Something to write down, for those who do that.
        world.faults.failing.lock().unwrap().insert("check_pages");
        world.faults.panicking.lock().unwrap().insert(method);
        world.start().await;
        world.get("evk_nobody", "/v1/calendars").await;
        let failed = world.gateway.as_ref().unwrap().failed();
        let failure = tokio::time::timeout(Duration::from_secs(60), failed).await.expect("it says so").to_string();
        assert!(failure.contains(task) && failure.contains("panicked"), "{failure}");
        world.stop().await;
    }
}
