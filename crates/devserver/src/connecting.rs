//! Connections to a server, and who works for it. What has to be registered in a namespace: `crates/workflow-client`.

use std::collections::BTreeSet;
use std::time::Duration;

use temporalio_client::grpc::WorkflowService;
use temporalio_client::{Connection, ConnectionOptions};
use temporalio_common::protos::temporal::api::enums::v1::TaskQueueType;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeTaskQueueRequest;
use tonic::{IntoRequest, Status};
use url::Url;

use crate::error::DevserverError;

/// Time to connect, per attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
        .map_err(|status: Status| DevserverError::Rpc {
            action: format!("see who works in namespace `{namespace}`"),
            source: Box::new(status),
        })?;
    Ok(described.into_inner().pollers.into_iter().map(|poller| poller.identity).collect())
}
