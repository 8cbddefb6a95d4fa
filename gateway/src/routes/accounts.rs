//! `/v1/accounts`: connected accounts of the caller's tenant.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use evercal_domain::{Account, AccountState};
use evercal_process::counted;
use evercal_workflow_client::{AccountSignal, CallError, SignalOutcome};
use evercal_workflows::names;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use crate::bodies::{AccountBody, AccountListBody};
use crate::caller::{Caller, Reader, Writer};
use crate::cursor::Listing;
use crate::extract::id;
use crate::openapi::{ListRefusals, MissingAccount, NotListed, NotModified, NotSignalled, Refusals};
use crate::parameters::{ApiQuery, FromQuery, Invalid, QueryReader};
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;
use crate::vocabulary::{AccountStateName, SyncState, SyncStateName, WorkflowState, WorkflowStateName};

/// How long it may take to find out whether a workflow runs.
const WORKFLOW_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two checks whether a list of calendars was read.
const LISTED_POLL: Duration = Duration::from_millis(200);

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// The `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 100, required = false)]
    pub(super) limit: u32,
}

impl FromQuery for Paging {
    fn read(query: &mut QueryReader) -> Result<Self, Invalid> {
        let (cursor, limit) = (query.text("cursor"), query.limit());
        Ok(Self { cursor: cursor?, limit: limit? })
    }
}

/// The connected accounts.
#[utoipa::path(
    get, operation_id = "list_accounts", path = "/v1/accounts", tag = "accounts", params(Paging), security(("api_key" = [])),
    responses((status = 200, description = "A page of accounts, oldest first.", body = AccountListBody), NotModified, ListRefusals)
)]
pub(super) async fn list(
    Reader(caller): Reader,
    State(state): State<AppState>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Json<AccountListBody>, Problem> {
    let listing = Listing::of(&["accounts"]);
    let (page, _) = listing.page(paging.cursor.as_deref(), paging.limit)?;
    let mut accounts = state.store.accounts_of_tenant(caller.tenant_id, &page).await?;
    accounts.items.iter_mut().for_each(|account| say_if_off(&state, account));
    Ok(Json(AccountListBody::of(listing.with_cursor(accounts, ""))))
}

/// An account in full.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountStatus)]
pub(super) struct AccountStatusBody {
    #[serde(flatten)]
    account: AccountBody,
    /// Whether its workflow runs.
    workflow: WorkflowStateName,
}

/// One account.
#[utoipa::path(
    get, operation_id = "get_account", path = "/v1/accounts/{id}", tag = "accounts", security(("api_key" = [])),
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, description = "The account.", body = AccountStatusBody), NotModified, MissingAccount, Refusals)
)]
pub(super) async fn one(
    Reader(caller): Reader,
    State(state): State<AppState>,
    Path(account): Path<String>,
) -> Result<Json<AccountStatusBody>, Problem> {
    let mut account = account_of(&state, caller, &account).await?;
    say_if_off(&state, &mut account);
    let workflow = match account.state {
        AccountState::Disconnected => WorkflowState::Ended,
        _ => workflow_state(&state, &names::account_id(account.id)).await,
    };
    Ok(Json(AccountStatusBody { account: account.into(), workflow: WorkflowStateName(workflow) }))
}

/// An account whose provider is off says so at once: its workflow notices with the next call alone.
fn say_if_off(state: &AppState, account: &mut Account) {
    let is_off = !state.config.fronts.contains_key(&account.provider);
    if is_off && account.state != AccountState::Disconnected && account.detail.is_none() {
        account.detail =
            Some("this installation is not set up for the account's provider: its operator has to act".into());
    }
}

/// Whether a workflow that should run does.
pub(super) async fn workflow_state(state: &AppState, workflow_id: &str) -> WorkflowState {
    match tokio::time::timeout(WORKFLOW_TIMEOUT, state.workflows.is_running(workflow_id)).await {
        Ok(Ok(true)) => WorkflowState::Running,
        Ok(Ok(false)) => WorkflowState::Missing,
        // What it reads from the store is true without Temporal too.
        Ok(Err(_)) | Err(_) => WorkflowState::Unknown,
    }
}

/// How the reading of the list of calendars that was asked for went.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountRefresh)]
pub(super) struct RefreshBody {
    /// The account's id.
    account_id: String,
    /// Whether it has ended.
    state: SyncStateName,
    /// When the list was last read; null before it was.
    listed_at: Option<DateTime<Utc>>,
}

/// Reads an account's list of calendars now, whatever it waits for: new, renamed and re-zoned calendars show then. Waits up to
/// 30 s for a reading that began after the request.
#[utoipa::path(
    post, operation_id = "refresh_account", path = "/v1/accounts/{id}/refresh", tag = "accounts", security(("api_key" = [])),
    params(("id" = String, Path, description = "The account's id.")),
    responses(
        (status = 200, description = "The list was read.", body = RefreshBody),
        (status = 202, description = "It is going to be.", body = RefreshBody),
        MissingAccount, NotListed, Refusals, NotSignalled
    )
)]
pub(super) async fn refresh(
    Writer(caller): Writer,
    State(state): State<AppState>,
    Path(account): Path<String>,
) -> Result<(StatusCode, Json<RefreshBody>), Problem> {
    let account = account_of(&state, caller, &account).await?;
    if !matches!(account.state, AccountState::Connecting | AccountState::Connected) {
        let detail = format!("The account is {}, so its calendars cannot be listed.", account.state.as_str());
        return Err(Problem::new(ProblemKind::AccountNotConnected, detail));
    }
    let asked_at = state.clock.now();
    let deadline = Instant::now() + state.config.limits.refresh_timeout;
    if state.accounts.signal(account.id, AccountSignal::Discover).await? == SignalOutcome::NoAccount {
        return Err(Problem::of(ProblemKind::AccountDisconnected));
    }
    loop {
        let listed_at = state.store.account(account.id).await?.and_then(|account| account.listed_at);
        let is_done = listed_at.is_some_and(|at| at >= asked_at);
        if is_done || Instant::now() >= deadline {
            let (status, state) =
                if is_done { (StatusCode::OK, SyncState::Done) } else { (StatusCode::ACCEPTED, SyncState::Underway) };
            let body = RefreshBody { account_id: account.id.to_string(), state: SyncStateName(state), listed_at };
            return Ok((status, Json(body)));
        }
        tokio::time::sleep_until((Instant::now() + LISTED_POLL).min(deadline)).await;
    }
}

/// The answer to a disconnect: it is under way.
#[derive(Serialize, ToSchema)]
#[schema(as = Disconnect)]
pub(super) struct DisconnectBody {
    /// The account's id.
    id: String,
    /// Its state: `disconnected` where it was that already.
    state: AccountStateName,
}

/// Disconnects an account: its channels are stopped, its tokens erased. Asking again is the same.
#[utoipa::path(
    delete, operation_id = "disconnect_account", path = "/v1/accounts/{id}", tag = "accounts", security(("api_key" = [])),
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 202, description = "It is being taken down.", body = DisconnectBody), MissingAccount, Refusals, NotSignalled)
)]
pub(super) async fn disconnect(
    Writer(caller): Writer,
    State(state): State<AppState>,
    Path(account): Path<String>,
) -> Result<(StatusCode, Json<DisconnectBody>), Problem> {
    let account = account_of(&state, caller, &account).await?;
    let outcome = match account.state {
        AccountState::Disconnected => SignalOutcome::NoAccount,
        _ => state.accounts.signal(account.id, AccountSignal::Disconnect).await?,
    };
    if outcome == SignalOutcome::Delivered {
        // Readers see it at once, and nobody connects it again meanwhile. The workflow writes it too.
        state.store.set_account_state(account.id, AccountState::Disconnecting, None, state.clock.now()).await?;
    }
    let now = match outcome {
        SignalOutcome::Delivered => AccountState::Disconnecting,
        SignalOutcome::NoAccount => AccountState::Disconnected,
    };
    Ok((StatusCode::ACCEPTED, Json(DisconnectBody { id: account.id.to_string(), state: AccountStateName(now) })))
}

/// The caller's account of this id.
pub(super) async fn account_of(state: &AppState, caller: Caller, account: &str) -> Result<Account, Problem> {
    let account = id(account, ProblemKind::AccountNotFound)?;
    let account = state.store.account_of_tenant(caller.tenant_id, account).await?;
    account.ok_or_else(|| Problem::of(ProblemKind::AccountNotFound))
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Store(error) => error.into(),
            CallError::Workflow(error) => {
                counted!(warn, "a workflow could not be signalled", %error);
                Self::new(ProblemKind::TemporalUnavailable, "The request could not be stored; try again.")
            }
        }
    }
}
