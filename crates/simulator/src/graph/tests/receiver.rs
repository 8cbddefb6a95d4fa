//! Somebody who receives notices, well or badly.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

/// How it answers the question to its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Good,
    Created,
    Html,
    OtherBody,
    Late,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    pub(super) validations: Vec<String>,
    pub(super) notices: Vec<Value>,
}

#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) address: String,
    received: Arc<Mutex<Received>>,
    manner: Arc<Mutex<Manner>>,
    /// How notices are answered, the next one first; then 202.
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook?of=ada", listener.local_addr().unwrap());
        let receiver = Self {
            address,
            received: Arc::default(),
            manner: Arc::new(Mutex::new(Manner::Good)),
            statuses: Arc::default(),
        };
        let app = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    pub(super) fn set_manner(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    pub(super) fn answer_with(&self, statuses: &[u16]) {
        *self.statuses.lock().unwrap() = statuses.to_vec();
    }

    pub(super) fn received(&self) -> Received {
        self.received.lock().unwrap().clone()
    }

    /// All items so far, once there are so many requests.
    pub(super) async fn after(&self, requests: usize) -> Vec<Value> {
        for _ in 0..500 {
            if self.received().notices.len() >= requests {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let received = self.received();
        assert!(received.notices.len() >= requests, "{received:?}");
        received.notices.iter().flat_map(|notice| notice["value"].as_array().unwrap().clone()).collect()
    }
}

#[derive(serde::Deserialize)]
struct Validation {
    of: String,
    #[serde(rename = "validationToken")]
    token: Option<String>,
}

async fn receive(
    State(receiver): State<Receiver>,
    Query(query): Query<Validation>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert_eq!(query.of, "ada");
    let Some(token) = query.token else {
        receiver.received.lock().unwrap().notices.push(serde_json::from_slice(&body).unwrap());
        let mut statuses = receiver.statuses.lock().unwrap();
        let status = if statuses.is_empty() { 202 } else { statuses.remove(0) };
        return StatusCode::from_u16(status).unwrap().into_response();
    };
    assert!(headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));
    receiver.received.lock().unwrap().validations.push(token.clone());
    let manner = *receiver.manner.lock().unwrap();
    match manner {
        Manner::Good => token.into_response(),
        Manner::Created => (StatusCode::CREATED, token).into_response(),
        Manner::Html => axum::response::Html(token).into_response(),
        Manner::OtherBody => token.replace(' ', "+").into_response(),
        Manner::Late => std::future::pending().await,
    }
}
