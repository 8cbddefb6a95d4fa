//! Makes sure that a Temporal server has our namespace and search attributes, and that they can be used already.
//! What is there is left alone, so that no rights are needed where an operator has prepared everything.

use std::time::Duration;

use evercal_workflows::names::IndexedKind;
use temporalio_client::Connection;
use temporalio_client::grpc::{OperatorService, WorkflowService};
use temporalio_common::protos::temporal::api::enums::v1::IndexedValueType;
use temporalio_common::protos::temporal::api::operatorservice::v1::{
    AddSearchAttributesRequest, ListSearchAttributesRequest,
};
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, DescribeNamespaceRequest, RegisterNamespaceRequest,
};
use tokio::time::{Instant, sleep};
use tonic::{Code, IntoRequest, Status};

use crate::namespace::Namespace;

/// How long a new namespace keeps the histories of closed workflows when the caller says nothing.
pub const DEFAULT_RETENTION: Duration = Duration::from_hours(30 * 24);
/// How long each step may take to show its effect.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two checks whether it has.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The type of a search attribute as the server's interface names it.
fn value_type(kind: IndexedKind) -> IndexedValueType {
    match kind {
        IndexedKind::Keyword => IndexedValueType::Keyword,
        IndexedKind::Datetime => IndexedValueType::Datetime,
    }
}

/// The server refused a call, or did not do its effect in time.
#[derive(Debug, thiserror::Error)]
#[error("Temporal cannot {action}")]
pub struct RegistrationError {
    /// What was attempted, as a verb with its object.
    action: String,
    /// The last answer of the server.
    source: Box<Status>,
}

impl Namespace {
    /// Registers what is missing and returns once the namespace and all attributes can be used. Repeating it, also from
    /// several processes at once, is fine. `retention` counts only for a new namespace.
    pub async fn register(
        &self,
        retention: Duration,
        search_attributes: &[(String, IndexedKind)],
    ) -> Result<(), RegistrationError> {
        let mut connection = self.connection.clone();
        self.register_itself(&mut connection, retention).await?;
        self.register_search_attributes(&mut connection, search_attributes).await
    }

    async fn register_itself(&self, connection: &mut Connection, retention: Duration) -> Result<(), RegistrationError> {
        let describe = DescribeNamespaceRequest { namespace: self.name.clone(), ..Default::default() };
        let known = WorkflowService::describe_namespace(connection, describe.into_request()).await;
        match known {
            Ok(_) => return Ok(()),
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(self.failed("describe namespace")(status)),
        }
        let register = RegisterNamespaceRequest {
            namespace: self.name.clone(),
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
            Err(status) => return Err(self.failed("register namespace")(status)),
        }
        // Described by the database, but used through a cache: only a call that goes through it shows whether it works.
        self.wait_until_counted(connection, String::new()).await
    }

    async fn register_search_attributes(
        &self,
        connection: &mut Connection,
        wanted: &[(String, IndexedKind)],
    ) -> Result<(), RegistrationError> {
        let list = ListSearchAttributesRequest { namespace: self.name.clone() };
        let present = OperatorService::list_search_attributes(connection, list.into_request())
            .await
            .map_err(self.failed("list search attributes of"))?
            .into_inner()
            .custom_attributes;
        let missing = wanted.iter().filter(|(name, _)| !present.contains_key(name));
        let missing: Vec<_> = missing.map(|(name, kind)| (name.clone(), value_type(*kind) as i32)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let query = missing.iter().map(|(name, _)| format!("{name} is null")).collect::<Vec<_>>().join(" and ");
        let add = AddSearchAttributesRequest {
            namespace: self.name.clone(),
            search_attributes: missing.into_iter().collect(),
        };
        match OperatorService::add_search_attributes(connection, add.into_request()).await {
            Ok(_) => {}
            // Another process was quicker.
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(status) => return Err(self.failed("add search attributes to")(status)),
        }
        self.wait_until_counted(connection, query).await
    }

    /// Repeats a count of workflows until the server knows everything that the query names.
    async fn wait_until_counted(&self, connection: &mut Connection, query: String) -> Result<(), RegistrationError> {
        let deadline = Instant::now() + EFFECT_TIMEOUT;
        let request = CountWorkflowExecutionsRequest { namespace: self.name.clone(), query };
        loop {
            match WorkflowService::count_workflow_executions(connection, request.clone().into_request()).await {
                Ok(_) => return Ok(()),
                Err(status) if Instant::now() >= deadline => {
                    return Err(self.failed("use the new settings of namespace")(status));
                }
                Err(_) => sleep(POLL_INTERVAL).await,
            }
        }
    }

    fn failed(&self, action: &str) -> impl FnOnce(Status) -> RegistrationError {
        let action = format!("{action} `{}`", self.name);
        move |status| RegistrationError { action, source: Box::new(status) }
    }
}
