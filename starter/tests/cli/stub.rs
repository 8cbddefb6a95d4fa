//! An API with three calendars, and how `evercal` is run against it.

use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

pub const KEY: &str = "evk_stub";
pub const ACCOUNT: &str = "acc_0191c1f0000070008000000000000001";
/// The calendar `Work`, whose syncs end at once.
pub const WORK: &str = "cal_0191c1f0000070008000000000000001";
/// `Workouts`, whose syncs take long.
pub const WORKOUTS: &str = "cal_0191c1f0000070008000000000000002";
/// A calendar with a title that does harm; its syncs fail.
pub const FAMILY: &str = "cal_0191c1f0000070008000000000000003";

/// A running API; it lives as long as the test's runtime.
pub struct Stub {
    pub address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&requests));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, requests }
    }

    /// Runs `evercal` with these arguments, the stub's address and `key` in its environment, and no terminal.
    pub async fn run_with_key(&self, key: &str, arguments: &[&str]) -> Run {
        evercal(arguments, &[("EVERCAL_API", &self.address), ("EVERCAL_API_KEY", key)], Path::new("/")).await
    }

    /// The same with the right key.
    pub async fn run(&self, arguments: &[&str]) -> Run {
        self.run_with_key(KEY, arguments).await
    }

    /// Method and path with query of each request so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// How a run of `evercal` ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Its stdout, if it succeeded.
    #[track_caller]
    pub fn text(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// Its stdout as JSON, if it succeeded.
    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }
}

/// `evercal` in this folder, without the settings of whoever runs the tests.
pub fn program(folder: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_evercal"));
    command.env_clear().current_dir(folder);
    command
}

pub async fn evercal(arguments: &[&str], environment: &[(&str, &str)], folder: &Path) -> Run {
    let mut command = Command::from(program(folder));
    command.args(arguments).envs(environment.iter().copied());
    let Output { status, stdout, stderr } = command.stdin(std::process::Stdio::null()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

async fn answer(State(requests): State<Arc<Mutex<Vec<String>>>>, request: Request) -> Response {
    let (method, uri) = (request.method().as_str(), request.uri());
    requests.lock().unwrap().push(format!("{method} {uri}"));
    let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap());
    if authorization != Some(&format!("Bearer {KEY}")) {
        return problem(StatusCode::UNAUTHORIZED, "Send a valid API key as `Authorization: Bearer <key>`.");
    }
    let segments: Vec<&str> = uri.path().split('/').skip(1).collect();
    match (method, segments.as_slice()) {
        ("GET", ["v1", "accounts"]) => Json(page(&[account()], uri.query())).into_response(),
        ("GET", ["v1", "accounts", ACCOUNT]) => Json(account()).into_response(),
        ("DELETE", ["v1", "accounts", ACCOUNT]) => {
            (StatusCode::ACCEPTED, Json(json!({"id": ACCOUNT, "state": "disconnecting"}))).into_response()
        }
        ("GET", ["v1", "calendars"]) => Json(page(&calendars(), uri.query())).into_response(),
        ("GET", ["v1", "calendars", id]) => match calendars().into_iter().find(|calendar| calendar["id"] == **id) {
            Some(calendar) => Json(calendar).into_response(),
            None => problem(StatusCode::NOT_FOUND, "There is no such calendar."),
        },
        ("GET", ["v1", "calendars", WORK, "events"]) => {
            let mut body = page(&occurrences(), uri.query());
            body["calendar_id"] = json!(WORK);
            body["confirmed_at"] = json!("2026-11-23T08:00:00Z");
            body["via"] = json!("push");
            body["state"] = json!("live");
            Json(body).into_response()
        }
        // A list that leads in a circle.
        ("GET", ["v1", "calendars", WORKOUTS, "events"]) => {
            Json(json!({"items": [occurrences()[0]], "next_cursor": "again"})).into_response()
        }
        ("GET", ["v1", "calendars", FAMILY, "events"]) => "<html>a captive portal</html>".into_response(),
        ("GET", ["v1", "calendars", WORK, "status"]) => Json(status()).into_response(),
        ("POST", ["v1", "calendars", WORK, "sync"]) => {
            Json(json!({"calendar_id": WORK, "state": "done", "changes": 3, "confirmed_at": "2026-11-23T08:00:00Z"}))
                .into_response()
        }
        ("POST", ["v1", "calendars", WORKOUTS, "sync"]) => {
            let body = json!({"calendar_id": WORKOUTS, "state": "underway", "changes": null, "confirmed_at": null});
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        ("POST", ["v1", "calendars", FAMILY, "sync"]) => {
            problem(StatusCode::BAD_GATEWAY, "The sync failed (forbidden); the subscription tries again by itself.")
        }
        ("GET", ["api", "health", "sync"]) => Json(health()).into_response(),
        ("POST", ["v1", "accounts", ACCOUNT, "refresh"]) => {
            Json(json!({"account_id": ACCOUNT, "state": "done", "listed_at": "2026-11-23T08:00:00Z"})).into_response()
        }
        _ => problem(StatusCode::SERVICE_UNAVAILABLE, "Temporal does not answer."),
    }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason();
    let body = json!({"type": "urn:evercal:problem", "title": title, "status": status.as_u16(), "detail": detail,
        "request_id": "r1"});
    (status, Json(body)).into_response()
}

/// Pages hold two items at most, so that cursors have to be followed.
fn page(all: &[Value], query: Option<&str>) -> Value {
    let parameter = |name: &str| {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.parse::<usize>().unwrap())
    };
    let start = parameter("cursor").unwrap_or(0);
    let end = all.len().min(start + parameter("limit").unwrap_or(2).min(2));
    let next = (end < all.len()).then(|| end.to_string());
    json!({"items": all[start..end], "next_cursor": next})
}

fn account() -> Value {
    json!({"id": ACCOUNT, "provider": "google", "label": "Robin Hale (demo)", "state": "connected", "detail": null,
        "created_at": "2026-11-20T08:00:00Z", "state_changed_at": "2026-11-20T08:00:01Z"})
}

fn calendars() -> Vec<Value> {
    let calendar = |id: &str, title: &str, state: &str| {
        json!({"id": id, "account_id": ACCOUNT, "title": title, "time_zone": "Europe/Berlin", "access_role": "owner",
            "primary": id == WORK, "state": state, "detail": null, "state_changed_at": "2026-11-20T08:00:02Z",
            "channel_expires_at": "2099-11-27T08:00:02Z", "confirmed_at": "2026-11-23T08:00:00Z", "via": "push",
            "last_sync": {"finished_at": "2026-11-23T08:00:00Z", "changes": 1, "notice_to_stored_ms": 143},
            "event_count": 312})
    };
    vec![
        calendar(WORK, "Work", "live"),
        calendar(WORKOUTS, "Workouts", "polling"),
        calendar(FAMILY, &format!("家族の予定\u{1b}[31m{}", " und so weiter".repeat(20)), "action_required"),
    ]
}

fn occurrences() -> Vec<Value> {
    let occurrence = |id: &str, title: Option<&str>, start: Value, end: Value| {
        json!({"id": id, "event_id": id, "series_id": null, "original_start": start, "start": start, "end": end,
            "status": "confirmed", "title": title, "description": null, "location": "Room 1", "busy": true,
            "private": false, "event_type": null, "organizer": null, "attendees": [], "ical_uid": null, "link": null,
            "created_at": null, "updated_at": null})
    };
    let berlin = |time: &str| json!({"date_time": format!("2026-11-23T{time}:00+01:00"), "time_zone": "Europe/Berlin"});
    vec![
        occurrence("e1", Some("Stand-up"), berlin("09:00"), berlin("09:15")),
        occurrence("e2", Some(&"Planning ".repeat(30)), berlin("10:00"), berlin("11:30")),
        occurrence("e3", None, json!({"date": "2026-11-24"}), json!({"date": "2026-11-27"})),
    ]
}

fn health() -> Value {
    let no_worker =
        json!({"part": "workers", "detail": "No worker shows a sign of life.", "since": "2026-11-23T07:00:00Z"});
    json!({"status": "down", "temporal": true, "store": true, "workers": 0, "problems": [no_worker],
        "healthy_at": "2026-11-23T08:00:00Z", "log_lines_lost": 0})
}

fn status() -> Value {
    json!({"id": WORK, "account_id": ACCOUNT, "state": "live", "detail": "The channel was renewed.",
        "state_changed_at": "2026-11-20T08:00:02Z", "channel_expires_at": "2099-11-27T08:00:02Z",
        "confirmed_at": "2026-11-23T08:00:00Z", "via": "push",
        "last_sync": {"finished_at": "2026-11-23T08:00:00Z", "changes": 1, "notice_to_stored_ms": 143},
        "event_count": 312,
        "quarantined": [{"event_id": "e9", "reason": "the rule has no FREQ", "since": "2026-11-22T08:00:00Z"}],
        "more_quarantined": false,
        "workflow": {"namespace": "default", "id": format!("subscription/{WORK}"), "state": "missing",
            "ui_path": format!("/namespaces/default/workflows/subscription%2F{WORK}")}})
}
