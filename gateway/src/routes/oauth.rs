//! Connecting an account at Google: the code flow with PKCE (RFC 6749 section 4.1, RFC 7636). The gateway sends a browser
//! to the consent page and takes the code that comes back; the code is sealed into the store, and a worker redeems it.

mod pages;

use std::net::IpAddr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use chrono::{DateTime, Duration, Utc};
use evercal_domain::account::{Credentials, Secret};
use evercal_domain::journal::SecurityKind;
use evercal_domain::limits::LABEL_CHARS_MAX;
use evercal_domain::random::{self, RandomnessUnavailable};
use evercal_domain::{Account, AccountId, AccountState, Provider};
use evercal_providers::{AuthorizationRequest, pkce_challenge};
use evercal_storage::{AccountAdmission, AuthorizationAttempt, StoreErrorKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::Instrument as _;
use utoipa::{IntoParams, ToSchema};

use super::OAUTH_CALLBACK;
use super::accounts::account_of;
use crate::caller::Writer;
use crate::extract::Source;
use crate::openapi::{BodyRefusals, MissingAccount, NotConnected, Unavailable};
use crate::parameters::{ApiBody, BodyReader, FromBody, Noted};
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;
use pages::Page;

/// How long a consent may take.
const CONSENT_TIME: Duration = Duration::minutes(10);
/// A login hint in characters: the longest address that SMTP carries, with some room.
const LOGIN_HINT_CHARS_MAX: usize = 320;
/// An account's id in characters; ours are shorter.
const ID_CHARS_MAX: usize = 64;
/// A `state` in bytes; ours have 43.
const STATE_BYTES_MAX: usize = 128;
/// An authorization code in bytes; Google's have about 75.
const CODE_BYTES_MAX: usize = 2_048;
/// The label of an account that was given none.
const DEFAULT_LABEL: &str = "Google account";

/// What to connect.
#[derive(ToSchema)]
pub(super) struct StartRequest {
    /// A name for people.
    #[schema(min_length = 1, max_length = 200)]
    label: Option<String>,
    /// The account to connect again.
    account_id: Option<String>,
    /// The user's address, to preselect the account at Google. Not stored.
    #[schema(min_length = 1, max_length = 320)]
    login_hint: Option<String>,
}

impl FromBody for StartRequest {
    fn read(body: &mut BodyReader) -> Result<Self, Noted> {
        let (label, account_id) = (body.text("label", LABEL_CHARS_MAX), body.text("account_id", ID_CHARS_MAX));
        let login_hint = body.text("login_hint", LOGIN_HINT_CHARS_MAX);
        Ok(Self { label: label?, account_id: account_id?, login_hint: login_hint? })
    }
}

/// Where to send the user's browser.
#[derive(Serialize, ToSchema)]
pub(super) struct StartBody {
    /// The consent page; to be opened in the browser of the person whose calendars they are.
    authorization_url: String,
    /// The account that is being connected; it can be seen once the person has consented.
    account_id: String,
    /// The consent is worth nothing later than that.
    expires_at: DateTime<Utc>,
}

/// Begins to connect an account at Google.
#[utoipa::path(
    post, path = "/v1/oauth/google/start", tag = "accounts", security(("api_key" = [])), request_body = StartRequest,
    responses((status = 201, description = "Where to send the browser.", body = StartBody), MissingAccount, NotConnected, BodyRefusals)
)]
pub(super) async fn start(
    Writer(caller): Writer,
    State(state): State<AppState>,
    ApiBody(request): ApiBody<StartRequest>,
) -> Result<(StatusCode, Json<StartBody>), Problem> {
    let label = request.label.unwrap_or_else(|| DEFAULT_LABEL.to_owned());
    let account_id = match &request.account_id {
        Some(id) => {
            let account = account_of(&state, caller, id).await?;
            reconnectable(&account).map_err(|detail| Problem::new(ProblemKind::AccountDisconnected, detail))?;
            account.id
        }
        None if state.store.open_accounts(caller.tenant_id).await? >= i64::from(caller.limits.accounts_max) => {
            let detail = format!("Your tenant has all the {} accounts that it may have.", caller.limits.accounts_max);
            return Err(Problem::new(ProblemKind::AccountLimitReached, detail));
        }
        None => AccountId::generate(),
    };
    let (state_parameter, code_verifier) = (random::token()?, Secret::new(random::token()?));
    let now = state.clock.now();
    let redirect_uri = redirect_uri(&state)?;
    let consent = AuthorizationRequest {
        redirect_uri: redirect_uri.clone(),
        state: state_parameter.clone(),
        code_challenge: pkce_challenge(&code_verifier),
        login_hint: request.login_hint,
    };
    let attempt = AuthorizationAttempt {
        state_hash: hash(&state_parameter),
        tenant_id: caller.tenant_id,
        provider: Provider::Google,
        account_id,
        label,
        code_verifier,
        redirect_uri,
        created_at: now,
        expires_at: now + CONSENT_TIME,
    };
    state.store.insert_attempt(&attempt).await?;
    let body = StartBody {
        authorization_url: state.config.google.authorization_url(&consent).into(),
        account_id: account_id.to_string(),
        expires_at: attempt.expires_at,
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// What Google sends the browser back with (RFC 6749 section 4.1.2); other parameters are ignored, as it demands.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CallbackQuery {
    /// What we sent to the consent page.
    state: Option<String>,
    /// What the account's tokens are had for.
    code: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Where Google sends the browser back to. The `state` is the only proof of who asked, so it is good for one use.
#[utoipa::path(
    get, path = "/v1/oauth/google/callback", tag = "accounts", params(CallbackQuery),
    responses(
        (status = 200, description = "A page for the person: connected.", body = String, content_type = "text/html"),
        (status = 400, description = "A page for the person: not granted, or the link is no longer good.", body = String,
            content_type = "text/html"),
        (status = 409, description = "A page for the person: the account was disconnected, or there may be no more of them.",
            body = String, content_type = "text/html"),
        Unavailable
    )
)]
pub(super) async fn callback(
    State(state): State<AppState>,
    Source(source): Source,
    query: Result<Query<CallbackQuery>, QueryRejection>,
) -> Result<Page, Problem> {
    // For the person in the browser, a query that cannot be read is a link that is no longer good.
    let query = query.map_or_else(|_| CallbackQuery::default(), |Query(query)| query);
    // The consent is good for one use: a browser that goes away now takes nothing with it.
    let coming_back = come_back(state.clone(), source, query).in_current_span();
    let Some(coming_back) = state.consents.keep(coming_back) else {
        return Err(Problem::new(
            ProblemKind::Overloaded,
            "Too many people come back from the consent page; reload this page.",
        ));
    };
    let page = coming_back.await;
    page.unwrap_or_else(|_panicked| Err(Problem::of(ProblemKind::Internal)))
}

async fn come_back(state: AppState, source: IpAddr, query: CallbackQuery) -> Result<Page, Problem> {
    let attempt = match query.state.filter(|text| text.len() <= STATE_BYTES_MAX) {
        Some(text) => state.store.take_attempt(&hash(&text), state.clock.now()).await?,
        None => None,
    };
    let Some(attempt) = attempt else {
        let message = "a consent that nobody asked for, or that was used or too old";
        state.security.note(SecurityKind::OAuthStateRefused, source, message);
        return Ok(Page::UnknownAttempt);
    };
    if query.error.is_some() {
        return Ok(Page::NotGranted);
    }
    let Some(code) = query.code.filter(|code| !code.is_empty() && code.len() <= CODE_BYTES_MAX) else {
        return Ok(Page::NotGranted);
    };
    let credentials = Credentials::AuthorizationCode {
        code: Secret::new(code),
        code_verifier: attempt.code_verifier.clone(),
        redirect_uri: attempt.redirect_uri.clone(),
        before: None,
    };
    match keep(&state, &attempt, &credentials).await? {
        Kept::Of(account) => {
            state.accounts.authorized(&account).await;
            Ok(Page::Connected)
        }
        Kept::AccountGone => Ok(Page::AccountGone),
        Kept::TenantFull => Ok(Page::TenantFull),
    }
}

/// What became of a code.
enum Kept {
    /// It is in the store, as this account's.
    Of(Account),
    /// The account was disconnected meanwhile, or its tenant revoked.
    AccountGone,
    /// Its tenant may have no more accounts.
    TenantFull,
}

/// Puts the code into the store; from here on nothing is lost.
async fn keep(state: &AppState, attempt: &AuthorizationAttempt, credentials: &Credentials) -> Result<Kept, Problem> {
    if let Some(account) = state.store.account_of_tenant(attempt.tenant_id, attempt.account_id).await? {
        if reconnectable(&account).is_err() {
            return Ok(Kept::AccountGone);
        }
        return match state.store.replace_credentials(account.id, credentials).await {
            Ok(()) => Ok(Kept::Of(account)),
            // Disconnected or revoked since it was read.
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(Kept::AccountGone),
            Err(error) => Err(error.into()),
        };
    }
    let now = state.clock.now();
    let account = Account {
        id: attempt.account_id,
        tenant_id: attempt.tenant_id,
        provider: attempt.provider,
        label: attempt.label.clone(),
        state: AccountState::Connecting,
        detail: None,
        created_at: now,
        state_changed_at: now,
    };
    Ok(match state.store.insert_account(&account, credentials).await? {
        AccountAdmission::Inserted => Kept::Of(account),
        AccountAdmission::TenantFull => Kept::TenantFull,
        AccountAdmission::TenantRevoked => Kept::AccountGone,
    })
}

fn reconnectable(account: &Account) -> Result<(), &'static str> {
    match account.state {
        AccountState::Disconnecting | AccountState::Disconnected => {
            Err("This account was disconnected; connect it as a new one, without `account_id`.")
        }
        AccountState::Connecting | AccountState::Connected | AccountState::NeedsReauth => Ok(()),
    }
}

fn redirect_uri(state: &AppState) -> Result<String, Problem> {
    let url = state.config.public_url.join(OAUTH_CALLBACK);
    url.map(String::from).map_err(|_| Problem::of(ProblemKind::Internal))
}

fn hash(state_parameter: &str) -> [u8; 32] {
    Sha256::digest(state_parameter.as_bytes()).into()
}

impl From<RandomnessUnavailable> for Problem {
    fn from(error: RandomnessUnavailable) -> Self {
        tracing::error!(%error, "no secret can be made");
        Self::of(ProblemKind::Internal)
    }
}
