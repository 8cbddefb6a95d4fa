//! Google's notices. A notice has no body and carries no data that we trust: its token proves whose it is, and it starts
//! a read (<https://developers.google.com/workspace/calendar/api/guides/push>). Whoever proves nothing causes nothing: the
//! token is looked at before a place is taken, a byte of the body is read, or anything is owed to anybody.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use evercal_domain::channel_token::ChannelClaim;
use evercal_domain::journal::SecurityKind;
use evercal_domain::limits::WEBHOOK_BODY_BYTES_MAX;
use evercal_domain::{AccountId, SyncReason, Watched};
use evercal_process::counted;
use evercal_workflow_client::{AccountSignal, SignalOutcome};
use evercal_workflows::contract::{ChannelHint, Notify};
use futures::TryStreamExt;

use crate::connections::Connection;
use crate::delivery::Delivered;
use crate::extract::{Source, source};
use crate::notices::NotDelivered;
use crate::openapi::{NotANotice, Unavailable};
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;

const CHANNEL_ID: &str = "x-goog-channel-id";
const CHANNEL_TOKEN: &str = "x-goog-channel-token";
const RESOURCE_ID: &str = "x-goog-resource-id";
const RESOURCE_STATE: &str = "x-goog-resource-state";
/// The state that announces a channel; any other announces a change.
const STATE_SYNC: &str = "sync";
/// A resource id in bytes; Google's have about 27.
const RESOURCE_ID_BYTES_MAX: usize = 256;
/// A body beyond its limit is still read up to this many bytes, since a sender that is cut off reads no answer.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A notice of Google: something changed in a calendar. 2xx only after Temporal has the signal.
#[utoipa::path(
    post, operation_id = "take_google_notice", path = "/api/webhooks/google", tag = "webhooks",
    params(
        ("x-goog-channel-id" = Option<String>, Header, description = "Our id of the channel."),
        ("x-goog-channel-token" = Option<String>, Header, description = "Our proof that it is ours."),
        ("x-goog-resource-id" = Option<String>, Header, description = "Google's id of what is watched."),
        ("x-goog-resource-state" = Option<String>, Header, description = "`sync` for a new channel, else a change."),
    ),
    responses((status = 204, description = "It is kept, or means nothing any more."), NotANotice, Unavailable)
)]
pub(crate) async fn google(
    State(state): State<AppState>,
    Source(source): Source,
    Extension(claim): Extension<ChannelClaim>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let received_at = state.clock.now();
    // A body that does not come to its end within the time of a notice leaves what it is about with a catch-up.
    let on_its_way = state.notices.on_its_way(claim.watched);
    discard(body).await?;
    let hint = hint(&headers, claim);
    let notify = Notify {
        reason: SyncReason::Notice,
        notices: 1,
        received_at: Some(received_at.into()),
        channels: vec![hint.clone()],
    };
    let calendar_id = match claim.watched {
        Watched::Calendar { calendar_id, .. } => calendar_id,
        Watched::CalendarList { account_id } => {
            let taken = list_changed(&state, source, account_id, hint).await;
            if taken.is_ok() {
                on_its_way.arrived();
            }
            return taken;
        }
    };
    on_its_way.arrived();
    match state.notices.take(calendar_id, notify).await {
        // In another's store there are none of our calendars.
        Ok(Delivered::Unknown) if state.store_watch.condition().is_foreign() => {
            Err(Problem::new(ProblemKind::StoreUnavailable, "The notice could not be stored; send it again."))
        }
        Ok(Delivered::Unknown) => {
            let message = "a notice with a valid token for a calendar that does not exist";
            state.security.note(SecurityKind::NoticeForUnknownChannel, source, message);
            stop_through_account(&state, claim.watched.account_id(), hint).await
        }
        Ok(Delivered::ToSubscription | Delivered::ToAccount | Delivered::Closed) => Ok(StatusCode::NO_CONTENT),
        Err(NotDelivered) => {
            Err(Problem::new(ProblemKind::TemporalUnavailable, "The notice could not be stored; send it again."))
        }
    }
}

/// A channel whose calendar nobody knows, such as after an older database was brought back: its account can stop it, as any
/// channel that it does not know, and looks at its list of calendars, in which the calendar may be.
async fn stop_through_account(state: &AppState, account: AccountId, hint: ChannelHint) -> Result<StatusCode, Problem> {
    match state.accounts.signal(account, AccountSignal::ListChanged(hint)).await {
        // Without the account there are no tokens with which anybody could stop it: it runs out.
        Ok(_outcome) => Ok(StatusCode::NO_CONTENT),
        Err(error) => {
            tracing::warn!(account_id = %account, %error, "a channel without a calendar could not be told to its account");
            Err(Problem::new(ProblemKind::TemporalUnavailable, "The notice could not be stored; send it again."))
        }
    }
}

/// A notice about an account's list of calendars. The one that greets a new channel says nothing.
async fn list_changed(
    state: &AppState,
    source: IpAddr,
    account: AccountId,
    hint: ChannelHint,
) -> Result<StatusCode, Problem> {
    if !hint.announces_change {
        return Ok(StatusCode::NO_CONTENT);
    }
    match state.accounts.signal(account, AccountSignal::ListChanged(hint)).await {
        Ok(SignalOutcome::Delivered) => Ok(StatusCode::NO_CONTENT),
        // In another's store there are none of our accounts.
        Ok(SignalOutcome::NoAccount) if state.store_watch.condition().is_foreign() => {
            Err(Problem::new(ProblemKind::StoreUnavailable, "The notice could not be stored; send it again."))
        }
        Ok(SignalOutcome::NoAccount) => {
            if state.store.account(account).await?.is_none() {
                let message = "a notice with a valid token for an account that does not exist";
                state.security.note(SecurityKind::NoticeForUnknownChannel, source, message);
            }
            Ok(StatusCode::NO_CONTENT)
        }
        Err(error) => {
            counted!(warn, "a notice about a list of calendars could not be handed over", account_id = %account, %error);
            Err(Problem::new(ProblemKind::TemporalUnavailable, "The notice could not be stored; send it again."))
        }
    }
}

/// Outermost: refuses what is no notice of ours by its head alone. What comes through carries its [`ChannelClaim`].
pub(super) async fn prove(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    if *request.method() != Method::POST {
        return next.run(request).await;
    }
    match believe(&state, request.headers()) {
        Ok(claim) => {
            if let Some(connection) = request.extensions().get::<Arc<Connection>>() {
                connection.proves();
            }
            request.extensions_mut().insert(claim);
            next.run(request).await
        }
        Err(refused) => {
            state.security.note(refused.kind, source(request.extensions()), refused.message);
            let detail = "This is not a notice for one of our channels.";
            Problem::new(ProblemKind::InvalidNotice, detail).into_response()
        }
    }
}

/// Why a notice is not believed.
struct Refused {
    kind: SecurityKind,
    message: &'static str,
}

/// Checks the token, and that the notice speaks of the channel that the token was made for. Needs no look-up.
fn believe(state: &AppState, headers: &HeaderMap) -> Result<ChannelClaim, Refused> {
    let refused = |message| Refused { kind: SecurityKind::NoticeRefused, message };
    let token = headers.get(CHANNEL_TOKEN).ok_or(refused("no channel token"))?;
    let token = token.to_str().map_err(|_| refused("a malformed channel token"))?;
    let google = state.google().ok_or(refused("a notice of a provider that this gateway is not set up for"))?;
    let verified = google.channel_token_keys.verify(token);
    let claim = verified.map_err(|_| refused("a channel token that is not ours"))?;
    let channel_id = headers.get(CHANNEL_ID).ok_or(refused("no channel id"))?;
    if channel_id.as_bytes() != claim.channel_id.to_string().as_bytes() {
        let message = "a channel id that is not the token's";
        return Err(Refused { kind: SecurityKind::NoticeContradicts, message });
    }
    Ok(claim)
}

fn hint(headers: &HeaderMap, claim: ChannelClaim) -> ChannelHint {
    let resource_id = headers
        .get(RESOURCE_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| !id.is_empty() && id.len() <= RESOURCE_ID_BYTES_MAX)
        .map(str::to_owned);
    let only_a_greeting = headers.get(RESOURCE_STATE).is_some_and(|state| state.as_bytes() == STATE_SYNC.as_bytes());
    ChannelHint { channel_id: claim.channel_id, resource_id, announces_change: !only_a_greeting }
}

/// Reads a body without keeping it.
async fn discard(body: Body) -> Result<(), Problem> {
    let mut chunks = body.into_data_stream();
    let mut bytes = 0_usize;
    while let Ok(Some(chunk)) = chunks.try_next().await {
        bytes = bytes.saturating_add(chunk.len());
        if bytes > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if bytes > WEBHOOK_BODY_BYTES_MAX {
        return Err(Problem::of(ProblemKind::BodyTooLarge));
    }
    Ok(())
}
