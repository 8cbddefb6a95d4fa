//! What keys may be used for, and what tenants may use.

use axum::body::Body;
use axum::http::Method;
use evercal_domain::tenant::{ApiKey, Scopes, Tenant, TenantLimits};
use evercal_domain::{AccountState, Clock as _, SystemClock};
use serde_json::json;

use crate::support::{Answer, World, bearer};

const START: &str = "/v1/oauth/google/start";

async fn ask(world: &World, key: &str, method: Method, path: &str) -> Answer {
    world.send(method, path, &bearer(key), Body::empty()).await
}

#[tokio::test]
async fn a_key_is_good_for_its_scopes_alone() {
    let world = World::running().await;
    let customer = world.customer().await;
    let (calendar, account) = (customer.calendar, customer.account);
    let window = "from=2026-06-10T00:00:00Z&to=2026-06-11T00:00:00Z";
    let routes = [
        ("read", Method::GET, "/v1/accounts".to_owned()),
        ("read", Method::GET, format!("/v1/accounts/{account}")),
        ("read", Method::GET, "/v1/calendars".to_owned()),
        ("read", Method::GET, format!("/v1/calendars/{calendar}")),
        ("read", Method::GET, format!("/v1/calendars/{calendar}/status")),
        ("read", Method::GET, format!("/v1/calendars/{calendar}/events?{window}")),
        ("write", Method::POST, START.to_owned()),
        ("write", Method::POST, format!("/v1/calendars/{calendar}/sync")),
        ("write", Method::DELETE, format!("/v1/accounts/{account}")),
        ("operator", Method::GET, "/v1/audit".to_owned()),
        ("operator", Method::GET, "/v1/security-events".to_owned()),
    ];
    for scope in ["read", "write", "operator"] {
        let key = world.key(customer.tenant, scope.parse().unwrap()).await;
        let before = world.workflows.calls().len();
        for (needed, method, path) in &routes {
            let answer = ask(&world, &key, method.clone(), path).await;
            if *needed == scope {
                assert_ne!(answer.status, 403, "{scope} {method} {path}: {answer:?}");
            } else {
                assert_eq!(answer.problem(), 403, "{scope} {method} {path}");
                assert!(answer.body.contains(&format!("`{needed}`")), "{answer:?}");
            }
        }
        let calls = world.workflows.calls().len() - before;
        assert_eq!(calls > 0, scope == "write", "only who may write reached a workflow");
    }
    assert!(world.security_events("api_key_refused").await > 0, "and it is noted");
}

#[tokio::test]
async fn a_revoked_key_and_a_revoked_tenant_are_refused_at_once() {
    let world = World::running().await;
    let customer = world.customer().await;
    let other = world.key(customer.tenant, "read".parse().unwrap()).await;
    let keys = world.store.api_keys(customer.tenant).await.unwrap();
    world.store.revoke_api_key(keys[0].id, SystemClock.now()).await.unwrap();
    assert_eq!(world.get(&customer.key, "/v1/accounts").await.problem(), 401);
    assert_eq!(world.get(&other, "/v1/accounts").await.status, 200);
    world.store.revoke_tenant(customer.tenant, SystemClock.now()).await.unwrap();
    assert_eq!(world.get(&other, "/v1/accounts").await.problem(), 401);
}

#[tokio::test]
async fn a_tenant_that_asks_too_often_is_refused_with_a_retry_after_and_others_are_not() {
    let world = World::running().await;
    let others = world.customer().await;
    let key = tenant(&world, TenantLimits { requests_per_minute: 3, accounts_max: 9 }).await;
    let mut refused = None;
    for asked in 1..=4 {
        let answer = world.get(&key, "/v1/accounts").await;
        match asked {
            1..=3 => assert_eq!(answer.status, 200, "request {asked}: {answer:?}"),
            _ => refused = Some(answer),
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.problem(), 429);
    let wait_s: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=21).contains(&wait_s), "a place comes each 20 s: {wait_s}");
    assert_eq!(world.get(&others.key, "/v1/accounts").await.status, 200);
}

#[tokio::test]
async fn a_tenant_cannot_connect_more_accounts_than_it_may_have() {
    let world = World::running().await;
    let limits = TenantLimits { accounts_max: 1, ..TenantLimits::default() };
    let key = tenant(&world, limits).await;
    let owner = world.store.tenants().await.unwrap().pop().unwrap().id;
    assert_eq!(world.post(&key, START, &json!({})).await.status, 201);
    let account = world.account(owner, AccountState::Connected).await;
    let full = world.post(&key, START, &json!({})).await;
    assert_eq!(full.problem(), 409);
    let again = world.post(&key, START, &json!({"account_id": account.to_string()})).await;
    assert_eq!(again.status, 201, "connecting again adds none: {again:?}");
    world.store.set_account_state(account, AccountState::Disconnected, None, SystemClock.now()).await.unwrap();
    assert_eq!(world.post(&key, START, &json!({})).await.status, 201);
}

/// A tenant with these limits; answers a key of it.
async fn tenant(world: &World, limits: TenantLimits) -> String {
    let tenant = Tenant { limits, ..Tenant::new("Limited", SystemClock.now()) };
    world.store.insert_tenant(&tenant).await.unwrap();
    let key = format!("evk_{}", tenant.id);
    let row = ApiKey { scopes: Scopes::all(), ..ApiKey::new(tenant.id, "test", &key, SystemClock.now()) };
    world.store.insert_api_key(&row).await.unwrap();
    key
}
