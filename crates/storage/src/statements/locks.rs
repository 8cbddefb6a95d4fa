//! Rows that transactions take turns by.

use super::{Backend, Connection, Engine, failed};
use crate::error::StoreError;

/// What a transaction that holds a tenant's row knows of it.
pub struct LockedTenant {
    pub accounts_max: i64,
    pub is_revoked: bool,
}

/// Whoever adds an account to the tenant comes after this one.
const LOCK_TENANT: &str =
    "UPDATE tenants SET accounts_max = accounts_max WHERE id = $1 RETURNING accounts_max, revoked_at";

/// Holds a tenant's row until the transaction ends; `None` when there is no such tenant. `what` names the operation in errors.
pub async fn tenant(
    connection: &mut Connection,
    tenant: &str,
    what: &'static str,
) -> Result<Option<LockedTenant>, StoreError> {
    let row: Option<(i64, Option<i64>)> =
        sqlx::query_as(LOCK_TENANT).bind(tenant).fetch_optional(connection).await.map_err(failed(what))?;
    Ok(row.map(|(accounts_max, revoked_at)| LockedTenant { accounts_max, is_revoked: revoked_at.is_some() }))
}

/// The tenant of an account. Two lists of one account are compared one after the other: side by side, each would name the
/// other's calendars as vanished.
const LOCK_ACCOUNT: &str = if Backend::LOCKS_ROWS {
    "SELECT tenant_id FROM accounts WHERE id = $1 FOR UPDATE"
} else {
    "SELECT tenant_id FROM accounts WHERE id = $1"
};

/// Holds an account's row until the transaction ends, and answers its tenant; `None` when there is no such account. `what`
/// names the operation in errors.
pub async fn account(
    connection: &mut Connection,
    account: &str,
    what: &'static str,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar(LOCK_ACCOUNT).bind(account).fetch_optional(connection).await.map_err(failed(what))
}
