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
        (Method::GET, "/nothing".to_owned(), 404, "path-not-found"),
        (Method::PUT, "/v1/accounts".to_owned(), 405, "method-not-allowed"),
        (Method::GET, "/api/webhooks/google".to_owned(), 405, "method-not-allowed"),
        (Method::POST, "/api/webhooks/google".to_owned(), 401, "invalid-notice"),
        (Method::POST, "/api/webhooks/google/lifecycle".to_owned(), 404, "path-not-found"),
        (Method::GET, "/v1/calendars/cal_nonsense/status".to_owned(), 404, "calendar-not-found"),
        (Method::GET, "/v1/accounts/%00".to_owned(), 404, "account-not-found"),
        (Method::GET, "/v1/accounts/%ff".to_owned(), 400, "malformed-request"),
        (Method::GET, "/v1/accounts?limit=0".to_owned(), 400, "invalid-parameter"),
        (Method::GET, "/v1/accounts?limit=501".to_owned(), 400, "invalid-parameter"),
        (Method::GET, "/v1/accounts?limit=many".to_owned(), 400, "invalid-parameter"),
        (Method::GET, "/v1/accounts?cursor=nonsense".to_owned(), 400, "invalid-cursor"),
        (Method::GET, "/v1/accounts?page=2".to_owned(), 400, "invalid-parameter"),
        (Method::GET, format!("/v1/calendars?cursor={}", "x".repeat(5_000)), 400, "invalid-cursor"),
        (Method::GET, events(""), 400, "invalid-parameter"),
        (Method::GET, events("from=2026-06-10T00:00:00Z"), 400, "invalid-parameter"),
        (Method::GET, events("from=yesterday&to=tomorrow"), 400, "invalid-parameter"),
        (Method::GET, events("from=2026-06-11T00:00:00Z&to=2026-06-10T00:00:00Z"), 400, "invalid-parameter"),
        (Method::GET, events("from=2020-06-11T00:00:00Z&to=2026-06-10T00:00:00Z"), 400, "invalid-parameter"),
        (Method::GET, events(&format!("{window}&consistent=perhaps")), 400, "invalid-parameter"),
        (Method::GET, events(&format!("{window}&cursor=bm9uc2Vuc2U")), 400, "invalid-cursor"),
        (Method::POST, "/v1/oauth/google/start".to_owned(), 415, "unsupported-media-type"),
    ];
    let mut compressing = bearer(&customer.key);
    compressing.push(("accept-encoding", "gzip".to_owned()));
    for (method, path, status, kind) in refused {
        for headers in [&bearer(&customer.key), &compressing] {
            let answer = world.send(method.clone(), &path, headers, Body::empty()).await;
            assert_eq!((answer.problem(), answer.kind().as_str()), (status, kind), "{method} {path}: {answer:?}");
            // A body that says it is compressed and is not can be read by nobody.
            assert_eq!(answer.headers.get("content-encoding"), None, "{method} {path}");
        }
    }
}

/// What libraries say when they cannot read something: nothing that a caller can do anything with.
const WORDS_OF_PARSERS: [&str; 8] =
    ["expected", "serde", "deserialize", "invalid digit", "invalid type", "EOF", "line 1", "trailing"];

#[tokio::test]
async fn all_that_is_wrong_with_a_query_is_reported_at_once_by_parameter_and_in_our_own_words() {
    let world = World::running().await;
    let customer = world.customer().await;
    let events = format!("/v1/calendars/{}/events", customer.calendar);
    for (query, expected) in [
        ("from=2026-06-10T00:00:00&to=2026-06-11", vec![("from", "has no offset"), ("to", "is a date")]),
        (
            "limit=many&consistent=1",
            vec![
                ("from", "is missing"),
                ("to", "is missing"),
                ("limit", "a whole number from 1 to 500"),
                ("consistent", "`true` or `false`"),
            ],
        ),
        (
            "from=2026-06-10T00:00:00Z&from=2026-06-10T00:00:00Z&to=soon&until=x",
            vec![
                ("from", "more than once"),
                ("to", "must be a time"),
                ("until", "not known here; there are `from`, `to`, `cursor`, `limit`, `consistent`"),
            ],
        ),
    ] {
        let answer = world.get(&customer.key, &format!("{events}?{query}")).await;
        assert_eq!((answer.problem(), answer.kind().as_str()), (400, "invalid-parameter"), "{query}");
        let errors = answer.errors();
        let names: Vec<&str> = errors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{query}");
        for ((_, detail), (_, part)) in errors.iter().zip(expected) {
            assert!(detail.contains(part), "{part} is not in {detail}");
            assert!(answer.json()["detail"].as_str().unwrap().contains(detail));
        }
        assert!(!WORDS_OF_PARSERS.iter().any(|word| answer.body.contains(word)), "{}", answer.body);
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
    for (body, status, kind, wrong) in [
        ("{", 400, "malformed-body", vec![]),
        ("[]", 422, "invalid-body", vec![]),
        (r#"{"lable":"typo"}"#, 422, "invalid-body", vec!["lable"]),
        (r#"{"label":"","login_hint":5,"more":1}"#, 422, "invalid-body", vec!["label", "login_hint", "more"]),
        (r#"{"label":"a\u0000b"}"#, 422, "invalid-body", vec!["label"]),
        (r#"{"account_id":"acc_nonsense"}"#, 404, "account-not-found", vec![]),
        (&long, 422, "invalid-body", vec!["label"]),
        (&huge, 413, "body-too-large", vec![]),
    ] {
        let answer = world.send(Method::POST, "/v1/oauth/google/start", &headers, Body::from(body.to_owned())).await;
        assert_eq!((answer.problem(), answer.kind().as_str()), (status, kind), "{answer:?}");
        let names: Vec<String> = answer.errors().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, wrong, "{answer:?}");
        assert!(!WORDS_OF_PARSERS.iter().any(|word| answer.body.contains(word)), "{}", answer.body);
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
        assert_eq!((answer.problem(), answer.kind().as_str()), (401, "invalid-api-key"));
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    eventually(&4, async || world.security_events("api_key_refused").await).await;
    let counts = world.get(&customer.key, "/v1/security-events").await.json();
    let [counted] = &counts["items"].as_array().unwrap()[..] else { panic!("one kind: {counts}") };
    let shown = ["kind", "count", "networks"].map(|field| &counted[field]);
    assert_eq!(shown, [&json!("api_key_refused"), &json!(4), &json!(1)]);
}

#[tokio::test]
async fn a_panic_is_a_problem_and_reveals_nothing() {
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
