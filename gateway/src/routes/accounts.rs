//! `/v1/accounts`: connected accounts of the caller's tenant.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use evercal_domain::{Account, AccountState};
use serde::{Deserialize, Serialize};

use super::bodies::{AccountBody, List};
use crate::accounts::AccountError;
use crate::caller::{Caller, Reader, Writer};
use crate::extract::{ApiQuery, id, page};
use crate::problem::Problem;
use crate::signals::AccountNews;
use crate::state::AppState;

/// Which page of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<u32>,
}

/// `GET /v1/accounts`
pub(super) async fn list(
    Reader(caller): Reader,
    State(state): State<AppState>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Json<List<AccountBody>>, Problem> {
    let page = page(paging.cursor, paging.limit)?;
    let accounts = state.store.accounts_of_tenant(caller.tenant_id, &page).await?;
    Ok(Json(List::of(accounts, AccountBody::from)))
}

/// `GET /v1/accounts/{id}`
pub(super) async fn one(
    Reader(caller): Reader,
    State(state): State<AppState>,
    Path(account): Path<String>,
) -> Result<Json<AccountBody>, Problem> {
    Ok(Json(account_of(&state, caller, &account).await?.into()))
}

/// The answer to a disconnect: it is under way.
#[derive(Serialize)]
pub(super) struct DisconnectBody {
    id: String,
    state: &'static str,
}

/// `DELETE /v1/accounts/{id}`: asks for it to be taken down; asking again is the same.
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
    let now = if told { AccountState::Disconnecting } else { AccountState::Disconnected };
    Ok((StatusCode::ACCEPTED, Json(DisconnectBody { id: account.id.to_string(), state: now.as_str() })))
}

/// The caller's account of this id.
pub(super) async fn account_of(state: &AppState, caller: Caller, account: &str) -> Result<Account, Problem> {
    let account = id(account, "account")?;
    state.store.account_of_tenant(caller.tenant_id, account).await?.ok_or_else(|| Problem::not_found("account"))
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => error.into(),
            AccountError::Signal(error) => {
                tracing::warn!(%error, "an account's workflow could not be told");
                Self::unavailable("The request could not be stored; try again.")
            }
        }
    }
}
