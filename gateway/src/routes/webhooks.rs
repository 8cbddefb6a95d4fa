//! Notices of providers. A notice carries no data that we trust: its head proves whose it is, and it starts a read. Whoever
//! proves nothing causes nothing: the head is verified before the request is admitted, a byte of the body is read, or a
//! catch-up is enqueued. What a notice looks like is each provider's own (`evercal_providers::NoticeReader`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use evercal_domain::journal::SecurityKind;
use evercal_domain::{AccountId, SyncReason, Watched};
use evercal_process::counted;
use evercal_providers::{Notice, NoticeHead, NoticeRefused};
use evercal_workflow_client::{AccountSignal, SignalOutcome};
use evercal_workflows::contract::{ChannelHint, Notify};
use futures::TryStreamExt;

use crate::connections::Connection;
use crate::delivery::Delivered;
use crate::extract::Peer;
use crate::notices::NotDelivered;
use crate::openapi::{MissingProvider, NotANotice, Unavailable};
use crate::problem::{Problem, ProblemKind};
use crate::proven::Proven;
use crate::refusals::InFlightNotice;
use crate::state::AppState;

/// A body beyond its limit is still read up to this many bytes, since a sender that is cut off reads no answer.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Notices of a provider: something changed. 2xx only after Temporal has the signals. What a notice looks like is the provider's
/// own; whatever is none for a channel of ours is refused.
#[utoipa::path(
    post, operation_id = "take_notice", path = "/api/webhooks/{provider}", tag = "webhooks",
    params(("provider" = String, Path, description = "The provider's name, as accounts have it.")),
    responses(
        (status = 204, description = "It is kept, or means nothing any more."),
        NotANotice, MissingProvider, Unavailable
    )
)]
pub(crate) async fn take(
    State(state): State<AppState>,
    Extension(Peer(source)): Extension<Peer>,
    Extension(proven): Extension<Proven>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let received_at = state.clock.now();
    // A body that does not come to its end within the time of a notice leaves what it is about with a catch-up.
    let on_their_way: Vec<_> =
        proven.notices.iter().map(|notice| state.notices.in_flight(notice.claim.watched)).collect();
    discard(body, proven.body_bytes_max).await?;
    for (notice, in_flight) in proven.notices.iter().zip(on_their_way) {
        take_one(&state, source, notice, received_at, in_flight).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn take_one(
    state: &AppState,
    source: IpAddr,
    notice: &Notice,
    received_at: DateTime<Utc>,
    in_flight: InFlightNotice,
) -> Result<(), Problem> {
    let claim = notice.claim;
    let hint = ChannelHint {
        channel_id: claim.channel_id,
        remote_id: notice.remote_id.clone(),
        announces_change: notice.announces_change,
    };
    let calendar_id = match claim.watched {
        Watched::Calendar { calendar_id, .. } => calendar_id,
        Watched::CalendarList { account_id } => {
            list_changed(state, source, account_id, hint).await?;
            in_flight.delivered();
            return Ok(());
        }
    };
    in_flight.delivered();
    let notify = Notify {
        reason: SyncReason::Notice,
        notices: 1,
        received_at: Some(received_at.into()),
        channels: vec![hint.clone()],
        priority: notice.priority,
    };
    match state.notices.take(calendar_id, notify).await {
        // In another's store there are none of our calendars.
        Ok(Delivered::Unknown) if state.store_watch.condition().is_foreign() => {
            Err(not_stored(ProblemKind::StoreUnavailable))
        }
        Ok(Delivered::Unknown) => {
            let message = "a notice with a valid token for a calendar that does not exist";
            state.security.note(SecurityKind::NoticeForUnknownChannel, source, message);
            stop_through_account(state, claim.watched.account_id(), hint).await
        }
        Ok(Delivered::ToSubscription | Delivered::ToAccount | Delivered::Closed) => Ok(()),
        Err(NotDelivered) => Err(not_stored(ProblemKind::TemporalUnavailable)),
    }
}

fn not_stored(kind: ProblemKind) -> Problem {
    Problem::new(kind, "The notice could not be stored; send it again.")
}

/// A channel whose calendar nobody knows, such as after an older database was brought back: its account can stop it, as any
/// channel that it does not know, and reads its list of calendars, in which the calendar may be.
async fn stop_through_account(state: &AppState, account: AccountId, hint: ChannelHint) -> Result<(), Problem> {
    match state.accounts.signal(account, AccountSignal::ListChanged(hint)).await {
        // Without the account there are no tokens with which anybody could stop it: it runs out.
        Ok(_outcome) => Ok(()),
        Err(error) => {
            tracing::warn!(account_id = %account, %error, "the account of a channel without a calendar could not be signalled");
            Err(not_stored(ProblemKind::TemporalUnavailable))
        }
    }
}

/// A notice about an account's list of calendars. The one that greets a new channel says nothing.
async fn list_changed(state: &AppState, source: IpAddr, account: AccountId, hint: ChannelHint) -> Result<(), Problem> {
    if !hint.announces_change {
        return Ok(());
    }
    match state.accounts.signal(account, AccountSignal::ListChanged(hint)).await {
        Ok(SignalOutcome::Delivered) => Ok(()),
        // In another's store there are none of our accounts.
        Ok(SignalOutcome::NoAccount) if state.store_watch.condition().is_foreign() => {
            Err(not_stored(ProblemKind::StoreUnavailable))
        }
        Ok(SignalOutcome::NoAccount) => {
            if state.store.account(account).await?.is_none() {
                let message = "a notice with a valid token for an account that does not exist";
                state.security.note(SecurityKind::NoticeForUnknownChannel, source, message);
            }
            Ok(())
        }
        Err(error) => {
            counted!(warn, "a notice about a list of calendars could not be delivered", account_id = %account, %error);
            Err(not_stored(ProblemKind::TemporalUnavailable))
        }
    }
}

/// Outermost: refuses what is no notice of ours by its head alone. What comes through carries what it has [`Proven`].
pub(super) async fn prove(
    State(state): State<AppState>,
    Path(provider): Path<String>,
    Extension(Peer(source)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    if *request.method() != Method::POST {
        return next.run(request).await;
    }
    match verify(&state, &provider, request.headers()) {
        Ok(proven) => {
            if let Some(connection) = request.extensions().get::<Arc<Connection>>() {
                connection.prove();
            }
            request.extensions_mut().insert(proven);
            next.run(request).await
        }
        Err(Rejection { kind, message, problem }) => {
            state.security.note(kind, source, message);
            problem.into_response()
        }
    }
}

/// Why a request is refused, for the security log and for its sender.
struct Rejection {
    kind: SecurityKind,
    message: &'static str,
    problem: Problem,
}

/// What the head of a request proves. Reads nothing from the store.
fn verify(state: &AppState, provider: &str, headers: &HeaderMap) -> Result<Proven, Rejection> {
    let front = state.front(provider).map_err(|problem| Rejection {
        kind: SecurityKind::NoticeRefused,
        message: "a notice of a provider that this gateway is not set up for",
        problem,
    })?;
    let header = |name: &'static str| headers.get(name).map(HeaderValue::as_bytes);
    let notices = front.edge.notices.verify(&front.keys, &NoticeHead { header: &header }).map_err(|refused| {
        let (kind, message) = match refused {
            NoticeRefused::NotOurs(message) => (SecurityKind::NoticeRefused, message),
            NoticeRefused::Contradicts(message) => (SecurityKind::NoticeContradicts, message),
        };
        let detail = "This is not a notice for one of our channels.";
        Rejection { kind, message, problem: Problem::new(ProblemKind::InvalidNotice, detail) }
    })?;
    Ok(Proven { notices: notices.into(), body_bytes_max: front.edge.notices.body_bytes_max() })
}

/// Reads a body without keeping it.
async fn discard(body: Body, bytes_max: usize) -> Result<(), Problem> {
    let mut chunks = body.into_data_stream();
    let mut bytes = 0_usize;
    while let Ok(Some(chunk)) = chunks.try_next().await {
        bytes = bytes.saturating_add(chunk.len());
        if bytes > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if bytes > bytes_max {
        return Err(Problem::of(ProblemKind::BodyTooLarge));
    }
    Ok(())
}
