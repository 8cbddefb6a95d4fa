//! What happens to every request: an id, a line in the log, bounds on time and number, security headers, and errors in
//! one form. Logs name the route, never the path, the query or a header.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    REFERRER_POLICY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use evercal_domain::random::{self, RandomnessUnavailable};
use evercal_process::counted;
use evercal_storage::StoreCondition;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument;

use crate::answers::{RequestTenant, UntilSent};
use crate::config::OAUTH_CALLBACK;
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of the random part of request ids, which distinguishes processes.
const PROCESS_CHARS: usize = 8;
/// On every answer. A page that needs more than nothing sets its own content policy.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];

/// Numbers requests; a random prefix distinguishes processes.
#[derive(Debug)]
pub(crate) struct RequestIds {
    process: String,
    next: AtomicU64,
}

impl RequestIds {
    /// Ids of a new process.
    pub(crate) fn new() -> Result<Self, RandomnessUnavailable> {
        let process = random::token()?.chars().take(PROCESS_CHARS).collect();
        Ok(Self { process, next: AtomicU64::new(1) })
    }

    fn next(&self) -> String {
        format!("{}-{}", self.process, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Outermost: names the request, logs its end, finishes its answer.
pub(crate) async fn observe(State(ids): State<Arc<RequestIds>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = ids.next();
    let method = request.method().clone();
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", %id, %method, %route);
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = in_one_form(response, &id);
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis());
    span.in_scope(|| {
        // Two kinds, so that a crowd that is turned away does not hide what is broken.
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            counted!(warn, "answered that the request could not be served now", status, ms);
        } else if response.status().is_server_error() {
            counted!(warn, "answered that something went wrong", status, ms);
        } else {
            tracing::debug!(status, ms, "answered");
        }
    });
    response
}

/// Gives errors a problem body. Pages for people are left as they are.
fn in_one_form(response: Response, id: &str) -> Response {
    let status = response.status();
    let is_page = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !(status.is_client_error() || status.is_server_error()) || is_page {
        return response;
    }
    let (parts, _) = response.into_parts();
    let problem = parts.extensions.get::<Problem>().cloned().unwrap_or_else(|| Problem::of_status(status));
    let mut finished = problem.render(id);
    for (name, value) in &parts.headers {
        // What describes the body that is replaced.
        if ![CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING].contains(name) {
            finished.headers_mut().insert(name.clone(), value.clone());
        }
    }
    finished
}

/// Bounds on a group of routes.
#[derive(Clone)]
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    /// None where somebody outside of it bounds the time.
    timeout: Option<Duration>,
    state: AppState,
}

impl Admission {
    /// At most `requests_max` at a time, none longer than `timeout`.
    pub(crate) fn new(requests_max: usize, timeout: Option<Duration>, state: AppState) -> Self {
        Self { permits: Arc::new(Semaphore::new(requests_max)), timeout, state }
    }
}

/// Turns requests away at once when the group is full, and ends those that take too long. An answer to somebody with a key
/// keeps its permit until it is sent; of those each tenant has a number of its own. A notice that is turned away here is caught
/// up with, since nobody has taken what it carries (`proven.rs`).
pub(crate) async fn admit(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    let Ok(permit) = Arc::clone(&admission.permits).try_acquire_owned() else {
        return Problem::of(ProblemKind::Overloaded).into_response();
    };
    let tenant = RequestTenant::default();
    request.extensions_mut().insert(tenant.clone());
    let served = next.run(request);
    let served = match admission.timeout {
        Some(timeout) => tokio::time::timeout(timeout, served).await,
        None => Ok(served.await),
    };
    let Ok(mut response) = served else {
        return Problem::of(ProblemKind::TimedOut).into_response();
    };
    if let Some(tenant) = tenant.get()
        && response.status().is_success()
    {
        let Some(of_tenant) = admission.state.answers.admit(tenant) else {
            let detail = "Your tenant has too many answers under way that nobody takes; try again.";
            return Problem::new(ProblemKind::Overloaded, detail).into_response();
        };
        UntilSent::keep(response.extensions_mut(), (permit, of_tenant));
    }
    response
}

/// How long a request may wait for the store while no other request gets an answer from it either.
const STORE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Turns away what a store that is not ours would answer wrongly, and what a store that gives no answers would keep waiting.
pub(crate) async fn while_the_store_answers(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let watch = &state.store_watch;
    let condition = watch.condition();
    if condition.is_foreign() {
        return store_away(&condition);
    }
    // Somebody who changes something, or comes back from a consent, may be waiting for more than the store.
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if request.method() != Method::GET || path == Some(OAUTH_CALLBACK) {
        return next.run(request).await;
    }
    let silence = async {
        tokio::time::sleep(STORE_TIMEOUT).await;
        watch.until(StoreCondition::keeps_readers_waiting).await
    };
    tokio::select! {
        response = next.run(request) => response,
        condition = silence => store_away(&condition),
    }
}

fn store_away(condition: &StoreCondition) -> Response {
    let condition = condition.sentence();
    counted!(warn, "turned away because of the store", condition);
    Problem::of(ProblemKind::StoreUnavailable).into_response()
}

/// Answers for a handler that panicked.
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    // The panic's own text is in the log already, by the panic hook; it may hold anything and is not repeated.
    counted!(error, "a handler panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

#[cfg(test)]
mod tests;
