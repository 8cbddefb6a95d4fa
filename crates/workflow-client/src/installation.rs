//! Whose database the workflows of a Temporal namespace belong to.
//!
//! A namespace has data of its own, but writing them takes rights that gateways and workers do not have, and of two
//! writers the last one wins. So a run with a fixed id keeps the installation's id as its memo: any client may start it,
//! exactly one does, and no worker serves its queue, so that it stays as it is.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::InstallationId;
use evercal_storage::InstallationOwner;
use evercal_workflows::names;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::common::v1::{Memo, Payload, WorkflowExecution, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::{
    WorkflowExecutionStatus, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use temporalio_common::protos::temporal::api::sdk::v1::UserMetadata;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, DescribeWorkflowExecutionRequest, StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};
use tonic::{Code, IntoRequest, Status};

use crate::namespace::Namespace;

/// Asking and claiming race with others that claim; so often both are tried.
const ATTEMPTS: u32 = 3;
const SUMMARY: &str = "whose database the workflows of this namespace belong to; no worker serves it, on purpose";

#[async_trait]
impl InstallationOwner for Namespace {
    async fn owner(&self, ours: InstallationId) -> Result<InstallationId, String> {
        self.owner_or_claim(ours).await.map_err(|status| status.message().to_owned())
    }

    async fn synced_after(&self, at: DateTime<Utc>) -> Result<i64, String> {
        self.count_synced_after(at).await.map_err(|status| status.message().to_owned())
    }
}

impl Namespace {
    /// The installation that the workflows belong to. Where there is none yet, it is `ours` from now on.
    pub async fn owner_or_claim(&self, ours: InstallationId) -> Result<InstallationId, Status> {
        for _ in 0..ATTEMPTS {
            if let Some(owner) = self.installation().await? {
                return Ok(owner);
            }
            self.claim(ours).await?;
        }
        Err(Status::aborted("others claim this namespace and let go of it again"))
    }

    /// The installation that the workflows belong to, where one has claimed them.
    pub async fn installation(&self) -> Result<Option<InstallationId>, Status> {
        let request = DescribeWorkflowExecutionRequest { namespace: self.name.clone(), execution: Some(execution()) };
        let described =
            WorkflowService::describe_workflow_execution(&mut self.connection.clone(), request.into_request()).await;
        let info = match described {
            Ok(described) => described.into_inner().workflow_execution_info.unwrap_or_default(),
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(status),
        };
        if info.status != WorkflowExecutionStatus::Running as i32 {
            return Ok(None);
        }
        let memo = info.memo.unwrap_or_default();
        let id = memo.fields.get(names::MEMO_INSTALLATION);
        let id = id.and_then(|payload| serde_json::from_slice::<InstallationId>(&payload.data).ok());
        id.map(Some).ok_or_else(|| Status::data_loss("the namespace does not say whose it is in a form that we read"))
    }

    /// An error where Temporal refuses this process for who it is, against which waiting does not help. Any other trouble may
    /// pass.
    pub async fn admits(&self) -> Result<(), Status> {
        match self.installation().await {
            Err(status) if matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated) => Err(status),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn claim(&self, ours: InstallationId) -> Result<(), Status> {
        let request = StartWorkflowExecutionRequest {
            namespace: self.name.clone(),
            workflow_id: names::INSTALLATION.to_owned(),
            workflow_type: Some(WorkflowType { name: names::INSTALLATION.to_owned() }),
            task_queue: Some(TaskQueue { name: names::QUEUE_INSTALLATION.to_owned(), ..Default::default() }),
            request_id: ours.to_string(),
            workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate as i32,
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::Fail as i32,
            memo: Some(Memo {
                fields: HashMap::from([(names::MEMO_INSTALLATION.to_owned(), json(&ours.to_string()))]),
            }),
            user_metadata: Some(UserMetadata { summary: Some(json(SUMMARY)), details: None }),
            ..Default::default()
        };
        let started =
            WorkflowService::start_workflow_execution(&mut self.connection.clone(), request.into_request()).await;
        match started {
            Ok(_) => Ok(()),
            // Another was quicker.
            Err(status) if status.code() == Code::AlreadyExists => Ok(()),
            Err(status) => Err(status),
        }
    }

    /// Lets go of the database that the workflows belong to; the next one that asks is it. Answers whether there was one.
    pub async fn forget(&self) -> Result<bool, Status> {
        let request = TerminateWorkflowExecutionRequest {
            namespace: self.name.clone(),
            workflow_execution: Some(execution()),
            reason: "another database is the installation's from now on".to_owned(),
            ..Default::default()
        };
        let ended =
            WorkflowService::terminate_workflow_execution(&mut self.connection.clone(), request.into_request()).await;
        match ended {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::NotFound => Ok(false),
            Err(status) => Err(status),
        }
    }

    /// How many subscriptions have synced after that moment. A store that was written last before it has forgotten what
    /// they know: it was brought back from a backup.
    pub async fn count_synced_after(&self, at: DateTime<Utc>) -> Result<i64, Status> {
        let attribute = names::ATTRIBUTE_LAST_SYNC_AT;
        let query = format!("{} > '{}'", attribute.name(), at.format("%Y-%m-%dT%H:%M:%SZ"));
        let request = CountWorkflowExecutionsRequest { namespace: self.name.clone(), query };
        let counted =
            WorkflowService::count_workflow_executions(&mut self.connection.clone(), request.into_request()).await?;
        Ok(counted.into_inner().count)
    }
}

fn execution() -> WorkflowExecution {
    WorkflowExecution { workflow_id: names::INSTALLATION.to_owned(), run_id: String::new() }
}

/// Plain in every namespace, sealed payloads or not: a client may not have the key yet.
fn json(text: &str) -> Payload {
    Payload {
        metadata: HashMap::from([("encoding".to_owned(), b"json/plain".to_vec())]),
        data: serde_json::Value::from(text).to_string().into_bytes(),
        ..Default::default()
    }
}
