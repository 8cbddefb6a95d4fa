//! Makes sure that a server has our namespace and search attributes, and that they can be used already.
//! What is there is left alone, so that no rights are needed where an operator has prepared everything.

use std::collections::BTreeSet;
use std::time::Duration;

use temporalio_client::grpc::{OperatorService, WorkflowService};
use temporalio_client::{Connection, ConnectionOptions};
use temporalio_common::protos::temporal::api::enums::v1::{IndexedValueType, TaskQueueType};
use temporalio_common::protos::temporal::api::operatorservice::v1::{
    AddSearchAttributesRequest, ListSearchAttributesRequest,
};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, DescribeNamespaceRequest, DescribeTaskQueueRequest, RegisterNamespaceRequest,
};
use tokio::time::{Instant, sleep};
use tonic::{Code, IntoRequest, Status};
use url::Url;

use crate::error::DevserverError;
use crate::options::IndexedKind;

/// Time to connect, per attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long each step may take to show its effect.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two looks whether it has.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Connects to `address` (`host:port`, or a URL) without TLS.
pub async fn connect(address: &str) -> Result<Connection, DevserverError> {
    connect_by(connection_options(address)?).await
}

/// The options of a connection to `address` (`host:port`, or a URL), without TLS.
pub fn connection_options(address: &str) -> Result<ConnectionOptions, DevserverError> {
    let invalid = |_| DevserverError::InvalidAddress(address.to_owned());
    let url = if address.contains("://") { Url::parse(address) } else { Url::parse(&format!("http://{address}")) };
    Ok(ConnectionOptions::new(url.map_err(invalid)?).identity("evercal-devserver".to_owned()).build())
}

/// Connects, and gives up soon where nobody answers.
pub(crate) async fn connect_by(mut options: ConnectionOptions) -> Result<Connection, DevserverError> {
    let address = host_and_port(&options.target);
    options.connect_timeout = Some(CONNECT_TIMEOUT);
    Connection::connect(options).await.map_err(|source| DevserverError::Connect { address, source: Box::new(source) })
}

/// `host:port`, as far as the address names a port.
pub(crate) fn host_and_port(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    address.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Registers what is missing and returns once the namespace and all attributes can be used. Repeating it,
/// also from several processes at once, is fine. `retention` counts only for a new namespace.
pub async fn ensure_namespace(
    connection: &Connection,
    namespace: &str,
    retention: Duration,
    search_attributes: &[(String, IndexedKind)],
) -> Result<(), DevserverError> {
    let mut connection = connection.clone();
    ensure_registered(&mut connection, namespace, retention).await?;
    ensure_search_attributes(&mut connection, namespace, search_attributes).await
}

async fn ensure_registered(
    connection: &mut Connection,
    namespace: &str,
    retention: Duration,
) -> Result<(), DevserverError> {
    let describe = DescribeNamespaceRequest { namespace: namespace.to_owned(), ..Default::default() };
    let known = WorkflowService::describe_namespace(connection, describe.into_request()).await;
    match known {
        Ok(_) => return Ok(()),
        Err(status) if status.code() == Code::NotFound => {}
        Err(status) => return Err(rpc_error("describe namespace", namespace)(status)),
    }
    let register = RegisterNamespaceRequest {
        namespace: namespace.to_owned(),
        description: "evercal".to_owned(),
        workflow_execution_retention_period: Some(prost_wkt_types::Duration {
            seconds: i64::try_from(retention.as_secs()).unwrap_or(i64::MAX),
            nanos: 0,
        }),
        ..Default::default()
    };
    match WorkflowService::register_namespace(connection, register.into_request()).await {
        Ok(_) => {}
        Err(status) if status.code() == Code::AlreadyExists => {}
        Err(status) => return Err(rpc_error("register namespace", namespace)(status)),
    }
    // Described by the database, but used through a cache: only a call that goes through it tells.
    wait_until_counted(connection, namespace, String::new()).await
}

async fn ensure_search_attributes(
    connection: &mut Connection,
    namespace: &str,
    wanted: &[(String, IndexedKind)],
) -> Result<(), DevserverError> {
    let list = ListSearchAttributesRequest { namespace: namespace.to_owned() };
    let present = OperatorService::list_search_attributes(connection, list.into_request())
        .await
        .map_err(rpc_error("list search attributes of", namespace))?
        .into_inner()
        .custom_attributes;
    let missing = wanted.iter().filter(|(name, _)| !present.contains_key(name));
    let missing: Vec<_> = missing.map(|(name, kind)| (name.clone(), IndexedValueType::from(*kind) as i32)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let query = missing.iter().map(|(name, _)| format!("{name} is null")).collect::<Vec<_>>().join(" and ");
    let add = AddSearchAttributesRequest {
        namespace: namespace.to_owned(),
        search_attributes: missing.into_iter().collect(),
    };
    match OperatorService::add_search_attributes(connection, add.into_request()).await {
        Ok(_) => {}
        // Another process was quicker.
        Err(status) if status.code() == Code::AlreadyExists => {}
        Err(status) => return Err(rpc_error("add search attributes to", namespace)(status)),
    }
    wait_until_counted(connection, namespace, query).await
}

/// Who asked for activities of a queue within the last minutes, by the names that they give themselves; those that have gone
/// since then too. Not of workflow tasks: one that asks for these alone may be asking another partition of the queue.
pub async fn activity_pollers(
    connection: &Connection,
    namespace: &str,
    task_queue: &str,
) -> Result<BTreeSet<String>, DevserverError> {
    let request = DescribeTaskQueueRequest {
        namespace: namespace.to_owned(),
        task_queue: Some(TaskQueue { name: task_queue.to_owned(), ..Default::default() }),
        task_queue_type: TaskQueueType::Activity as i32,
        ..Default::default()
    };
    let described = WorkflowService::describe_task_queue(&mut connection.clone(), request.into_request())
        .await
        .map_err(rpc_error("see who works in namespace", namespace))?;
    Ok(described.into_inner().pollers.into_iter().map(|poller| poller.identity).collect())
}

/// Repeats a count of workflows until the server knows everything that the query names.
async fn wait_until_counted(connection: &mut Connection, namespace: &str, query: String) -> Result<(), DevserverError> {
    let give_up_at = Instant::now() + EFFECT_TIMEOUT;
    let request = CountWorkflowExecutionsRequest { namespace: namespace.to_owned(), query };
    loop {
        match WorkflowService::count_workflow_executions(connection, request.clone().into_request()).await {
            Ok(_) => return Ok(()),
            Err(status) if Instant::now() >= give_up_at => {
                return Err(rpc_error("use the new settings of namespace", namespace)(status));
            }
            Err(_) => sleep(POLL_INTERVAL).await,
        }
    }
}

fn rpc_error(action: &str, namespace: &str) -> impl FnOnce(Status) -> DevserverError {
    let action = format!("{action} `{namespace}`");
    move |status| DevserverError::Rpc { action, source: Box::new(status) }
}
