//! What a request to a webhook is, and what it proves: by its head, or by its body where its provider proves it only there. All
//! that is done for one that has proven nothing yet is done here: a handshake is answered out of the request, and a body is read
//! within bounds of its own.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use evercal_domain::journal::SecurityKind;
use evercal_providers::{Front, Met, Notice, NoticeHead, NoticeRefused, UnreadableNotices};
use tokio::time::{Instant, timeout_at};

use super::LIFECYCLE;
use crate::connections::Connection;
use crate::extract::Peer;
use crate::notice_bodies::NotKept;
use crate::problem::{Problem, ProblemKind};
use crate::proven::{Owed, Proof, Proven};
use crate::state::AppState;
use crate::tellings::tellings;

/// Outermost: lets through what is proven, which carries what it has [`Proven`]; answers or refuses all else. Whatever it is, it
/// is answered within its provider's time.
pub(in crate::routes) async fn prove(
    State(state): State<AppState>,
    Path(provider): Path<String>,
    Extension(Peer(source)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if *request.method() != Method::POST {
        return next.run(request).await;
    }
    let began = Instant::now();
    let (front, met) = match meet(&state, &provider, &request) {
        Ok(met) => met,
        Err(rejection) => return rejection.noted(&state, source),
    };
    let answer_by = began + front.edge.notices.limits().answer_within;
    let served = timeout_at(answer_by, serve(&state, front, met, source, request, next)).await;
    served.unwrap_or_else(|_| Problem::of(ProblemKind::TimedOut).into_response())
}

/// Why a request is refused, for the security log and for its sender.
struct Rejection {
    kind: SecurityKind,
    message: &'static str,
    problem: Problem,
}

impl Rejection {
    /// One that proves nothing.
    fn unproven(message: &'static str, problem: Problem) -> Self {
        Self { kind: SecurityKind::NoticeRefused, message, problem }
    }

    fn noted(self, state: &AppState, source: IpAddr) -> Response {
        state.security.note(self.kind, source, self.message);
        self.problem.into_response()
    }
}

/// What a request is by its head. Reads nothing from the store.
fn meet<'a>(state: &'a AppState, provider: &str, request: &Request) -> Result<(&'a Front, Met), Rejection> {
    let message = "a notice of a provider that this gateway is not set up for";
    let front = state.front(provider).map_err(|problem| Rejection::unproven(message, problem))?;
    let reader = &front.edge.notices;
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if path == Some(LIFECYCLE) && !reader.has_lifecycle() {
        let detail = format!("{} says nothing of its channels, so that nothing is at this path.", front.profile.title);
        let message = "a notice about channels of a provider that says nothing of them";
        return Err(Rejection::unproven(message, Problem::new(ProblemKind::PathNotFound, detail)));
    }
    let header = |name: &'static str| request.headers().get(name).map(HeaderValue::as_bytes);
    let head = NoticeHead { header: &header, query: request.uri().query() };
    match reader.meet(&front.keys, &head) {
        Ok(met) => Ok((front, met)),
        Err(refused) => {
            let (kind, message) = noted_as(refused);
            let detail = "This is not a notice for one of our channels.";
            Err(Rejection { kind, message, problem: Problem::new(ProblemKind::InvalidNotice, detail) })
        }
    }
}

fn noted_as(refused: NoticeRefused) -> (SecurityKind, &'static str) {
    match refused {
        NoticeRefused::NotOurs(message) => (SecurityKind::NoticeRefused, message),
        NoticeRefused::Contradicts(message) => (SecurityKind::NoticeContradicts, message),
    }
}

/// Serves a request, by what it is.
async fn serve(
    state: &AppState,
    front: &Front,
    met: Met,
    source: IpAddr,
    mut request: Request,
    next: Next,
) -> Response {
    let received_at = state.clock.now();
    let (notices, by) = match met {
        Met::Handshake(text) => return handshake(text),
        Met::MalformedHandshake(message) => {
            let problem = Problem::new(ProblemKind::MalformedNotice, "This handshake cannot be answered.");
            return Rejection::unproven(message, problem).noted(state, source);
        }
        Met::Notices(notices) => (notices, Proof::Head { body_bytes_max: front.edge.notices.limits().body_bytes_max }),
        Met::InBody => match in_body(state, front, source, std::mem::take(request.body_mut())).await {
            // Nothing was proven, and nothing is done. Its sender is told as little as that of a forged item among others.
            Ok(notices) if notices.is_empty() => return StatusCode::ACCEPTED.into_response(),
            Ok(notices) => (notices, Proof::Body),
            Err(response) => return response,
        },
    };
    if let Some(connection) = request.extensions().get::<Arc<Connection>>() {
        connection.prove();
    }
    let owed = tellings(notices, received_at).into_iter().map(|telling| {
        let in_flight = state.notices.in_flight(telling.about());
        Owed { telling, in_flight }
    });
    let proven = Proven::new(by, owed.collect());
    request.extensions_mut().insert(Arc::new(proven));
    next.run(request).await
}

/// The provider asks whether this address is ours. Whoever asks gets back what they sent, as text that no browser takes for more.
fn handshake(text: String) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))], text).into_response()
}

/// The notices that a body proves.
async fn in_body(state: &AppState, front: &Front, source: IpAddr, body: Body) -> Result<Vec<Notice>, Response> {
    // Whoever is turned away before the body was looked at may have brought notices.
    let unproven = state.notices.unproven();
    let reader = &front.edge.notices;
    let read = match state.unproven_bodies.read(body, reader.limits().body_bytes_max).await {
        Ok(body) => reader.read(&front.keys, &body.bytes),
        Err(NotKept::TooLarge) => {
            unproven.answered();
            return Err(Problem::of(ProblemKind::BodyTooLarge).into_response());
        }
        Err(NotKept::NoRoom) => return Err(Problem::of(ProblemKind::Overloaded).into_response()),
        Err(NotKept::BrokenOff) => return Err(Problem::of(ProblemKind::MalformedRequest).into_response()),
    };
    unproven.answered();
    match read {
        Ok(batch) => {
            note_dropped(state, source, &batch.dropped);
            Ok(batch.notices)
        }
        Err(UnreadableNotices::NotOfTheForm) => {
            let problem = Problem::of(ProblemKind::MalformedNotice);
            Err(Rejection::unproven("a body that is not of the form of notices", problem).noted(state, source))
        }
        Err(UnreadableNotices::TooManyItems) => {
            let detail = "There are more notices in this request than one may have.";
            let problem = Problem::new(ProblemKind::BodyTooLarge, detail);
            Err(Rejection::unproven("a body with more notices than one may have", problem).noted(state, source))
        }
    }
}

/// Counts each item that was dropped. The log keeps one message of a kind and source, so the first one stands for all.
fn note_dropped(state: &AppState, source: IpAddr, dropped: &[NoticeRefused]) {
    for kind in [SecurityKind::NoticeRefused, SecurityKind::NoticeContradicts] {
        let of_kind = dropped.iter().map(|refused| noted_as(*refused)).filter(|(noted, _)| *noted == kind);
        let messages: Vec<&str> = of_kind.map(|(_, message)| message).collect();
        if let Some(first) = messages.first() {
            state.security.note_times(kind, source, first, messages.len());
        }
    }
}
