//! The simulated Graph by HTTP, as a client has it.

mod calls;
mod delta;
mod events;
mod official;
mod receiver;
mod subscriptions;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Control, Quirks, Simulator};
use crate::core::control::{NewUser, TokenRequest};
use crate::core::options::SimulatorOptions;

const ADA: &str = "ada@example.com";
const IMMUTABLE: &str = r#"IdType="ImmutableId""#;
/// The window of most tests.
const WINDOW: &str = "startDateTime=2027-03-01T00:00:00Z&endDateTime=2027-04-01T00:00:00Z";

/// Ada's mailbox, and a client of it.
struct Mailbox {
    simulator: Simulator,
    control: Control,
    http: reqwest::Client,
    token: String,
    /// Her default calendar.
    calendar: String,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "the client of a test, which plays one that is not evercal's")]
fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Mailbox {
    async fn start() -> Self {
        Self::start_with(SimulatorOptions::default()).await
    }

    async fn start_with(options: SimulatorOptions) -> Self {
        let simulator = Simulator::start(options).await.unwrap();
        let control = simulator.control();
        if control.default_calendar(ADA).is_err() {
            create(&control, ADA);
        }
        let token = token_of(&control, ADA);
        let calendar = control.default_calendar(ADA).unwrap();
        Self { simulator, control, http: client(), token, calendar }
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.simulator.base_url()) }
    }

    async fn call(&self, method: Method, path: &str, prefer: &[&str], body: Option<&Value>) -> Answer {
        let mut request = self.http.request(method, self.url(path)).bearer_auth(&self.token);
        for preference in prefer {
            request = request.header("prefer", *preference);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[IMMUTABLE], None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, &[IMMUTABLE], Some(body)).await
    }

    async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path, &[IMMUTABLE], Some(body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, &[IMMUTABLE], None).await
    }

    /// All pages of a list.
    async fn all(&self, path: &str) -> Vec<Value> {
        self.round(path, &[IMMUTABLE]).await.0
    }

    /// All pages of a round of delta, and where the next round begins.
    async fn round(&self, path: &str, prefer: &[&str]) -> (Vec<Value>, String) {
        let (mut items, mut url) = (Vec::new(), path.to_owned());
        for _ in 0..1_000 {
            let page = self.call(Method::GET, &url, prefer, None).await.expect(200);
            items.extend(page["value"].as_array().unwrap().iter().cloned());
            match page["@odata.nextLink"].as_str() {
                Some(next) => next.clone_into(&mut url),
                None => return (items, page["@odata.deltaLink"].as_str().unwrap_or_default().to_owned()),
            }
        }
        panic!("no last page of {path}");
    }

    async fn first_round(&self) -> (Vec<Value>, String) {
        self.round(&format!("me/calendarView/delta?{WINDOW}"), &[IMMUTABLE]).await
    }

    async fn next_round(&self, link: &str) -> (Vec<Value>, String) {
        self.round(link, &[IMMUTABLE]).await
    }

    /// Creates an event; answers with its immutable id.
    async fn create(&self, body: &Value) -> String {
        id(&self.post("me/events", body).await.expect(201))
    }

    fn quirks(&self, quirks: Quirks) {
        self.control.set_quirks(quirks).unwrap();
    }
}

async fn answer(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or_else(|_| text()) }
}

fn create(control: &Control, email: &str) {
    let user = NewUser { email: email.to_owned(), name: "Ada Lin".to_owned(), time_zone: "Europe/Berlin".to_owned() };
    control.create_user(&user).unwrap();
}

fn token_of(control: &Control, user: &str) -> String {
    let request = TokenRequest { user: user.to_owned(), client_id: None, scopes: Vec::new() };
    control.issue_tokens(&request).unwrap().access_token
}

fn id(item: &Value) -> String {
    item["id"].as_str().unwrap().to_owned()
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(id).collect()
}

/// What kinds of items there are, in their order.
fn kinds(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| if item["@removed"].is_object() { "removed" } else { item["type"].as_str().unwrap() })
        .collect()
}

/// An event in Berlin.
fn event(subject: &str, from: &str, to: &str) -> Value {
    let point = |at: &str| json!({"dateTime": at, "timeZone": "W. Europe Standard Time"});
    json!({"subject": subject, "start": point(from), "end": point(to)})
}

/// Every Monday of March 2027 at ten: five of them.
fn mondays() -> Value {
    let mut series = event("Mondays", "2027-03-01T10:00:00", "2027-03-01T11:00:00");
    series["recurrence"] = json!({
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]},
        "range": {"type": "numbered", "startDate": "2027-03-01", "numberOfOccurrences": 5},
    });
    series
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}
