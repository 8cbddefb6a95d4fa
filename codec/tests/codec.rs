//! The codec endpoint: for Temporal's UI and CLI, and for no other page.

#![expect(clippy::expect_used, reason = "a test whose endpoint does not answer has failed")]

use axum::body::{Body, to_bytes};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::Response;
use evercal_payload_codec::SealingCodec;
use evercal_sealing::Keyring;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const UI: &str = "http://localhost:8233";
/// `json/plain` and `{"calendar_id":"marker"}`, in base64.
const PLAIN: &str =
    r#"{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"eyJjYWxlbmRhcl9pZCI6Im1hcmtlciJ9"}]}"#;

struct Endpoint {
    codec: SealingCodec,
}

impl Endpoint {
    fn new() -> Self {
        let keys = Keyring::generate("p1").expect("a key");
        Self { codec: SealingCodec::new(Keyring::parse(keys.expose()).expect("its text")) }
    }

    async fn ask(&self, path: &str, origin: Option<&str>, body: &str) -> Response {
        let mut request = Request::post(path).header(CONTENT_TYPE, "application/json").header("x-namespace", "default");
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let router = evercal_codec::router(self.codec.clone(), vec![HeaderValue::from_static(UI)]);
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        router.oneshot(request).await.expect("a router answers")
    }
}

async fn json_of(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    serde_json::from_slice(&body).expect("JSON")
}

#[tokio::test]
async fn what_was_sealed_comes_back_as_it_was() {
    let endpoint = Endpoint::new();
    let sealed = json_of(endpoint.ask("/encode", None, PLAIN).await).await;
    assert_eq!(sealed["payloads"][0]["metadata"], json!({"encoding": "YmluYXJ5L2VuY3J5cHRlZA=="}));
    let response = endpoint.ask("/decode", Some(UI), &sealed.to_string()).await;
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], UI);
    assert_eq!(json_of(response).await, serde_json::from_str::<Value>(PLAIN).unwrap());
}

#[tokio::test]
async fn what_was_never_sealed_is_shown_as_it_is() {
    assert_eq!(
        json_of(Endpoint::new().ask("/decode", None, PLAIN).await).await["payloads"][0]["data"].as_str(),
        Some("eyJjYWxlbmRhcl9pZCI6Im1hcmtlciJ9")
    );
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let endpoint = Endpoint::new();
    for stranger in ["http://localhost:9999", "null", "https://evil.example"] {
        let response = endpoint.ask("/decode", Some(stranger), PLAIN).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{stranger}");
        assert!(!response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}

#[tokio::test]
async fn another_installations_payload_and_a_broken_document_are_the_callers_mistake() {
    let sealed = json_of(Endpoint::new().ask("/encode", None, PLAIN).await).await;
    let endpoint = Endpoint::new();
    for (body, detail) in [
        (sealed.to_string().as_str(), "does not open"),
        (r#"{"payloads":[{"data":"%"}]}"#, "payload 0: `data` is not base64"),
        ("not JSON", "The body is not JSON"),
    ] {
        let response = endpoint.ask("/decode", None, body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let problem = String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().into()).unwrap();
        assert!(problem.contains(detail), "{problem}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_a_problem_too() {
    let response = Endpoint::new().ask("/payloads", None, PLAIN).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
}
