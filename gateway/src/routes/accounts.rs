//! `/v1/accounts`: connected accounts of the caller's tenant.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use evercal_domain::{Account, AccountState};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::bodies::{AccountBody, List};
use crate::accounts::AccountError;
use crate::caller::{Caller, Reader, Writer};
use crate::cursor::Listing;
use crate::extract::id;
use crate::openapi::{ListRefusals, MissingAccount, NotModified, Refusals, Untold};
use crate::parameters::{ApiQuery, FromQuery, Noted, QueryReader};
use crate::problem::{Problem, ProblemKind};
use crate::signals::AccountNews;
use crate::state::AppState;

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
    fn read(query: &mut QueryReader) -> Result<Self, Noted> {
        let (cursor, limit) = (query.text("cursor"), query.limit());
        Ok(Self { cursor: cursor?, limit: limit? })
    }
}

/// The connected accounts.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts", params(Paging), security(("api_key" = [])),
    responses((status = 200, description = "A page of accounts, oldest first.", body = List<AccountBody>), NotModified, ListRefusals)
)]
pub(super) async fn list(
    Reader(caller): Reader,
    State(state): State<AppState>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Json<List<AccountBody>>, Problem> {
    let listing = Listing::of(&["accounts"]);
    let (page, _) = listing.page(paging.cursor.as_deref(), paging.limit)?;
    let accounts = state.store.accounts_of_tenant(caller.tenant_id, &page).await?;
    Ok(Json(List::of(listing.with_cursor(accounts, ""), AccountBody::from)))
}

/// One account.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "accounts", security(("api_key" = [])),
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, description = "The account.", body = AccountBody), NotModified, MissingAccount, Refusals)
)]
pub(super) async fn one(
    Reader(caller): Reader,
    State(state): State<AppState>,
    Path(account): Path<String>,
) -> Result<Json<AccountBody>, Problem> {
    Ok(Json(account_of(&state, caller, &account).await?.into()))
}

/// The answer to a disconnect: it is under way.
#[derive(Serialize, ToSchema)]
pub(super) struct DisconnectBody {
    id: String,
    state: &'static str,
}

/// Disconnects an account: its channels are stopped, its tokens erased. Asking again is the same.
#[utoipa::path(
    delete, path = "/v1/accounts/{id}", tag = "accounts", security(("api_key" = [])),
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 202, description = "It is being taken down.", body = DisconnectBody), MissingAccount, Refusals, Untold)
)]
pub(super) async fn disconnect(
    Writer(caller): Writer,
    State(state): State<AppState>,
    Path(account): Path<String>,
) -> Result<(StatusCode, Json<DisconnectBody>), Problem> {
    let account = account_of(&state, caller, &account).await?;
    let told = match account.state {
        AccountState::Disconnected => false,
        _ => state.accounts.tell(account.id, AccountNews::Disconnect).await?,
    };
    if told {
        // Readers see it at once, and nobody connects it again meanwhile. The workflow writes it too.
        state.store.set_account_state(account.id, AccountState::Disconnecting, None, state.clock.now()).await?;
    }
    let now = if told { AccountState::Disconnecting } else { AccountState::Disconnected };
    Ok((StatusCode::ACCEPTED, Json(DisconnectBody { id: account.id.to_string(), state: now.as_str() })))
}

/// The caller's account of this id.
pub(super) async fn account_of(state: &AppState, caller: Caller, account: &str) -> Result<Account, Problem> {
    let account = id(account, ProblemKind::AccountNotFound)?;
    let account = state.store.account_of_tenant(caller.tenant_id, account).await?;
    account.ok_or_else(|| Problem::of(ProblemKind::AccountNotFound))
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => error.into(),
            AccountError::Signal(error) => {
                tracing::warn!(%error, "an account's workflow could not be told");
                Self::new(ProblemKind::TemporalUnavailable, "The request could not be stored; try again.")
            }
        }
    }
}
