//! What comes back from a consent page: the code is sealed into the store, and a worker redeems it. A page says how it went.

use std::net::IpAddr;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::ALLOW;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use evercal_domain::account::Secret;
use evercal_domain::journal::SecurityKind;
use evercal_domain::{Account, ConsentOutcome, PendingConsent, PendingGrant, Provider};
use evercal_storage::{AccountAdmission, AuthorizationAttempt, StoreErrorKind, TakenAttempt};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::Instrument as _;
use utoipa::IntoParams;

use super::pages::Page;
use super::{STATE_BYTES_MAX, hash, reconnectable};
use crate::extract::Peer;
use crate::openapi::{MissingProvider, Unavailable};
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;

/// Between two reads of what came of a consent.
const OUTCOME_POLL: Duration = Duration::from_millis(100);
/// An authorization code in bytes; known ones have some hundred.
const CODE_BYTES_MAX: usize = 2_048;

/// What a provider sends the browser back with (RFC 6749 section 4.1.2); other parameters are ignored, as it demands.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::routes) struct CallbackQuery {
    /// What we sent to the consent page.
    state: Option<String>,
    /// The code that is redeemed for the account's tokens.
    code: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Where a provider sends the browser back to. The `state` is the only proof of who asked, so it is good for one use; the same
/// once more is a reload, and shows what came of it. A page shows the person in the browser how it went.
#[utoipa::path(
    get, operation_id = "finish_consent", path = "/v1/oauth/{provider}/callback", tag = "accounts",
    params(("provider" = String, Path, description = "The provider's name, as accounts have it."), CallbackQuery),
    responses(
        (status = 200, description = "A page for the person: connected.", body = String, content_type = "text/html"),
        (status = 202, description = "A page for the person: the consent is being checked; reload to see more.",
            body = String, content_type = "text/html"),
        (status = 400, description = "A page for the person: not granted, or the link is no longer good.", body = String,
            content_type = "text/html"),
        (status = 405, description = "Asked with HEAD, which does nothing here."),
        (status = 409, description = "A page for the person: another user's consent, a user who is connected already, an \
            account that was disconnected, or there may be no more of them.",
            body = String, content_type = "text/html"),
        MissingProvider, Unavailable
    )
)]
pub(in crate::routes) async fn finish(
    State(state): State<AppState>,
    Extension(Peer(source)): Extension<Peer>,
    Path(provider): Path<String>,
    method: Method,
    query: Result<Query<CallbackQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    // Whoever fetches a link before a person follows it (scanners, previews) must not use it up.
    if method == Method::HEAD {
        return Ok((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")]).into_response());
    }
    let front = state.front(&provider)?;
    // For the person in the browser, a query that cannot be read is a link that is no longer good.
    let query = query.map_or_else(|_| CallbackQuery::default(), |Query(query)| query);
    let state_parameter = query.state.clone().unwrap_or_default();
    // The consent is good for one use: a browser that goes away now takes nothing with it.
    let coming_back = come_back(state.clone(), front.profile.provider, source, query).in_current_span();
    let Some(coming_back) = state.consents.keep(coming_back) else {
        return Err(Problem::new(
            ProblemKind::Overloaded,
            "Too many people come back from the consent page; reload this page.",
        ));
    };
    let returned = coming_back.await;
    let returned = returned.unwrap_or_else(|_panicked| Err(Problem::of(ProblemKind::Internal)))?;
    let page = match returned {
        Returned::Kept(state_hash) => Page::of(wait_for_outcome(&state, &state_hash).await?),
        Returned::Unknown => Page::UnknownAttempt,
    };
    Ok(page.into_answer(front, &state_parameter))
}

/// What became of what a browser brought.
enum Returned {
    /// It is in the store, where its outcome will be.
    Kept([u8; 32]),
    /// We did not ask for it, or not any more.
    Unknown,
}

async fn come_back(
    state: AppState,
    provider: Provider,
    source: IpAddr,
    query: CallbackQuery,
) -> Result<Returned, Problem> {
    let state_parameter = query.state.filter(|text| text.len() <= STATE_BYTES_MAX);
    let code = query.code.filter(|code| !code.is_empty() && code.len() <= CODE_BYTES_MAX && query.error.is_none());
    let state_hash = state_parameter.as_deref().map(hash);
    let taken = match &state_hash {
        Some(state_hash) => {
            let answer_hash = hash(code.as_deref().unwrap_or_default());
            state.store.take_attempt(state_hash, &answer_hash, state.clock.now()).await?
        }
        None => None,
    };
    let (Some(state_hash), Some(taken)) = (state_hash, taken) else {
        let message = "a consent that nobody asked for, or that was used or too old";
        state.security.note(SecurityKind::OAuthStateRefused, source, message);
        return Ok(Returned::Unknown);
    };
    let attempt = match taken {
        TakenAttempt::Now(attempt) | TakenAttempt::Before(attempt) if attempt.provider != provider => {
            let message = "a consent that came back under the name of another provider";
            state.security.note(SecurityKind::OAuthStateRefused, source, message);
            return Ok(Returned::Unknown);
        }
        TakenAttempt::Now(attempt) => attempt,
        TakenAttempt::Before(attempt) => {
            // What came of it is known, or will be; unless whoever took it before was cut off before it was kept.
            if state.store.attempt_outcome(&state_hash).await?.is_some() || is_kept(&state, &attempt).await? {
                return Ok(Returned::Kept(state_hash));
            }
            attempt
        }
    };
    let ended = match code {
        None => Some(ConsentOutcome::NotGranted),
        Some(code) => keep(&state, &attempt, code).await?,
    };
    if let Some(outcome) = ended {
        state.store.end_attempt(&state_hash, &outcome).await?;
    }
    Ok(Returned::Kept(state_hash))
}

/// Whether the consent of an attempt waits in the store.
async fn is_kept(state: &AppState, attempt: &AuthorizationAttempt) -> Result<bool, Problem> {
    let waiting = state.store.consent(attempt.account_id).await?;
    Ok(waiting.is_some_and(|(consent, _)| consent.state_hash == attempt.state_hash))
}

/// Waits for a moment until it is known what came of a consent.
async fn wait_for_outcome(state: &AppState, state_hash: &[u8; 32]) -> Result<Option<ConsentOutcome>, Problem> {
    let deadline = Instant::now() + state.config.limits.consent_timeout;
    loop {
        let outcome = state.store.attempt_outcome(state_hash).await?;
        if outcome.is_some() || Instant::now() >= deadline {
            return Ok(outcome);
        }
        tokio::time::sleep_until((Instant::now() + OUTCOME_POLL).min(deadline)).await;
    }
}

/// Puts the code into the store; from here on nothing is lost. Answers what came of it where that is all.
async fn keep(
    state: &AppState,
    attempt: &AuthorizationAttempt,
    code: String,
) -> Result<Option<ConsentOutcome>, Problem> {
    let now = state.clock.now();
    let consent = PendingConsent {
        state_hash: attempt.state_hash,
        allow_duplicate: attempt.allow_duplicate,
        came_at: now,
        grant: PendingGrant::Code {
            code: Secret::new(code),
            code_verifier: attempt.code_verifier.clone(),
            redirect_uri: attempt.redirect_uri.clone(),
        },
    };
    let account = match state.store.account_of_tenant(attempt.tenant_id, attempt.account_id).await? {
        Some(account) if reconnectable(&account).is_err() => return Ok(Some(ConsentOutcome::AccountGone)),
        Some(account) => match state.store.replace_consent(account.id, &consent).await {
            Ok(()) => account,
            // Disconnected or revoked since it was read.
            Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(Some(ConsentOutcome::AccountGone)),
            Err(error) => return Err(error.into()),
        },
        None => {
            let AuthorizationAttempt { account_id, tenant_id, provider, label, .. } = attempt;
            let account = Account::connecting(*account_id, *tenant_id, *provider, label.clone(), now);
            match state.store.insert_account(&account, &consent).await? {
                AccountAdmission::Inserted => account,
                AccountAdmission::TenantFull => return Ok(Some(ConsentOutcome::TenantFull)),
                AccountAdmission::TenantRevoked => return Ok(Some(ConsentOutcome::AccountGone)),
            }
        }
    };
    state.consent_backlog.authorized(&account).await;
    Ok(None)
}
