//! Health, for supervisors and load balancers. No key, and nothing in it that would need one. Nobody who asks makes a call to
//! the store or to Temporal: the answer is what the heartbeat found last (`catch_up.rs`), and what the background tasks show of
//! themselves.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::journal::IncidentKind;
use evercal_domain::zones;
use evercal_process::{SilentTask, log_lines_lost};
use evercal_providers::registry;
use evercal_storage::ProviderIncident;
use serde::Serialize;
use utoipa::ToSchema;

use crate::catch_up::HealthSnapshot;
use crate::openapi::Unavailable;
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;
use crate::vocabulary::{HealthStatus, HealthStatusName, ProviderName};

const NO_WORKER: &str = "No worker shows a sign of life: no calendar is synced and no channel is renewed.";

/// The answer of a healthy service.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct Healthy {
    /// `ok`; a service that is not healthy answers with a problem.
    status: HealthStatusName,
}

/// Whether the process answers.
#[utoipa::path(
    get, operation_id = "get_liveness", path = "/health/live", tag = "operators",
    responses((status = 200, description = "It does.", body = Healthy), Unavailable)
)]
pub(super) async fn live() -> Json<Healthy> {
    Json(Healthy { status: HealthStatusName(HealthStatus::Ok) })
}

/// Whether notices can be taken, because store and Temporal answer and all background tasks of this gateway are alive.
#[utoipa::path(
    get, operation_id = "get_readiness", path = "/health/ready", tag = "operators",
    responses((status = 200, description = "They can.", body = Healthy), Unavailable)
)]
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Healthy>, Problem> {
    // Without a worker, or a provider that answers, notices are taken and wait in Temporal.
    let waits = |part| matches!(part, Component::Workers | Component::Provider);
    match problems(&state).into_iter().find(|problem| !waits(problem.part)) {
        None => Ok(Json(Healthy { status: HealthStatusName(HealthStatus::Ok) })),
        Some(HealthProblem { part, detail, .. }) => {
            let kind = match part {
                Component::Store => ProblemKind::StoreUnavailable,
                Component::Temporal => ProblemKind::TemporalUnavailable,
                Component::Workers | Component::Provider | Component::Gateway => ProblemKind::NotReady,
            };
            Err(Problem::new(kind, detail))
        }
    }
}

/// Whether calendars are kept fresh.
#[derive(Serialize, ToSchema)]
pub(super) struct SyncHealth {
    /// How it stands.
    status: HealthStatusName,
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
    healthy_at: Option<DateTime<Utc>>,
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
    provider: ProviderName,
    /// The provider's own word for it.
    #[schema(example = "accessNotConfigured")]
    cause: String,
    /// Since when. Nobody knows until when: it is asked again every half minute.
    since: DateTime<Utc>,
}

impl ProviderTroubleBody {
    fn of_refusal(incident: ProviderIncident) -> Option<Self> {
        let ProviderIncident { provider, kind, cause, since, reported_at: _ } = incident;
        (kind == IncidentKind::Refused).then_some(Self { provider: ProviderName(provider), cause, since })
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
    part: Component,
    /// What is wrong with it.
    detail: String,
    /// Since when, where that is known.
    since: Option<DateTime<Utc>>,
}

/// What can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Part)]
pub(super) enum Component {
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
    let snapshot = snapshot(&state).unwrap_or_default();
    let status = match (problems.is_empty(), snapshot.catching_up) {
        (false, _) => HealthStatus::Down,
        (true, true) => HealthStatus::CatchingUp,
        (true, false) => HealthStatus::Ok,
    };
    Json(SyncHealth {
        status: HealthStatusName(status),
        temporal: snapshot.temporal,
        store: snapshot.store,
        workers: snapshot.workers.alive,
        problems,
        warnings: warnings(&state, &snapshot),
        providers: snapshot.providers.incidents.into_iter().filter_map(ProviderTroubleBody::of_refusal).collect(),
        healthy_at: snapshot.healthy_at,
        log_lines_lost: log_lines_lost(),
        zone_data: ZoneDataBody::now(),
    })
}

fn problems(state: &AppState) -> Vec<HealthProblem> {
    let silent = state.tasks.silent().into_iter().map(|task| {
        let SilentTask { name, silent_for } = task;
        let detail = format!("The background task `{name}` has shown no sign of life for {} s.", silent_for.as_secs());
        let since = TimeDelta::from_std(silent_for).ok().map(|silent_for| state.clock.now() - silent_for);
        HealthProblem { part: Component::Gateway, detail, since }
    });
    let mut problems: Vec<HealthProblem> = silent.collect();
    let Some(snapshot) = snapshot(state) else {
        if problems.is_empty() {
            let detail = "The gateway has not checked yet whether store and Temporal answer.".to_owned();
            problems.push(HealthProblem { part: Component::Gateway, detail, since: None });
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
        Some(sentence) => problem(true, Component::Store, &sentence, since),
        None => problem(!snapshot.store, Component::Store, "The store does not answer.", snapshot.store_away_since),
    }
    problem(!snapshot.temporal, Component::Temporal, "Temporal does not answer.", snapshot.temporal_away_since);
    // Workers show their signs of life in the store: without it nothing is known of them.
    let are_missing = snapshot.store && snapshot.workers.alive == 0;
    problem(are_missing, Component::Workers, NO_WORKER, snapshot.workers.missing_since);
    for ProviderIncident { provider, kind, cause, since, reported_at: _ } in &snapshot.providers.incidents {
        let title = registry::named(provider.as_str()).map_or(provider.as_str(), |known| known.profile.title);
        let detail = match kind {
            IncidentKind::Refused => {
                format!("{title} refuses this installation ({cause}): its calendars are not read meanwhile.")
            }
            IncidentKind::Off => format!(
                "{title} is off in a gateway or a worker, although accounts are connected there: {cause} is not set."
            ),
        };
        problem(true, Component::Provider, &detail, Some(*since));
    }
    problems
}

/// What is wrong with the store, and keeps nobody from working with it; and what keeps new accounts from being connected.
fn warnings(state: &AppState, snapshot: &HealthSnapshot) -> Vec<String> {
    let condition = state.store_watch.condition();
    let of_store = condition.sentence().filter(|_| condition.is_usable());
    let of_client = snapshot.providers.client_alerts.iter().map(|alert| {
        let at = alert.at.format("%Y-%m-%d %H:%M:%S UTC");
        format!("{} (seen at {at})", alert.message)
    });
    of_store.into_iter().chain(of_client).collect()
}

fn snapshot(state: &AppState) -> Option<HealthSnapshot> {
    state.health.snapshot(state.clock.now(), state.config.catch_up.standstill)
}
