//! What clients of every language rely on: the description, conditional reads, compression, and other origins.

use std::io::Read as _;

use axum::body::Body;
use axum::http::{HeaderMap, Method};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::support::{Answer, World, bearer};

/// The committed description. `EVERCAL_WRITE_OPENAPI=1` writes it anew.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

/// What a page of the viewer may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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
            let path = path.replace("{id}", "x").replace("{provider}", "google");
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

/// A file of the viewer, unpacked.
async fn viewer_file(world: &World, name: &str) -> (HeaderMap, String) {
    let (headers, packed) = world.send_for_bytes(Method::GET, &format!("/docs/{name}"), &[]).await;
    assert_eq!(headers["content-security-policy"], POLICY, "{name}");
    let mut text = Vec::new();
    if headers.contains_key("content-encoding") {
        GzDecoder::new(packed.as_slice()).read_to_end(&mut text).unwrap();
    } else {
        text = packed;
    }
    (headers, String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn the_viewer_needs_nothing_that_its_policy_forbids() {
    let world = World::running().await;
    assert_eq!(plain(&world, "/docs").await.headers["location"], "/docs/");
    let (headers, page) = viewer_file(&world, "").await;
    assert_eq!(headers["content-type"], "text/html");
    // All scripts and styles are files beside the page.
    assert_eq!(page.matches("<script").count(), page.matches("<script src=\"./").count(), "{page}");
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains(" on"), "{page}");
    let files: Vec<&str> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(files.len() > 4, "{files:?}");
    for name in files {
        let (_, content) = viewer_file(&world, name.trim_start_matches("./")).await;
        assert!(!name.contains("//") && !content.is_empty(), "{name}");
    }
    assert_eq!(plain(&world, "/docs/nothing.js").await.problem(), 404);
}

#[tokio::test]
async fn the_viewer_shows_this_gateway_s_description_and_asks_nobody_else() {
    let world = World::running().await;
    let (headers, settings) = viewer_file(&world, "swagger-initializer.js").await;
    assert_eq!(headers["content-type"], "text/javascript");
    for expected in [r#""url": "/openapi.json""#, r#""validatorUrl": "none""#, r#""layout": "BaseLayout""#] {
        assert!(settings.contains(expected), "{expected} is missing in {settings}");
    }
    assert!(!settings.contains("http"), "{settings}");
    // What makes it show a field for the key.
    let description = plain(&world, "/openapi.json").await.json();
    assert_eq!(description["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
}

#[tokio::test]
async fn the_description_says_of_each_kind_of_problem_what_it_means() {
    let world = World::running().await;
    let description = plain(&world, "/openapi.json").await.json();
    let schema = &description["components"]["schemas"]["ProblemType"];
    let kinds = schema["anyOf"][0]["enum"].as_array().unwrap();
    assert!(kinds.contains(&"urn:evercal:problem:list-changed".into()) && kinds.len() > 20, "{kinds:?}");
    let said = schema["description"].as_str().unwrap();
    for kind in kinds {
        let meaning = said.lines().find(|line| line.starts_with(&format!("- `{}` (", kind.as_str().unwrap())));
        assert!(meaning.is_some_and(|meaning| meaning.ends_with('.')), "{kind} is not explained: {said}");
    }
}

#[tokio::test]
async fn who_has_the_answer_already_gets_a_304_until_it_changes() {
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
