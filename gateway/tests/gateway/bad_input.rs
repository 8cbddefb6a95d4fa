//! Bad input: each kind gets its answer in the form of RFC 9457, and none brings the gateway down.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Method;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::support::{World, bearer, eventually};

#[tokio::test]
async fn every_error_is_a_problem() {
    let world = World::running().await;
    let customer = world.customer().await;
    let calendar = format!("/v1/calendars/{}", customer.calendar);
    let events = |query: &str| format!("{calendar}/events?{query}");
    let window = "from=2026-06-10T00:00:00Z&to=2026-06-11T00:00:00Z";
    let refused = [
        (Method::GET, "/nothing".to_owned(), 404),
        (Method::PUT, "/v1/accounts".to_owned(), 405),
        (Method::GET, "/api/webhooks/google".to_owned(), 405),
        (Method::GET, "/v1/calendars/cal_nonsense/status".to_owned(), 404),
        (Method::GET, "/v1/accounts/%00".to_owned(), 404),
        (Method::GET, "/v1/accounts/%ff".to_owned(), 400),
        (Method::GET, "/v1/accounts?limit=0".to_owned(), 400),
        (Method::GET, "/v1/accounts?limit=501".to_owned(), 400),
        (Method::GET, "/v1/accounts?limit=many".to_owned(), 400),
        (Method::GET, "/v1/accounts?cursor=nonsense".to_owned(), 400),
        (Method::GET, "/v1/accounts?page=2".to_owned(), 400),
        (Method::GET, format!("/v1/calendars?cursor={}", "x".repeat(2_000)), 400),
        (Method::GET, events(""), 400),
        (Method::GET, events("from=2026-06-10T00:00:00Z"), 400),
        (Method::GET, events("from=yesterday&to=tomorrow"), 400),
        (Method::GET, events("from=2026-06-11T00:00:00Z&to=2026-06-10T00:00:00Z"), 400),
        (Method::GET, events("from=2020-06-11T00:00:00Z&to=2026-06-10T00:00:00Z"), 400),
        (Method::GET, events(&format!("{window}&cursor=bm9uc2Vuc2U")), 400),
        (Method::POST, "/v1/oauth/google/start".to_owned(), 415),
    ];
    let mut compressing = bearer(&customer.key);
    compressing.push(("accept-encoding", "gzip".to_owned()));
    for (method, path, status) in refused {
        for headers in [&bearer(&customer.key), &compressing] {
            let answer = world.send(method.clone(), &path, headers, Body::empty()).await;
            assert_eq!(answer.problem(), status, "{method} {path}: {answer:?}");
            // A body that says it is compressed and is not can be read by nobody.
            assert_eq!(answer.headers.get("content-encoding"), None, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn unfit_bodies_are_refused_by_what_is_wrong_with_them() {
    let world = World::running().await;
    let customer = world.customer().await;
    let mut headers = bearer(&customer.key);
    headers.push(("content-type", "application/json".into()));
    let long = json!({"label": "x".repeat(201)}).to_string();
    let huge = format!("{{\"label\":\"{}\"}}", "x".repeat(100_000));
    for (body, status) in [
        ("{", 400),
        ("[]", 422),
        (r#"{"lable":"typo"}"#, 422),
        (r#"{"label":""}"#, 422),
        (r#"{"label":"a\u0000b"}"#, 422),
        (r#"{"account_id":"acc_nonsense"}"#, 404),
        (&long, 422),
        (&huge, 413),
    ] {
        let answer = world.send(Method::POST, "/v1/oauth/google/start", &headers, Body::from(body.to_owned())).await;
        assert_eq!(answer.problem(), status, "{answer:?}");
    }
}

#[tokio::test]
async fn a_notice_with_a_body_is_taken_unless_the_body_is_too_large() {
    let world = World::running().await;
    let customer = world.customer().await;
    let headers = world.notice(customer.calendar, "exists");
    for (bytes, status) in [(1_000, 204), (10 * 1024 * 1024, 413)] {
        let answer = world.send(Method::POST, "/api/webhooks/google", &headers, Body::from(vec![b'x'; bytes])).await;
        assert_eq!(answer.status, status, "{bytes} bytes");
    }
    assert_eq!(world.workflows.notifies(customer.calendar).len(), 1);
    assert_eq!(world.get(&customer.key, "/v1/accounts").await.status, 200, "and the gateway goes on");
}

#[tokio::test]
async fn without_a_valid_key_there_is_no_answer_and_a_note() {
    let world = World::running().await;
    let customer = world.customer().await;
    let keys = [vec![], bearer("evk_wrong"), bearer(""), vec![("authorization", format!("Basic {}", customer.key))]];
    for headers in keys {
        let answer = world.send(Method::GET, "/v1/accounts", &headers, Body::empty()).await;
        assert_eq!(answer.problem(), 401);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    eventually(&4, async || world.security_events("api_key_refused").await).await;
    let counts = world.get(&customer.key, "/v1/security-events").await.json();
    assert_eq!(counts["items"], json!([{"kind": "api_key_refused", "count": 4}]));
}

#[tokio::test]
async fn a_panic_is_a_problem_and_tells_nothing() {
    let world = World::running().await;
    let customer = world.customer().await;
    world.workflows.panics.store(true, Ordering::SeqCst);
    let path = format!("/v1/accounts/{}", customer.account);
    let answer = world.send(Method::DELETE, &path, &bearer(&customer.key), Body::empty()).await;
    assert_eq!(answer.problem(), 500);
    assert!(!answer.body.contains("marker"), "{}", answer.body);
}

/// Values of notice headers: nonsense, pieces of the genuine ones, and bytes that are no text.
fn header_value(genuine: String) -> impl Strategy<Value = Option<Vec<u8>>> {
    let bytes = || prop::collection::vec(prop_oneof![Just(9_u8), 32_u8..=126, 128_u8..=255], 0..200);
    let cut = (0..genuine.len() + 1, bytes()).prop_map(move |(at, tail)| [&genuine.as_bytes()[..at], &tail].concat());
    prop_oneof![Just(None), bytes().prop_map(Some), cut.prop_map(Some)]
}

#[tokio::test]
async fn random_headers_never_break_the_gateway() {
    let world = World::running().await;
    let customer = world.customer().await;
    let names = world.notice(customer.calendar, "exists");
    let values: Vec<_> = names.iter().map(|(_, value)| header_value(value.clone()).boxed()).collect();
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let values = values.new_tree(&mut runner).unwrap().current();
        let headers: Vec<_> = names.iter().zip(values).filter_map(|((name, _), value)| Some((*name, value?))).collect();
        let answer = world.send_bytes("/api/webhooks/google", &headers).await;
        assert!(answer.status.is_success() || answer.problem() == 401, "{headers:?}: {answer:?}");
    }
}
