//! Connecting an account by consent: the code flow with PKCE (RFC 6749 section 4.1, RFC 7636). The gateway sends a browser
//! to the consent page and takes the code that comes back (`callback.rs`).

pub(super) mod callback;
mod pages;

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{DateTime, Duration, Utc};
use evercal_domain::account::Secret;
use evercal_domain::limits::LABEL_CHARS_MAX;
use evercal_domain::random::{self, RandomnessUnavailable};
use evercal_domain::{Account, AccountId, AccountState, Provider, TenantId};
use evercal_process::counted;
use evercal_providers::{AuthorizationRequest, Front, pkce_challenge};
use evercal_storage::AuthorizationAttempt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::accounts::account_of;
use crate::caller::Writer;
use crate::config::OAUTH_CALLBACK;
use crate::openapi::{BodyRefusals, MissingProvider, NotConnectable, NotConnected, Unavailable};
use crate::parameters::{ApiBody, BodyReader, FromBody, Invalid};
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

/// What to connect.
#[derive(ToSchema)]
#[schema(as = ConsentRequest)]
pub(super) struct StartRequest {
    /// A name for people.
    #[schema(min_length = 1, max_length = 200)]
    label: Option<String>,
    /// The account to connect again.
    account_id: Option<String>,
    /// The user's address, to preselect the account at the provider. Not stored.
    #[schema(min_length = 1, max_length = 320)]
    login_hint: Option<String>,
    /// Connect a user who is connected by another account of yours already: their calendars are then mirrored twice.
    #[schema(required = false, default = false)]
    allow_duplicate: bool,
}

impl FromBody for StartRequest {
    fn read(body: &mut BodyReader) -> Result<Self, Invalid> {
        let (label, account_id) = (body.text("label", LABEL_CHARS_MAX), body.text("account_id", ID_CHARS_MAX));
        let login_hint = body.text("login_hint", LOGIN_HINT_CHARS_MAX);
        let allow_duplicate = body.flag("allow_duplicate");
        let (label, account_id, login_hint) = (label?, account_id?, login_hint?);
        Ok(Self { label, account_id, login_hint, allow_duplicate: allow_duplicate? })
    }
}

/// Where to send the user's browser.
#[derive(Serialize, ToSchema)]
#[schema(as = Consent)]
pub(super) struct StartBody {
    /// The consent page; to be opened in the browser of the person whose calendars they are.
    authorization_url: String,
    /// The account that is being connected; it can be seen once the person has consented.
    account_id: String,
    /// The consent is worth nothing later than that.
    expires_at: DateTime<Utc>,
}

/// Begins to connect an account at a provider.
#[utoipa::path(
    post, operation_id = "start_consent", path = "/v1/oauth/{provider}/start", tag = "accounts", security(("api_key" = [])),
    params(("provider" = String, Path, description = "The provider's name, as accounts have it.")), request_body = StartRequest,
    responses(
        (status = 201, description = "Where to send the browser.", body = StartBody),
        NotConnectable, NotConnected, BodyRefusals
    )
)]
pub(super) async fn start(
    Writer(caller): Writer,
    State(state): State<AppState>,
    Path(provider): Path<String>,
    ApiBody(request): ApiBody<StartRequest>,
) -> Result<(StatusCode, Json<StartBody>), Problem> {
    let front = state.front(&provider)?;
    let label = request.label.unwrap_or_else(|| format!("{} account", front.profile.title));
    let account_id = match &request.account_id {
        Some(id) => {
            let account = account_of(&state, caller, id).await?;
            if account.provider != front.profile.provider {
                return Err(Problem::of(ProblemKind::AccountNotFound));
            }
            reconnectable(&account).map_err(|detail| Problem::new(ProblemKind::AccountDisconnected, detail))?;
            account.id
        }
        None if state.store.open_accounts(caller.tenant_id).await? >= i64::from(caller.limits.accounts_max) => {
            let detail = format!("Your tenant has all the {} accounts that it may have.", caller.limits.accounts_max);
            return Err(Problem::new(ProblemKind::AccountLimitReached, detail));
        }
        None => AccountId::generate(),
    };
    let wanted = Wanted { account_id, label, login_hint: request.login_hint, allow_duplicate: request.allow_duplicate };
    Ok((StatusCode::CREATED, Json(begin(&state, front, caller.tenant_id, wanted).await?)))
}

/// What is to be connected.
struct Wanted {
    account_id: AccountId,
    label: String,
    login_hint: Option<String>,
    allow_duplicate: bool,
}

/// Remembers what has to come back, and makes the address to send the browser to.
async fn begin(state: &AppState, front: &Front, tenant_id: TenantId, wanted: Wanted) -> Result<StartBody, Problem> {
    let Wanted { account_id, label, login_hint, allow_duplicate } = wanted;
    let (state_parameter, code_verifier) = (random::token()?, Secret::new(random::token()?));
    let now = state.clock.now();
    let redirect_uri = redirect_uri(state, front.profile.provider)?;
    let consent = AuthorizationRequest {
        redirect_uri: redirect_uri.clone(),
        state: state_parameter.clone(),
        code_challenge: pkce_challenge(&code_verifier),
        login_hint,
    };
    let attempt = AuthorizationAttempt {
        state_hash: hash(&state_parameter),
        tenant_id,
        provider: front.profile.provider,
        account_id,
        label,
        code_verifier,
        redirect_uri,
        created_at: now,
        expires_at: now + CONSENT_TIME,
        allow_duplicate,
    };
    state.store.insert_attempt(&attempt).await?;
    Ok(StartBody {
        authorization_url: front.edge.consent.authorization_url(&consent).into(),
        account_id: account_id.to_string(),
        expires_at: attempt.expires_at,
    })
}

/// What the button of a page sends.
#[derive(Deserialize, ToSchema)]
pub(super) struct AgainForm {
    /// The `state` of the consent that came to nothing.
    state: String,
}

/// Begins a consent anew that came to nothing, for whoever has its `state`: the page of such a consent has a button for it.
#[utoipa::path(
    post, operation_id = "restart_consent", path = "/v1/oauth/{provider}/again", tag = "accounts",
    params(("provider" = String, Path, description = "The provider's name, as accounts have it.")),
    request_body(content = AgainForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "To the consent page."),
        (status = 400, description = "A page for the person: the link is no longer good.", body = String,
            content_type = "text/html"),
        MissingProvider, Unavailable
    )
)]
pub(super) async fn again(
    State(state): State<AppState>,
    Path(provider): Path<String>,
    form: Result<Form<AgainForm>, FormRejection>,
) -> Result<Response, Problem> {
    let front = state.front(&provider)?;
    // For the person in the browser, a form that cannot be read is a link that is no longer good.
    let state_parameter = form.map_or_else(|_| String::new(), |Form(form)| form.state);
    let known = state_parameter.len() <= STATE_BYTES_MAX;
    let attempt =
        if known { state.store.ended_attempt(&hash(&state_parameter), state.clock.now()).await? } else { None };
    let Some(attempt) = attempt.filter(|attempt| attempt.provider == front.profile.provider) else {
        return Ok(Page::UnknownAttempt.into_answer(front, ""));
    };
    let AuthorizationAttempt { tenant_id, account_id, label, allow_duplicate, .. } = attempt;
    let wanted = Wanted { account_id, label, login_hint: None, allow_duplicate };
    let begun = begin(&state, front, tenant_id, wanted).await?;
    Ok(Redirect::to(&begun.authorization_url).into_response())
}

fn reconnectable(account: &Account) -> Result<(), &'static str> {
    match account.state {
        AccountState::Disconnecting | AccountState::Disconnected => {
            Err("This account was disconnected; connect it as a new one, without `account_id`.")
        }
        AccountState::Connecting | AccountState::Connected | AccountState::NeedsReauth | AccountState::Duplicate => {
            Ok(())
        }
    }
}

fn redirect_uri(state: &AppState, provider: Provider) -> Result<String, Problem> {
    let url = state.config.public_url.join(&OAUTH_CALLBACK.replace("{provider}", provider.as_str()));
    url.map(String::from).map_err(|_| Problem::of(ProblemKind::Internal))
}

fn hash(state_parameter: &str) -> [u8; 32] {
    Sha256::digest(state_parameter.as_bytes()).into()
}

impl From<RandomnessUnavailable> for Problem {
    fn from(error: RandomnessUnavailable) -> Self {
        counted!(error, "no secret can be made", %error);
        Self::of(ProblemKind::Internal)
    }
}
