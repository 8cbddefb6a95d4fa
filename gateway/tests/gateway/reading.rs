//! What clients of every language rely on: the description, conditional reads, compression, and other origins.

use axum::body::Body;
use axum::http::Method;
use serde_json::Value;

use crate::support::{Answer, World, bearer};

/// The committed description. `EVERCAL_WRITE_OPENAPI=1` writes it anew.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

async fn plain(world: &World, path: &str) -> Answer {
    world.send(Method::GET, path, &[], Body::empty()).await
}

#[tokio::test]
async fn the_committed_description_is_the_one_that_is_served() {
    let world = World::running().await;
    let served = plain(&world, "/openapi.json").await;
    assert_eq!(served.headers["content-type"], "application/json");
    if std::env::var_os("EVERCAL_WRITE_OPENAPI").is_some() {
        std::fs::write(COMMITTED, &served.body).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    assert!(committed == served.body, "docs/openapi.json is old: run this test with EVERCAL_WRITE_OPENAPI=1");
    assert_eq!(served.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn every_route_but_those_for_browsers_providers_and_supervisors_needs_a_key() {
    let world = World::running().await;
    let document = plain(&world, "/openapi.json").await.json();
    let mut routes = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            routes += 1;
            let declared = operation["security"].as_array().is_some_and(|ways| !ways.is_empty());
            let path = path.replace("{id}", "x");
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = world.send(method, &path, &[], Body::empty()).await;
            let is_open = ["/health", "/api/", "/v1/oauth/google/callback", "/v1/oauth/google/again"]
                .iter()
                .any(|open| path.starts_with(open));
            assert_eq!(declared, !is_open, "{path}");
            assert!(is_open || answer.problem() == 401, "{path}: {answer:?}");
        }
    }
    assert!(routes >= 15, "{routes}");
}

#[tokio::test]
async fn the_description_can_be_read_without_scripts() {
    let world = World::running().await;
    let page = plain(&world, "/docs").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    for expected in ["/v1/calendars/{id}/events", "confirmed_at", "Rate limited", "openapi.json"] {
        assert!(page.body.contains(expected), "{expected} is missing");
    }
    assert!(!page.body.contains("<script"));
}

#[tokio::test]
async fn the_page_lists_each_kind_of_problem_that_the_description_names() {
    let world = World::running().await;
    let page = plain(&world, "/docs").await;
    let description = plain(&world, "/openapi.json").await.json();
    let kinds = description["components"]["schemas"]["ProblemType"]["anyOf"][0]["enum"].as_array().unwrap().clone();
    assert!(kinds.contains(&"urn:evercal:problem:list-changed".into()) && kinds.len() > 20, "{kinds:?}");
    for kind in kinds {
        let (table, _) = page.body.split_once("Bodies").unwrap();
        assert!(table.contains(&format!("<code>{}</code>", kind.as_str().unwrap())), "{kind} is not listed");
    }
}

#[tokio::test]
async fn who_has_the_answer_already_is_told_so_until_it_changes() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = "/v1/accounts";
    let first = world.get(&customer.key, path).await;
    assert_eq!(first.headers["cache-control"], "private, no-cache");
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let ask = async |known: &str| {
        let mut headers = bearer(&customer.key);
        headers.push(("if-none-match", known.to_owned()));
        world.send(Method::GET, path, &headers, Body::empty()).await
    };
    for known in [tag.clone(), format!("\"other\", {tag}"), tag.replace("W/", ""), "*".to_owned()] {
        let again = ask(&known).await;
        assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""), "{known}");
        assert_eq!(again.headers["etag"], tag.as_str());
    }
    assert_eq!(ask("\"other\"").await.status, 200);
    let mut headers = bearer(&customer.key);
    headers.push(("if-none-match", tag.clone()));
    let head = world.send(Method::HEAD, path, &headers, Body::empty()).await;
    assert!(head.status == 200 && !head.headers.contains_key("etag"), "no tag of a body that is not there: {head:?}");
    world.account(customer.tenant, evercal_domain::AccountState::Connected).await;
    let changed = ask(&tag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.headers["etag"], tag.as_str());
}

#[tokio::test]
async fn a_long_answer_is_compressed_for_who_can_read_it() {
    let world = World::running().await;
    let customer = world.customer().await;
    for _ in 0..40 {
        world.account(customer.tenant, evercal_domain::AccountState::Connected).await;
    }
    let mut headers = bearer(&customer.key);
    headers.push(("accept-encoding", "gzip".into()));
    let packed = world.send_for_bytes(Method::GET, "/v1/accounts", &headers).await;
    let whole = world.get(&customer.key, "/v1/accounts").await;
    assert_eq!(packed.0["content-encoding"], "gzip");
    assert!(packed.1.len() * 4 < whole.body.len(), "{} of {}", packed.1.len(), whole.body.len());
    assert_eq!(packed.0["etag"], whole.headers["etag"], "the same content, whatever its form");
    let items = whole.json()["items"].as_array().map(Vec::len);
    assert_eq!(items, Some(41));
}

#[tokio::test]
async fn pages_of_other_origins_may_call_only_where_they_are_named() {
    let preflight = |origin: &str| {
        vec![
            ("origin", origin.to_owned()),
            ("access-control-request-method", "GET".to_owned()),
            ("access-control-request-headers", "authorization".to_owned()),
        ]
    };
    let allowed = async |world: &World, origin: &str| {
        let answer = world.send(Method::OPTIONS, "/v1/accounts", &preflight(origin), Body::empty()).await;
        answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    let world = World::running().await;
    assert_eq!(allowed(&world, "https://app.example.com").await, None);

    let mut world = World::new().await;
    world.config.cors_origins = vec!["https://app.example.com".parse().unwrap()];
    world.start().await;
    assert_eq!(allowed(&world, "https://app.example.com").await.as_deref(), Some("https://app.example.com"));
    assert_eq!(allowed(&world, "https://evil.example").await, None);
    let customer = world.customer().await;
    let mut headers = bearer(&customer.key);
    headers.push(("origin", "https://app.example.com".into()));
    let answer = world.send(Method::GET, "/v1/accounts", &headers, Body::empty()).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "https://app.example.com");
    let _: Value = answer.json();
}
