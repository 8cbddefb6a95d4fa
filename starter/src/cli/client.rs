//! Calls the API and turns whatever comes back into JSON or a [`CliError`].

use std::time::Duration;

use evercal_domain::limits::API_PAGE_ROWS_DEFAULT;
use evercal_http::{
    Body, HttpClient, HttpRequest, HttpResponse, HttpSettings, Method, Transport as _, TransportErrorKind,
};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::error::{CliError, Failure};
use super::progress::spin;
use super::table::plain;
use super::target::Target;

/// The gateway waits up to 30 s for a sync to end; this is longer.
const TOTAL_TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READING: &str = "Waiting for evercal";

/// Speaks with one evercal.
pub struct ApiClient {
    http: HttpClient,
    target: Target,
}

/// The body of an error (RFC 9457), with the request's id as an extension.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    request_id: Option<String>,
}

impl ApiClient {
    /// A client for `target`.
    pub fn new(target: Target) -> Result<Self, CliError> {
        let settings =
            HttpSettings { connect_timeout: CONNECT_TIMEOUT, total_timeout: TOTAL_TIMEOUT, ..HttpSettings::default() };
        let http = HttpClient::new(&settings).map_err(|error| {
            CliError::new(Failure::Error, error.to_string(), "install the CA certificates of your system")
        })?;
        Ok(Self { http, target })
    }

    /// What this client asks.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// `GET` of one thing. `path` is given in segments.
    pub async fn get(&self, path: &[&str]) -> Result<Value, CliError> {
        spin(READING, self.exchange(Method::GET, self.url(path, &[])?)).await
    }

    /// `POST` without a body; `message` is shown while it takes its time.
    pub async fn post(&self, path: &[&str], message: &str) -> Result<Value, CliError> {
        spin(message, self.exchange(Method::POST, self.url(path, &[])?)).await
    }

    /// `POST` with a body.
    pub async fn post_json(&self, path: &[&str], body: Value) -> Result<Value, CliError> {
        spin(READING, self.send(Method::POST, self.url(path, &[])?, Body::Json(body))).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &[&str]) -> Result<Value, CliError> {
        spin(READING, self.exchange(Method::DELETE, self.url(path, &[])?)).await
    }

    /// A list, following its cursors up to `limit` items. Answers the first page's object with the items of all pages
    /// and the last page's `next_cursor`.
    pub async fn list(&self, path: &[&str], query: &[(&str, &str)], limit: Option<u32>) -> Result<Value, CliError> {
        spin(READING, self.pages(path, query, limit)).await
    }

    async fn pages(&self, path: &[&str], query: &[(&str, &str)], limit: Option<u32>) -> Result<Value, CliError> {
        let mut whole: Option<Value> = None;
        let mut items: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let missing = limit.map_or(API_PAGE_ROWS_DEFAULT, |limit| {
                limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX)).min(API_PAGE_ROWS_DEFAULT)
            });
            let page_limit = missing.to_string();
            let mut page_query = query.to_vec();
            page_query.push(("limit", &page_limit));
            if let Some(cursor) = &cursor {
                page_query.push(("cursor", cursor));
            }
            let mut page = self.exchange(Method::GET, self.url(path, &page_query)?).await?;
            let Some(Value::Array(rows)) = page.get_mut("items").map(Value::take) else {
                return Err(self.not_evercal("an answer without `items`"));
            };
            let is_empty = rows.is_empty();
            items.extend(rows);
            let next = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            let whole = whole.get_or_insert(page);
            let is_full = limit.is_some_and(|limit| items.len() >= usize::try_from(limit).unwrap_or(usize::MAX));
            if is_full || next.is_none() {
                if let Some(fields) = whole.as_object_mut() {
                    fields.insert("items".to_owned(), Value::Array(items));
                    fields.insert("next_cursor".to_owned(), next.map_or(Value::Null, Value::String));
                }
                return Ok(whole.take());
            }
            // Without this, a list that leads in a circle would be read for ever.
            if is_empty || next == cursor {
                return Err(self.not_evercal("a list that does not go on"));
            }
            cursor = next;
        }
    }

    /// How the whole installation is doing.
    pub async fn health(&self) -> Result<Value, CliError> {
        spin(READING, self.exchange(Method::GET, self.address(&["api", "health", "sync"])?)).await
    }

    fn address(&self, path: &[&str]) -> Result<Url, CliError> {
        let mut url = self.target.api.clone();
        url.set_query(None);
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(path)),
            Err(()) => return Err(self.not_evercal("an address without paths")),
        }
        Ok(url)
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, CliError> {
        let mut url = self.address(&[&["v1"], path].concat())?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn exchange(&self, method: Method, url: Url) -> Result<Value, CliError> {
        self.send(method, url, Body::Empty).await
    }

    async fn send(&self, method: Method, url: Url, body: Body) -> Result<Value, CliError> {
        let request = HttpRequest {
            call: "evercal API",
            method,
            url,
            headers: Vec::new(),
            body,
            bearer: Some(self.target.api_key.clone()),
        };
        let response = self.http.send(request).await.map_err(|error| self.no_answer(error.kind))?;
        if !response.is_success() {
            return Err(self.refusal(&response));
        }
        serde_json::from_slice(&response.body).map_err(|_| self.not_evercal("an answer that is not JSON"))
    }

    /// Nothing came back.
    fn no_answer(&self, kind: TransportErrorKind) -> CliError {
        let failed = |failure, advice: String| {
            CliError::new(failure, format!("evercal at {} does not answer: {kind}", self.target.api), advice)
        };
        match kind {
            TransportErrorKind::TooLarge => failed(Failure::Error, "ask for less with --limit".to_owned()),
            TransportErrorKind::InvalidRequest => failed(Failure::Usage, self.target.source.advice_unauthorized()),
            TransportErrorKind::Unreachable
            | TransportErrorKind::Reset
            | TransportErrorKind::TimedOut
            | TransportErrorKind::Tls => failed(Failure::Unreachable, self.target.source.advice_unreachable()),
        }
    }

    /// An error came back.
    fn refusal(&self, response: &HttpResponse) -> CliError {
        let status = response.status;
        let Ok(problem) = serde_json::from_slice::<Problem>(&response.body) else {
            return match status {
                // A proxy before an evercal that is away.
                502..=504 => self.no_answer(TransportErrorKind::Unreachable),
                _ => self.not_evercal(&format!("HTTP {status} without an explanation")),
            };
        };
        let source = &self.target.source;
        let mut message = plain(&problem.detail);
        let (failure, advice) = match status {
            400 | 422 => (Failure::Usage, "`--help` after the command shows what it takes".to_owned()),
            403 => {
                (Failure::NotAuthorized, "use a key that has this scope, see `evercal keys create --help`".to_owned())
            }
            401 => {
                // The API's own words are for those who write clients.
                message = format!("evercal at {} does not accept the API key", self.target.api);
                (Failure::NotAuthorized, source.advice_unauthorized())
            }
            404 => (Failure::NotFound, "`evercal calendars` and `evercal accounts` list what there is".to_owned()),
            409 => (Failure::Error, "`evercal status CALENDAR` shows the state".to_owned()),
            429 | 503 | 504 => {
                let wait_s = response.retry_after().map_or(5, |wait| wait.as_secs());
                (Failure::Unreachable, format!("try again in {wait_s} s"))
            }
            _ => {
                let request =
                    problem.request_id.map_or_else(String::new, |id| format!(" under request {}", plain(&id)));
                (Failure::Error, format!("the gateway's log says more{request}"))
            }
        };
        CliError::new(failure, message, advice)
    }

    /// Something else than evercal's API seems to be there.
    pub fn not_evercal(&self, what: &str) -> CliError {
        CliError::new(
            Failure::Error,
            format!(
                "{} gave {what}: it does not seem to be evercal's API, or is another version of it",
                self.target.api
            ),
            self.target.source.advice_unreachable(),
        )
    }
}
