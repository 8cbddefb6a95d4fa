//! `GET /v1/calendars/{id}/events`: occurrences in a window, with how fresh they are.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Duration, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use evercal_domain::limits::READ_WINDOW_DAYS_MAX;
use evercal_domain::{Calendar, Via};
use evercal_storage::OccurrenceRange;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bodies::{List, OccurrenceBody};
use super::calendars::calendar_of;
use crate::caller::Reader;
use crate::extract::{ApiQuery, page};
use crate::openapi::{Missing, NotModified, Refusals};
use crate::problem::Problem;
use crate::state::AppState;

/// Which occurrences.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// The first moment (RFC 3339).
    #[param(required = true, value_type = DateTime<Utc>, nullable = false)]
    from: Option<String>,
    /// The moment before which they begin; at most 400 days after `from`.
    #[param(required = true, value_type = DateTime<Utc>, nullable = false)]
    to: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of a page; 100 when nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Occurrences by start, and when we last knew them to be complete.
#[derive(Serialize, ToSchema)]
pub(super) struct EventsBody {
    calendar_id: String,
    confirmed_at: Option<DateTime<Utc>>,
    via: Option<&'static str>,
    state: &'static str,
    #[serde(flatten)]
    list: List<OccurrenceBody>,
}

/// Events in a window, series as single occurrences, by start; all-day ones by the calendar's own dates.
#[utoipa::path(
    get, path = "/v1/calendars/{id}/events", tag = "calendars", security(("api_key" = [])),
    params(("id" = String, Path, description = "The calendar's id."), EventsQuery),
    responses((status = 200, description = "A page of occurrences.", body = EventsBody), NotModified, Missing, Refusals)
)]
pub(super) async fn list(
    Reader(caller): Reader,
    State(state): State<AppState>,
    Path(calendar): Path<String>,
    ApiQuery(query): ApiQuery<EventsQuery>,
) -> Result<Json<EventsBody>, Problem> {
    let from = instant("from", query.from.as_deref())?;
    let to = instant("to", query.to.as_deref())?;
    let page = page(query.cursor, query.limit)?;
    // Read before the occurrences: what they hold is at least as fresh as what we say.
    let calendar = calendar_of(&state, caller, &calendar).await?;
    let range = range(&calendar, from, to)?;
    let occurrences = state.store.occurrences(calendar.id, &range, &page).await?;
    Ok(Json(EventsBody {
        calendar_id: calendar.id.to_string(),
        confirmed_at: calendar.confirmed_at,
        via: calendar.confirmed_via.map(Via::as_str),
        state: calendar.state.as_str(),
        list: List::of(occurrences, OccurrenceBody::from),
    }))
}

fn instant(name: &str, text: Option<&str>) -> Result<DateTime<Utc>, Problem> {
    let expected = || Problem::bad_request(format!("`{name}` must be a time as in 2026-11-23T00:00:00Z (RFC 3339)."));
    let text = text.ok_or_else(expected)?;
    // In a query `+` stands for a space; an offset that was not escaped is meant all the same.
    let text = text.replace(' ', "+");
    DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc()).map_err(|_| expected())
}

/// The window, and the dates that it touches in the calendar's zone: dates are not instants.
fn range(calendar: &Calendar, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<OccurrenceRange, Problem> {
    if from >= to {
        return Err(Problem::bad_request("`from` must be before `to`."));
    }
    if to - from > Duration::days(READ_WINDOW_DAYS_MAX) {
        return Err(Problem::bad_request(format!("`to` may be at most {READ_WINDOW_DAYS_MAX} days after `from`.")));
    }
    let zone = calendar.remote.time_zone.as_deref().and_then(|name| name.parse::<Tz>().ok()).unwrap_or(Tz::UTC);
    let from_date = zone.from_utc_datetime(&from.naive_utc()).date_naive();
    let last = zone.from_utc_datetime(&to.naive_utc());
    let ends_at_midnight = last.time() == NaiveTime::MIN;
    let to_date = if ends_at_midnight { Some(last.date_naive()) } else { last.date_naive().succ_opt() };
    // The other way out of range is past the end of chrono's calendar, some 260,000 years ahead.
    let to_date = to_date.ok_or_else(|| Problem::bad_request("`to` is too far in the future."))?;
    Ok(OccurrenceRange { from, to, from_date, to_date })
}

#[cfg(test)]
mod tests;
