//! What happened, for people and tests: the audit log of the caller's tenant, and how often what was refused.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use evercal_domain::limits::API_PAGE_ROWS_MAX;
use serde::{Deserialize, Serialize};

use super::bodies::{AuditBody, List};
use super::calendars::calendar_of;
use crate::extract::{ApiQuery, Caller};
use crate::problem::Problem;
use crate::state::AppState;

/// Which entries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    calendar: Option<String>,
}

/// `GET /v1/audit?calendar=`: the newest entries, of one calendar or of all that the caller may see. Entries without a
/// tenant are about the installation and name nobody.
pub(super) async fn audit(
    caller: Caller,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Json<List<AuditBody>>, Problem> {
    let calendar = match query.calendar {
        Some(calendar) => Some(calendar_of(&state, caller, &calendar).await?.id),
        None => None,
    };
    let entries = state.store.audit_entries(calendar, API_PAGE_ROWS_MAX).await?;
    let visible = entries.into_iter().filter(|entry| entry.tenant_id.is_none_or(|tenant| tenant == caller.tenant_id));
    Ok(Json(List::whole(visible.map(AuditBody::from).collect())))
}

/// How often a kind of security event was seen.
#[derive(Serialize)]
pub(super) struct SecurityCountBody {
    kind: &'static str,
    count: i64,
}

/// `GET /v1/security-events`: counts by kind over the newest entries. They belong to no tenant, so no source is shown.
pub(super) async fn security_events(
    _: Caller,
    State(state): State<AppState>,
) -> Result<Json<List<SecurityCountBody>>, Problem> {
    let mut counts = BTreeMap::new();
    for event in state.store.security_events(API_PAGE_ROWS_MAX).await? {
        let count: &mut i64 = counts.entry(event.kind.as_str()).or_default();
        *count = count.saturating_add(event.count);
    }
    let items = counts.into_iter().map(|(kind, count)| SecurityCountBody { kind, count }).collect();
    Ok(Json(List::whole(items)))
}
