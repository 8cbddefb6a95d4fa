//! A simulator with one user, a client that speaks JSON, and a webhook receiver that remembers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use evercal_simulator::{
    Control, DeliveryOptions, NewUser, Simulator, SimulatorOptions, SyncMessageTiming, TokenRequest,
};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

pub const ADA: &str = "ada@example.com";
pub const BEN: &str = "ben@example.com";
const DEADLINE: Duration = Duration::from_secs(60);

/// Options with quick repetitions, so that no test waits long.
pub fn options() -> SimulatorOptions {
    SimulatorOptions {
        sync_message: SyncMessageTiming::AfterAnswer,
        delivery: DeliveryOptions {
            timeout: Duration::from_secs(2),
            retry_base_delay: Duration::from_millis(20),
            attempts_max: 3,
        },
        ..SimulatorOptions::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "tests speak to the simulator without evercal's own client")]
pub fn http_client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    let none = reqwest::redirect::Policy::none();
    reqwest::Client::builder().redirect(none).timeout(DEADLINE).build().unwrap()
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub json: Value,
}

impl Answer {
    /// The reason word of an error.
    pub fn reason(&self) -> &str {
        self.json["error"]["errors"][0]["reason"].as_str().unwrap_or_default()
    }

    /// The body, of a call that must have gone well.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status < 300, "{} {}", self.status, self.json);
        self.json
    }

    #[track_caller]
    pub fn fails(self, status: u16, reason: &str) {
        assert_eq!((self.status, self.reason()), (status, reason), "{}", self.json);
    }
}

/// A simulator, and one user's token.
pub struct World {
    pub simulator: Simulator,
    pub control: Control,
    pub token: String,
    pub http: reqwest::Client,
}

impl World {
    /// Two users, Ada and Ben, both in Berlin; calls are Ada's.
    pub async fn start() -> Self {
        Self::with(options()).await
    }

    pub async fn with(options: SimulatorOptions) -> Self {
        let simulator = Simulator::start(options).await.unwrap();
        let control = simulator.control();
        for email in [ADA, BEN] {
            let user = NewUser { email: email.to_owned(), name: String::new(), time_zone: "Europe/Berlin".to_owned() };
            // After a restart they are there.
            drop(control.create_user(&user));
        }
        let token = token_of(&control, ADA);
        Self { simulator, control, token, http: http_client() }
    }

    pub fn token_of(&self, user: &str) -> String {
        token_of(&self.control, user)
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.simulator.base_url())).bearer_auth(&self.token)
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// `events.list` of the primary calendar.
    pub async fn list(&self, query: &str) -> Answer {
        self.get(&format!("calendars/primary/events?{query}")).await
    }

    /// Inserts into the primary calendar.
    pub async fn insert(&self, event: Value) -> Value {
        self.post("calendars/primary/events", event).await.ok()
    }

    /// All pages of a list: its items and its sync token.
    pub async fn list_all(&self, query: &str) -> (Vec<Value>, String) {
        let mut items = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = self.list(&format!("{query}{page_token}")).await.ok();
            items.extend(page["items"].as_array().unwrap().clone());
            if let Some(token) = page["nextSyncToken"].as_str() {
                assert!(page.get("nextPageToken").is_none(), "a page has one token");
                return (items, token.to_owned());
            }
            page_token = format!("&pageToken={}", page["nextPageToken"].as_str().unwrap());
        }
    }

    /// Creates a channel on the primary calendar.
    pub async fn watch(&self, id: &str, address: &str) -> Value {
        let body = json!({"id": id, "type": "web_hook", "address": address, "token": format!("token of {id}")});
        self.post("calendars/primary/events/watch", body).await.ok()
    }
}

fn token_of(control: &Control, user: &str) -> String {
    let request = TokenRequest { user: user.to_owned(), client_id: None, scopes: Vec::new() };
    control.issue_tokens(&request).unwrap().access_token
}

pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let bytes = response.bytes().await.unwrap();
    let json = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Answer { status, headers, json }
}

/// An event of one hour in Berlin.
pub fn meeting(title: &str, start: &str) -> Value {
    let start: chrono::NaiveDateTime = start.parse().unwrap();
    let end = start + chrono::TimeDelta::hours(1);
    let point = |at: chrono::NaiveDateTime| json!({"dateTime": at.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "Europe/Berlin"});
    json!({"summary": title, "start": point(start), "end": point(end)})
}

/// The same every week.
pub fn weekly(title: &str, start: &str, count: u32) -> Value {
    let mut event = meeting(title, start);
    event["recurrence"] = json!([format!("RRULE:FREQ=WEEKLY;COUNT={count}")]);
    event
}

pub fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

pub fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// Waits until `check` gives something; prints what it saw last when it never does.
#[track_caller]
pub fn wait_for<T, S: std::fmt::Debug>(mut check: impl FnMut() -> Result<T, S>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let started = Instant::now();
        loop {
            match check() {
                Ok(found) => return found,
                Err(seen) if started.elapsed() > DEADLINE => {
                    panic!("{caller}: not within {DEADLINE:?}; last seen: {seen:?}")
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// A notice as it arrived.
#[derive(Debug, Clone)]
pub struct Notice {
    pub headers: BTreeMap<String, String>,
    pub body_bytes: usize,
}

impl Notice {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn state(&self) -> &str {
        self.header("x-goog-resource-state")
    }

    pub fn number(&self) -> u64 {
        self.header("x-goog-message-number").parse().unwrap()
    }
}

#[derive(Default)]
struct ReceiverState {
    notices: Vec<Notice>,
    /// Answers for the next notices; 200 when empty.
    answers: VecDeque<u16>,
}

/// A webhook endpoint.
pub struct Receiver {
    pub address: String,
    state: Arc<Mutex<ReceiverState>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(ReceiverState::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook", listener.local_addr().unwrap());
        let app = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, state }
    }

    pub fn answer_next(&self, statuses: impl IntoIterator<Item = u16>) {
        self.state.lock().unwrap().answers.extend(statuses);
    }

    pub fn notices(&self) -> Vec<Notice> {
        self.state.lock().unwrap().notices.clone()
    }

    /// Waits until this many notices have arrived.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> impl Future<Output = Vec<Notice>> {
        let state = Arc::clone(&self.state);
        wait_for(move || {
            let notices = state.lock().unwrap().notices.clone();
            if notices.len() >= count { Ok(notices) } else { Err(notices) }
        })
    }
}

async fn receive(State(state): State<Arc<Mutex<ReceiverState>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut state = state.lock().unwrap();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    state.notices.push(Notice { headers, body_bytes: body.len() });
    let status = state.answers.pop_front().unwrap_or(200);
    StatusCode::from_u16(status).unwrap()
}

/// Waits until no notice is pending.
#[track_caller]
pub fn wait_until_delivered(control: &Control) -> impl Future<Output = evercal_simulator::DeliverySummary> {
    let control = control.clone();
    wait_for(move || {
        let summary = control.deliveries().unwrap();
        match summary.count(evercal_simulator::DeliveryStatus::Pending) {
            0 => Ok(summary),
            _ => Err(summary),
        }
    })
}
