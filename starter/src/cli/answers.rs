//! The API's answers, as far as tables show them. Unknown fields and states are fine: the gateway may be newer.

use chrono::{DateTime, Utc};
use evercal_domain::{AccountId, CalendarId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::ApiClient;
use super::error::CliError;
use super::times::Moment;

/// Reads an answer.
pub fn read<T: DeserializeOwned>(api: &ApiClient, answer: Value) -> Result<T, CliError> {
    serde_json::from_value(answer).map_err(|_| api.not_evercal("an answer without the expected fields"))
}

/// A list.
#[derive(Debug, Deserialize)]
pub struct List<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

/// An item of `GET /v1/accounts`.
#[derive(Debug, Deserialize)]
pub struct Account {
    pub id: AccountId,
    pub provider: String,
    pub label: String,
    pub state: String,
    pub detail: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// An item of `GET /v1/calendars`.
#[derive(Debug, Deserialize)]
pub struct Calendar {
    pub id: CalendarId,
    pub title: String,
    /// IANA name.
    pub time_zone: Option<String>,
    #[serde(flatten)]
    pub mirror: Mirror,
}

/// How a calendar's mirror is doing.
#[derive(Debug, Deserialize)]
pub struct Mirror {
    pub state: String,
    pub detail: Option<String>,
    pub state_changed_at: DateTime<Utc>,
    pub channel_expires_at: Option<DateTime<Utc>>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub via: Option<String>,
    pub last_sync: Option<LastSync>,
    pub event_count: i64,
}

/// The last good sync.
#[derive(Debug, Deserialize)]
pub struct LastSync {
    pub finished_at: DateTime<Utc>,
    pub changes: i64,
    pub notice_to_stored_ms: Option<i64>,
}

/// `GET /v1/calendars/{id}/status`
#[derive(Debug, Deserialize)]
pub struct Status {
    pub account_id: String,
    #[serde(flatten)]
    pub mirror: Mirror,
    pub quarantined: Vec<Quarantined>,
    pub more_quarantined: bool,
    pub workflow: Workflow,
}

/// `GET /api/health/sync`
#[derive(Debug, Deserialize)]
pub struct Health {
    pub status: String,
    pub problems: Vec<HealthProblem>,
}

/// What keeps calendars from being fresh.
#[derive(Debug, Deserialize)]
pub struct HealthProblem {
    pub detail: String,
    pub since: Option<DateTime<Utc>>,
}

/// An event that could not be read.
#[derive(Debug, Deserialize)]
pub struct Quarantined {
    pub event_id: Option<String>,
    pub reason: String,
    pub since: DateTime<Utc>,
}

/// Where a calendar's life can be read.
#[derive(Debug, Deserialize)]
pub struct Workflow {
    pub id: String,
    /// Whether it runs.
    pub state: String,
    /// Goes behind the address of the Temporal UI.
    pub ui_path: String,
}

/// `GET /v1/calendars/{id}/events`
#[derive(Debug, Deserialize)]
pub struct Events {
    pub confirmed_at: Option<DateTime<Utc>>,
    pub via: Option<String>,
    pub state: String,
    #[serde(flatten)]
    pub list: List<Occurrence>,
}

/// An occurrence.
#[derive(Debug, Deserialize)]
pub struct Occurrence {
    pub start: Moment,
    pub end: Moment,
    pub status: String,
    pub title: Option<String>,
    pub location: Option<String>,
}

/// `POST /v1/oauth/{provider}/start`
#[derive(Debug, Deserialize)]
pub struct Consent {
    pub authorization_url: String,
    pub account_id: String,
    pub expires_at: DateTime<Utc>,
}

/// `POST /v1/calendars/{id}/sync`
#[derive(Debug, Deserialize)]
pub struct Sync {
    /// Absent while the sync is under way.
    pub changes: Option<i64>,
}

/// `POST /v1/accounts/{id}/refresh` and `DELETE /v1/accounts/{id}`
#[derive(Debug, Deserialize)]
pub struct Progress {
    pub state: String,
}
