//! [`Workflows`] over the real Temporal.
//!
//! The connection is made with the first call that needs it, so that a gateway starts (and says 503) while Temporal is
//! down; afterwards it reconnects by itself.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{AccountId, CalendarId, InstallationId};
use evercal_process::counted;
use evercal_storage::InstallationOwner;
use evercal_workflows::contract::{
    AccountInput, Close, Lifecycle, ListChanged, Notify, SubscriptionMissing, SyncNowResult, pack,
};
use evercal_workflows::names;
use temporalio_client::errors::{WorkflowInteractionError, WorkflowStartError, WorkflowUpdateError};
use temporalio_client::grpc::WorkflowService;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, RetryOptions, RpcOptions, UntypedSignal, UntypedUpdate,
    WorkflowExecuteUpdateOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowSignalOptions,
    WorkflowStartOptions,
};
use temporalio_common::UntypedWorkflow;
use temporalio_common::data_converters::{RawValue, SerializationContextData, WorkflowSerializationContext};
use temporalio_common::payload_visitor::decode_payloads;
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::enums::v1::WorkflowExecutionStatus;
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceRequest, DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest,
};
use temporalio_common::search_attributes::SearchAttributes;
use tokio::sync::OnceCell;
use tonic::{Code, IntoRequest, Status};

use crate::namespace::Namespace;
use crate::workflows::{AccountSignal, RunningPage, StartOutcome, WorkflowError, Workflows};

/// How long a call to Temporal may take: within what providers wait for an answer to a notice.
pub const CALL_TIMEOUT: Duration = Duration::from_millis(2_500);
/// Attempts of one call; a restart of Temporal breaks the connection under the first one.
const ATTEMPTS_MAX: usize = 3;
/// Workflows in one page of Temporal's index: the most that it gives.
const RUNNING_PAGE_SIZE: i32 = 1_000;
/// Why an account's subscriptions end, as their state says it.
const DISCONNECT_REASON: &str = "disconnected through the API";

/// The workflows on a Temporal server.
pub struct TemporalWorkflows {
    connection: ConnectionOptions,
    options: ClientOptions,
    /// How long one call may take in all.
    timeout: Duration,
    client: OnceCell<Client>,
}

impl TemporalWorkflows {
    /// Will connect with these options; no call but a sync takes longer than `timeout`.
    pub fn new(mut connection: ConnectionOptions, options: ClientOptions, timeout: Duration) -> Self {
        connection.connect_timeout = Some(timeout);
        Self { connection, options, timeout, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, WorkflowError> {
        let connect = || async {
            let connection = Connection::connect(self.connection.clone()).await.map_err(|error| unavailable(&error))?;
            Client::new(connection, self.options.clone()).map_err(|error| unavailable(&error))
        };
        self.client.get_or_try_init(connect).await
    }

    /// Our namespace. Its callers bound their time themselves.
    async fn namespace(&self) -> Result<Namespace, String> {
        let client = self.client().await.map_err(|error| error.to_string())?;
        Ok(Namespace { connection: client.connection().clone(), name: self.options.namespace.clone() })
    }

    /// Why an update was rejected. With a payload key the SDK hands it on sealed; what cannot be opened stays so.
    async fn reason(&self, mut failure: Failure) -> String {
        let converter = &self.options.data_converter;
        let context = SerializationContextData::Workflow(WorkflowSerializationContext::new());
        if let Err(error) = decode_payloads(&mut failure, converter.codec(), &context).await {
            counted!(warn, "why an update was rejected cannot be read", %error);
            return failure.message;
        }
        let sealed = failure.message.clone();
        match converter.failure_converter().to_error(failure, converter.payload_converter(), &context) {
            Ok(error) => error.into_failure().message,
            Err(_) => sealed,
        }
    }

    async fn bounded<T>(&self, call: impl Future<Output = Result<T, WorkflowError>>) -> Result<T, WorkflowError> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer,
            Err(_) => Err(WorkflowError::Unavailable(format!("no answer within {} ms", self.timeout.as_millis()))),
        }
    }

    fn rpc(&self) -> RpcOptions {
        let retries = RetryOptions::builder().max_retries(ATTEMPTS_MAX).max_elapsed_time(Some(self.timeout)).build();
        RpcOptions::builder().timeout(self.timeout).retry_options(retries).build()
    }

    async fn signal(&self, workflow_id: String, signal: &str, payload: RawValue) -> Result<(), WorkflowError> {
        self.bounded(async {
            let workflow = self.client().await?.get_workflow_handle::<UntypedWorkflow>(workflow_id);
            let options = WorkflowSignalOptions::builder().rpc_options(self.rpc()).build();
            match workflow.signal(UntypedSignal::new(signal), payload, options).await {
                Ok(()) => Ok(()),
                Err(WorkflowInteractionError::NotFound(_)) => Err(WorkflowError::NotFound),
                Err(error) => Err(unavailable(&error)),
            }
        })
        .await
    }
}

#[async_trait]
impl InstallationOwner for TemporalWorkflows {
    async fn owner(&self, ours: InstallationId) -> Result<InstallationId, String> {
        self.namespace().await?.owner(ours).await
    }

    async fn synced_after(&self, at: DateTime<Utc>) -> Result<i64, String> {
        self.namespace().await?.synced_after(at).await
    }
}

#[async_trait]
impl Workflows for TemporalWorkflows {
    async fn notify(&self, calendar: CalendarId, notify: &Notify) -> Result<(), WorkflowError> {
        self.signal(names::subscription_id(calendar), names::SIGNAL_NOTIFY, pack(notify)).await
    }

    async fn tell_lifecycle(&self, calendar: CalendarId, lifecycle: &Lifecycle) -> Result<(), WorkflowError> {
        self.signal(names::subscription_id(calendar), names::SIGNAL_LIFECYCLE, pack(lifecycle)).await
    }

    async fn retry_now(&self, calendar: CalendarId) -> Result<(), WorkflowError> {
        self.signal(names::subscription_id(calendar), names::SIGNAL_RETRY_NOW, RawValue::empty()).await
    }

    async fn signal_account(&self, account: AccountId, signal: AccountSignal) -> Result<(), WorkflowError> {
        let (name, payload) = match signal {
            AccountSignal::Authorized => (names::SIGNAL_AUTHORIZED, RawValue::empty()),
            AccountSignal::SubscriptionMissing(calendar) => {
                let missing = SubscriptionMissing { calendar_id: Some(calendar) };
                (names::SIGNAL_SUBSCRIPTION_MISSING, pack(&missing))
            }
            AccountSignal::ListChanged(hint) => {
                (names::SIGNAL_LIST_CHANGED, pack(&ListChanged { channel: Some(hint) }))
            }
            AccountSignal::ListMayHaveChanged => (names::SIGNAL_LIST_CHANGED, pack(&ListChanged::default())),
            AccountSignal::Discover => (names::SIGNAL_DISCOVER, RawValue::empty()),
            AccountSignal::Disconnect => {
                (names::SIGNAL_DISCONNECT, pack(&Close { reason: DISCONNECT_REASON.to_owned() }))
            }
        };
        self.signal(names::account_id(account), name, payload).await
    }

    async fn start_account(&self, input: &AccountInput) -> Result<StartOutcome, WorkflowError> {
        self.bounded(async {
            let attributes = SearchAttributes::new([
                names::ATTRIBUTE_PROVIDER.value_set(input.provider.as_str().to_owned()),
                names::ATTRIBUTE_ACCOUNT.value_set(input.account_id.to_string()),
            ]);
            let options = WorkflowStartOptions::new(names::QUEUE_WORKFLOWS, names::account_id(input.account_id))
                // An account whose workflow was lost is started again under its id.
                .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
                .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
                .search_attributes(attributes)
                .static_summary(format!("one {} account", input.provider.as_str()))
                .static_details("Finds the account's calendars and keeps one subscription running for each.")
                .rpc_options(self.rpc())
                .build();
            let workflow = UntypedWorkflow::new(names::ACCOUNT);
            match self.client().await?.start_workflow(workflow, pack(input), options).await {
                Ok(_) => Ok(StartOutcome::Started),
                Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(StartOutcome::AlreadyRunning),
                Err(error) => Err(unavailable(&error)),
            }
        })
        .await
    }

    async fn sync_now(&self, calendar: CalendarId) -> Result<SyncNowResult, WorkflowError> {
        let client = self.bounded(self.client()).await?;
        let workflow = client.get_workflow_handle::<UntypedWorkflow>(names::subscription_id(calendar));
        let update = UntypedUpdate::new(names::UPDATE_SYNC_NOW);
        match workflow.execute_update(update, RawValue::empty(), WorkflowExecuteUpdateOptions::default()).await {
            Ok(result) => Ok(read_result(&result)),
            Err(WorkflowUpdateError::NotFound(_)) => Err(WorkflowError::NotFound),
            Err(WorkflowUpdateError::Failed(failure)) => Err(WorkflowError::Rejected(self.reason(*failure).await)),
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn is_running(&self, workflow_id: &str) -> Result<bool, WorkflowError> {
        self.bounded(async {
            let mut client = self.client().await?.clone();
            let execution = WorkflowExecution { workflow_id: workflow_id.to_owned(), ..Default::default() };
            let request = DescribeWorkflowExecutionRequest {
                namespace: self.options.namespace.clone(),
                execution: Some(execution),
            };
            match WorkflowService::describe_workflow_execution(&mut client, request.into_request()).await {
                Ok(answer) => {
                    let info = answer.into_inner().workflow_execution_info;
                    Ok(info.is_some_and(|info| info.status == WorkflowExecutionStatus::Running as i32))
                }
                Err(status) if status.code() == Code::NotFound => Ok(false),
                Err(status) => Err(unavailable(&status)),
            }
        })
        .await
    }

    async fn list_running(&self, workflow_type: &str, page: Vec<u8>) -> Result<RunningPage, WorkflowError> {
        self.bounded(async {
            let mut client = self.client().await?.clone();
            let request = ListWorkflowExecutionsRequest {
                namespace: self.options.namespace.clone(),
                page_size: RUNNING_PAGE_SIZE,
                next_page_token: page,
                query: format!("WorkflowType = '{workflow_type}' AND ExecutionStatus = 'Running'"),
            };
            let answer = WorkflowService::list_workflow_executions(&mut client, request.into_request()).await;
            let answer = answer.map_err(|status| unavailable(&status))?.into_inner();
            let ids = answer.executions.into_iter().filter_map(|info| info.execution).map(|run| run.workflow_id);
            Ok(RunningPage { workflow_ids: ids.collect(), next: answer.next_page_token })
        })
        .await
    }

    async fn ping(&self) -> Result<(), WorkflowError> {
        self.bounded(async {
            let mut client = self.client().await?.clone();
            let request = DescribeNamespaceRequest { namespace: self.options.namespace.clone(), ..Default::default() };
            WorkflowService::describe_namespace(&mut client, request.into_request()).await.map(|_| ()).map_err(
                |status: Status| match status.code() {
                    Code::NotFound => WorkflowError::Unavailable("the namespace does not exist".to_owned()),
                    _ => unavailable(&status),
                },
            )
        })
        .await
    }
}

/// What a newer subscription answers that we cannot read means: ask again.
fn read_result(result: &RawValue) -> SyncNowResult {
    let payload = result.payloads.first();
    payload.and_then(|payload| serde_json::from_slice(&payload.data).ok()).unwrap_or(SyncNowResult::AskAgain)
}

fn unavailable(error: &impl std::error::Error) -> WorkflowError {
    WorkflowError::Unavailable(error.to_string())
}
