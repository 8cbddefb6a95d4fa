//! Notices of providers. A notice carries no data that we trust: it is proven whose it is, and it starts a read. Whoever proves
//! nothing causes nothing: what a request proves is known before it is admitted, and before anybody is told or a catch-up
//! enqueued (`webhooks/proof.rs`). What a notice looks like is each provider's own (`evercal_providers::NoticeReader`).

mod proof;
mod telling;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;

use crate::extract::Peer;
use crate::notice_bodies::discard;
use crate::openapi::{MissingLifecycle, MissingProvider, NotANotice, Unavailable};
use crate::problem::{Problem, ProblemKind};
use crate::proven::{Proof, Proven};
use crate::state::AppState;
pub(super) use proof::prove;

/// Where providers say something of their channels.
const LIFECYCLE: &str = "/api/webhooks/{provider}/lifecycle";

/// Notices of a provider: something changed. 2xx only after Temporal has the signals. What a notice looks like is the provider's
/// own; whatever is none for a channel of ours is refused, or dropped where it comes among others. Also answers the request by
/// which a provider asks whether this address is ours.
#[utoipa::path(
    post, operation_id = "take_notice", path = "/api/webhooks/{provider}", tag = "webhooks",
    params(("provider" = String, Path, description = "The provider's name, as accounts have it.")),
    responses(
        (status = 200, description = "A handshake: the text that the provider sent, and nothing was done.", body = String),
        (status = 202, description = "What its body has for our channels is kept, or means nothing any more."),
        (status = 204, description = "It is kept, or means nothing any more."),
        NotANotice, MissingProvider, Unavailable
    )
)]
pub(super) async fn take(
    State(state): State<AppState>,
    Extension(Peer(source)): Extension<Peer>,
    Extension(proven): Extension<Arc<Proven>>,
    body: Body,
) -> Result<StatusCode, Problem> {
    taken(&state, source, &proven, body).await
}

/// Notices of a provider about its channels: one ends, or has lost something. As all other notices, and either may come at both
/// addresses.
#[utoipa::path(
    post, operation_id = "take_lifecycle_notice", path = "/api/webhooks/{provider}/lifecycle", tag = "webhooks",
    params(("provider" = String, Path, description = "The provider's name, as accounts have it.")),
    responses(
        (status = 200, description = "A handshake: the text that the provider sent, and nothing was done.", body = String),
        (status = 202, description = "What its body has for our channels is kept, or means nothing any more."),
        (status = 204, description = "It is kept, or means nothing any more."),
        NotANotice, MissingLifecycle, Unavailable
    )
)]
pub(super) async fn take_lifecycle(
    State(state): State<AppState>,
    Extension(Peer(source)): Extension<Peer>,
    Extension(proven): Extension<Arc<Proven>>,
    body: Body,
) -> Result<StatusCode, Problem> {
    taken(&state, source, &proven, body).await
}

async fn taken(state: &AppState, source: IpAddr, proven: &Proven, body: Body) -> Result<StatusCode, Problem> {
    let status = match proven.by {
        Proof::Head { body_bytes_max } => {
            // One that does not come to its end within its time leaves what it is about with a catch-up.
            discard(body, body_bytes_max).await.map_err(|_too_large| Problem::of(ProblemKind::BodyTooLarge))?;
            StatusCode::NO_CONTENT
        }
        Proof::Body => StatusCode::ACCEPTED,
    };
    telling::tell(state, source, proven.take()).await?;
    Ok(status)
}
