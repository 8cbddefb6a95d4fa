//! Histories of workflows: fetched whole, replayed against today's code, and kept in `tests/histories/`.

use std::path::{Path, PathBuf};

use prost::Message as _;
use temporalio_client::WorkflowHistory;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::history::v1::History;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};
use tonic::IntoRequest;

use evercal_domain::{AccountId, CalendarId};
use evercal_workflows::{AccountWorkflow, PollingWorkflow, SubscriptionWorkflow, names};

use crate::world::World;

/// Set to a provider's name, it makes the system tests write the histories that they make into its folder below
/// `tests/histories/`: those of this provider have to be run.
const RECORD: &str = "EVERCAL_RECORD_HISTORIES";

/// All runs of a workflow, oldest first.
pub async fn of_workflow(world: &World, workflow_id: &str) -> Vec<History> {
    let handle =
        world.temporal.client.get_workflow_handle::<temporalio_common::UntypedWorkflow>(workflow_id.to_owned());
    let description = handle.describe(temporalio_client::WorkflowDescribeOptions::default()).await.expect("a workflow");
    let info = description.raw().workflow_execution_info.clone().expect("its description");
    let mut runs = Vec::new();
    let mut next = Some(info.first_run_id);
    while let Some(run_id) = next.take() {
        let run = of_run(world, workflow_id, &run_id).await;
        if let Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(end)) =
            run.events.last().and_then(|event| event.attributes.as_ref())
        {
            next = Some(end.new_execution_run_id.clone());
        }
        runs.push(run);
    }
    runs
}

/// How often a workflow has received a signal, over all its runs.
pub async fn signals(world: &World, workflow_id: &str, signal: &str) -> usize {
    let runs = of_workflow(world, workflow_id).await;
    let events = runs.iter().flat_map(|run| &run.events).filter_map(|event| event.attributes.as_ref());
    let signals = events.filter(|attributes| match attributes {
        Attributes::WorkflowExecutionSignaledEventAttributes(it) => it.signal_name == signal,
        _ => false,
    });
    signals.count()
}

/// How many attempts at activities Temporal had made again, over all runs of a workflow: it gives a call out anew whose worker
/// was too slow to show a sign of life, as on a busy machine.
pub async fn repeated_attempts(world: &World, workflow_id: &str) -> u64 {
    let runs = of_workflow(world, workflow_id).await;
    let events = runs.iter().flat_map(|run| &run.events).filter_map(|event| event.attributes.as_ref());
    let repeated = events.map(|attributes| match attributes {
        // The event has the number of the last attempt.
        Attributes::ActivityTaskStartedEventAttributes(it) => u64::try_from(it.attempt - 1).unwrap_or(0),
        Attributes::ActivityTaskTimedOutEventAttributes(_) => 1,
        _ => 0,
    });
    repeated.sum()
}

async fn of_run(world: &World, workflow_id: &str, run_id: &str) -> History {
    let mut connection = world.temporal.client.connection().clone();
    let mut history = History::default();
    let mut next_page_token = Vec::new();
    loop {
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: world.temporal.namespace.clone(),
            execution: Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.to_owned() }),
            next_page_token,
            ..Default::default()
        };
        let page = WorkflowService::get_workflow_execution_history(&mut connection, request.into_request()).await;
        let page = page.expect("a page of the history").into_inner();
        history.events.extend(page.history.unwrap_or_default().events);
        next_page_token = page.next_page_token;
        if next_page_token.is_empty() {
            return history;
        }
    }
}

/// Replays histories against today's code; an error names the first that does not go.
pub async fn replay(histories: Vec<(String, History)>) -> Result<(), String> {
    let replayer = replayer().expect("a replayer of our workflows");
    for (name, history) in histories {
        let history: WorkflowHistory = history.into();
        replayer.replay_workflow(history).await.map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn replayer() -> anyhow::Result<WorkflowReplayer> {
    let options = WorkflowReplayerOptions::new()
        .register_workflow::<SubscriptionWorkflow>()?
        .register_workflow::<AccountWorkflow>()?
        .register_workflow::<PollingWorkflow>()?
        .build();
    Ok(WorkflowReplayer::new(options)?)
}

/// Replays what a test has just made, and keeps it when somebody asked for that.
pub async fn replay_and_record(name: &str, runs: Vec<History>) {
    let named: Vec<(String, History)> =
        runs.into_iter().enumerate().map(|(number, run)| (format!("{name}-{number}"), run)).collect();
    if let Some(provider) = std::env::var_os(RECORD) {
        let folder = folder().join(provider);
        std::fs::create_dir_all(&folder).expect("the provider's folder");
        for (name, history) in &named {
            let file = folder.join(format!("{name}.pb"));
            std::fs::write(&file, history.encode_to_vec()).expect("the history is written");
        }
        // What had more runs when it was recorded before would be replayed for ever.
        let stale = (named.len()..).map(|number| folder.join(format!("{name}-{number}.pb")));
        for file in stale.take_while(|file| file.exists()) {
            std::fs::remove_file(file).expect("a stale history is removed");
        }
    }
    replay(named).await.expect("what has just run replays");
}

/// Replays and records a subscription, and its account where one is given, under a name.
pub async fn keep(world: &World, name: &str, calendar: CalendarId, account: Option<AccountId>) {
    let runs = of_workflow(world, &names::subscription_id(calendar)).await;
    replay_and_record(&format!("subscription-{name}"), runs).await;
    if let Some(account) = account {
        let runs = of_workflow(world, &names::account_id(account)).await;
        replay_and_record(&format!("account-{name}"), runs).await;
    }
}

/// The histories that are kept, by provider and name.
pub fn kept() -> Vec<(String, History)> {
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("a history");
        let provider = path.parent().and_then(Path::file_name).expect("a provider").to_string_lossy().into_owned();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (format!("{provider}/{name}"), History::decode(&bytes[..]).expect("a history as protobuf"))
    };
    let files = entries(&folder()).into_iter().flat_map(|provider| entries(&provider));
    let is_kept = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "pb");
    let mut kept: Vec<(String, History)> = files.filter(is_kept).map(read).collect();
    kept.sort_by(|one, other| one.0.cmp(&other.0));
    kept
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of histories");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("histories")
}
