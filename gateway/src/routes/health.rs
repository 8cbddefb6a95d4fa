//! Health, for supervisors and load balancers. No key, and nothing in it that would need one. Nobody who asks makes a call to
//! the store or to Temporal: the answer is what the heartbeat saw last (`catch_up.rs`), and what the background tasks show of
//! themselves.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::{Provider, zones};
use evercal_process::{SilentTask, log_lines_lost};
use evercal_storage::ProviderIncident;
use serde::Serialize;
use utoipa::ToSchema;

use crate::catch_up::Seen;
use crate::openapi::Unavailable;
use crate::problem::{Problem, ProblemKind};
use crate::providers::ProviderOff;
use crate::state::AppState;
use crate::vocabulary::{HealthStatusName, ProviderName};

const NO_WORKER: &str = "No worker shows a sign of life: no calendar is synced and no channel is renewed.";

/// The answer of a healthy service.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct Healthy {
    /// `ok`; a service that is not healthy answers with a problem.
    #[schema(value_type = HealthStatusName)]
    status: &'static str,
}

/// Whether the process answers.
#[utoipa::path(
    get, operation_id = "get_liveness", path = "/health/live", tag = "operators",
    responses((status = 200, description = "It does.", body = Healthy), Unavailable)
)]
pub(super) async fn live() -> Json<Healthy> {
    Json(Healthy { status: "ok" })
}

/// Whether notices can be taken, because store and Temporal answer and all background tasks of this gateway are alive.
#[utoipa::path(
    get, operation_id = "get_readiness", path = "/health/ready", tag = "operators",
    responses((status = 200, description = "They can.", body = Healthy), Unavailable)
)]
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Healthy>, Problem> {
    // Without a worker, or a provider that answers, notices are taken and wait in Temporal.
    let waits = |part| matches!(part, Part::Workers | Part::Provider);
    match problems(&state).into_iter().find(|problem| !waits(problem.part)) {
        None => Ok(Json(Healthy { status: "ok" })),
        Some(HealthProblem { part, detail, .. }) => {
            let kind = match part {
                Part::Store => ProblemKind::StoreUnavailable,
                Part::Temporal => ProblemKind::TemporalUnavailable,
                Part::Workers | Part::Provider | Part::Gateway => ProblemKind::NotReady,
            };
            Err(Problem::new(kind, detail))
        }
    }
}

/// Whether calendars are kept fresh.
#[derive(Serialize, ToSchema)]
pub(super) struct SyncHealth {
    /// How it stands.
    #[schema(value_type = HealthStatusName)]
    status: &'static str,
    /// Whether Temporal answers.
    temporal: bool,
    /// Whether the store answers.
    store: bool,
    /// How many workers have shown a sign of life within the last seconds.
    workers: usize,
    /// What is wrong; empty unless the status is `down`.
    problems: Vec<HealthProblem>,
    /// The providers that refuse this installation, whoever's calendar it is. An operator has to act there.
    providers: Vec<ProviderTroubleBody>,
    /// What somebody should look at although calendars are kept fresh, such as damaged pages of the database.
    warnings: Vec<String>,
    /// When the catch-up backlog was last empty.
    well_at: Option<DateTime<Utc>>,
    /// Lines that this gateway could not write into its log since its start.
    log_lines_lost: u64,
    /// The time zone data by which this gateway goes.
    zone_data: ZoneDataBody,
}

/// A provider that refuses this installation.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderTrouble)]
pub(super) struct ProviderTroubleBody {
    /// Which provider.
    #[schema(value_type = ProviderName)]
    provider: Provider,
    /// The provider's own word for it.
    #[schema(example = "accessNotConfigured")]
    cause: String,
    /// Since when. Nobody knows until when: it is asked again every half minute.
    since: DateTime<Utc>,
}

impl From<ProviderIncident> for ProviderTroubleBody {
    fn from(incident: ProviderIncident) -> Self {
        Self { provider: incident.provider, cause: incident.cause, since: incident.since }
    }
}

/// The time zone data by which this gateway goes.
#[derive(Serialize, ToSchema)]
#[schema(as = ZoneData)]
pub(super) struct ZoneDataBody {
    /// IANA's version, as in `2026f`.
    version: String,
    /// `compiled in`, or the folder of the machine.
    source: String,
}

impl ZoneDataBody {
    fn now() -> Self {
        Self { version: zones::version().to_string(), source: zones::source().to_string() }
    }
}

/// Something that keeps calendars from being fresh.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthProblem {
    /// What it is about.
    part: Part,
    /// What is wrong with it.
    detail: String,
    /// Since when, where that is known.
    since: Option<DateTime<Utc>>,
}

/// What can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// The store does not answer.
    Store,
    /// Temporal does not answer.
    Temporal,
    /// No worker is alive.
    Workers,
    /// A provider refuses this installation, or is off although accounts are connected there.
    Provider,
    /// A background task of this gateway.
    Gateway,
}

/// Whether calendars are kept fresh.
#[utoipa::path(
    get, operation_id = "get_sync_health", path = "/api/health/sync", tag = "operators",
    responses((status = 200, description = "How it stands.", body = SyncHealth), Unavailable)
)]
pub(super) async fn sync(State(state): State<AppState>) -> Json<SyncHealth> {
    let problems = problems(&state);
    let seen = seen(&state).unwrap_or_default();
    let status = match (problems.is_empty(), seen.catching_up) {
        (false, _) => "down",
        (true, true) => "catching_up",
        (true, false) => "ok",
    };
    Json(SyncHealth {
        status,
        temporal: seen.temporal,
        store: seen.store,
        workers: seen.workers.alive,
        problems,
        warnings: warnings(&state, &seen),
        providers: seen.providers.incidents.into_iter().map(ProviderTroubleBody::from).collect(),
        well_at: seen.well_at,
        log_lines_lost: log_lines_lost(),
        zone_data: ZoneDataBody::now(),
    })
}

fn problems(state: &AppState) -> Vec<HealthProblem> {
    let silent = state.tasks.silent().into_iter().map(|task| {
        let SilentTask { name, silent_for } = task;
        let detail = format!("The background task `{name}` has shown no sign of life for {} s.", silent_for.as_secs());
        let since = TimeDelta::from_std(silent_for).ok().map(|silent_for| state.clock.now() - silent_for);
        HealthProblem { part: Part::Gateway, detail, since }
    });
    let mut problems: Vec<HealthProblem> = silent.collect();
    let Some(seen) = seen(state) else {
        if problems.is_empty() {
            let detail = "The gateway has not looked yet whether store and Temporal answer.".to_owned();
            problems.push(HealthProblem { part: Part::Gateway, detail, since: None });
        }
        return problems;
    };
    let mut problem = |is_there: bool, part, detail: &str, since| {
        if is_there {
            problems.push(HealthProblem { part, detail: detail.to_owned(), since });
        }
    };
    let condition = state.store_watch.condition();
    let trouble = condition.sentence().filter(|_| condition.is_unfit() || !condition.can_read());
    let since = condition.trouble().map(|trouble| trouble.since);
    match trouble {
        Some(sentence) => problem(true, Part::Store, &sentence, since),
        None => problem(!seen.store, Part::Store, "The store does not answer.", seen.store_away_since),
    }
    problem(!seen.temporal, Part::Temporal, "Temporal does not answer.", seen.temporal_away_since);
    // Workers show their signs of life in the store: without it nothing is known of them.
    let are_missing = seen.store && seen.workers.alive == 0;
    problem(are_missing, Part::Workers, NO_WORKER, seen.workers.missing_since);
    for ProviderIncident { provider, cause, since } in &seen.providers.incidents {
        let detail = format!("{provider} refuses this installation ({cause}): its calendars are not read meanwhile.");
        problem(true, Part::Provider, &detail, Some(*since));
    }
    for ProviderOff { title, turned_on_by } in &seen.providers.off {
        let detail = format!("{title} is off, although accounts are connected there: {turned_on_by} is not set.");
        problem(true, Part::Provider, &detail, None);
    }
    problems
}

/// What is wrong with the store, and keeps nobody from working with it; and what keeps new accounts from being connected.
fn warnings(state: &AppState, seen: &Seen) -> Vec<String> {
    let condition = state.store_watch.condition();
    let of_store = condition.sentence().filter(|_| condition.is_usable());
    let of_client = seen.providers.client_alerts.iter().map(|alert| {
        let at = alert.at.format("%Y-%m-%d %H:%M:%S UTC");
        format!("{} (seen at {at})", alert.message)
    });
    of_store.into_iter().chain(of_client).collect()
}

fn seen(state: &AppState) -> Option<Seen> {
    state.watch.seen(state.clock.now(), state.config.catch_up.standstill)
}
