//! What happened, for people and tests: the audit log of the caller's tenant, and how often what was refused.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use evercal_storage::AuditOf;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::calendars::calendar_of;
use crate::bodies::AuditListBody;
use crate::caller::Operator;
use crate::cursor::Listing;
use crate::openapi::{ListRefusals, MissingCalendar, NotModified, Refusals};
use crate::parameters::{ApiQuery, FromQuery, Invalid, QueryReader};
use crate::problem::Problem;
use crate::state::AppState;
use crate::vocabulary::SecurityKindName;

/// Which entries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only entries about this calendar.
    calendar: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 100, required = false)]
    limit: u32,
}

impl FromQuery for AuditQuery {
    fn read(query: &mut QueryReader) -> Result<Self, Invalid> {
        let (calendar, cursor, limit) = (query.text("calendar"), query.text("cursor"), query.limit());
        Ok(Self { calendar: calendar?, cursor: cursor?, limit: limit? })
    }
}

/// The entries of the audit log, of one calendar or of all that the caller may see. Entries without a tenant are
/// about the installation and name nobody.
#[utoipa::path(
    get, operation_id = "list_audit_entries", path = "/v1/audit", tag = "operators", params(AuditQuery), security(("api_key" = [])),
    responses((status = 200, description = "A page of entries, newest first.", body = AuditListBody), NotModified, MissingCalendar, ListRefusals)
)]
pub(super) async fn audit(
    Operator(caller): Operator,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Json<AuditListBody>, Problem> {
    let listing = Listing::of(&["audit", query.calendar.as_deref().unwrap_or_default()]);
    let (page, _) = listing.page(query.cursor.as_deref(), query.limit)?;
    let of = match query.calendar {
        Some(calendar) => AuditOf::Calendar(calendar_of(&state, caller, &calendar).await?.id),
        None => AuditOf::Tenant(caller.tenant_id),
    };
    let entries = state.store.audit_entries(of, &page).await?;
    Ok(Json(AuditListBody::of(listing.with_cursor(entries, ""))))
}

/// How often each kind of security event was seen.
#[derive(Serialize, ToSchema)]
#[schema(as = SecurityCountList)]
pub(super) struct SecurityCountListBody {
    /// A row for each kind that was seen.
    items: Vec<SecurityCountBody>,
    /// Always null: the list has one page.
    next_cursor: Option<String>,
}

/// How often a kind of security event was seen within the last 30 days.
#[derive(Serialize, ToSchema)]
#[schema(as = SecurityCount)]
pub(super) struct SecurityCountBody {
    /// What was refused.
    kind: SecurityKindName,
    /// How often.
    count: i64,
    /// When it was first seen within that time.
    first_at: DateTime<Utc>,
    /// When it was last seen.
    last_at: DateTime<Utc>,
    /// From so many networks, each day's counted for itself; beyond 256 a day they count as one.
    networks: i64,
}

/// How often what was refused or suspicious, by kind, within the last 30 days. It belongs to no tenant, so no source is
/// shown.
#[utoipa::path(
    get, operation_id = "count_security_events", path = "/v1/security-events", tag = "operators", security(("api_key" = [])),
    responses((status = 200, description = "The counts.", body = SecurityCountListBody), NotModified, Refusals)
)]
pub(super) async fn security_events(
    Operator(_caller): Operator,
    State(state): State<AppState>,
) -> Result<Json<SecurityCountListBody>, Problem> {
    let items = state.store.security_counts().await?.into_iter().map(|counted| SecurityCountBody {
        kind: SecurityKindName(counted.kind),
        count: counted.count,
        first_at: counted.first_at,
        last_at: counted.last_at,
        networks: counted.sources,
    });
    Ok(Json(SecurityCountListBody { items: items.collect(), next_cursor: None }))
}
