//! The server's own time skipping, by raw requests: the SDK has no typed calls for it.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use evercal_domain::{Clock as _, SystemClock};
use temporalio_client::Client;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::common::v1::{FastForwardConfig, TimeSkippingConfig, WorkflowExecution};
use temporalio_common::protos::temporal::api::enums::v1::FastForwardPollingResult;
use temporalio_common::protos::temporal::api::workflow::v1::WorkflowExecutionOptions;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, PollWorkflowExecutionTimeSkippingRequest, UpdateWorkflowExecutionOptionsRequest,
};
use tokio::time::Instant;
use tonic::IntoRequest;

/// Skips in one session; each timer or backoff that is jumped over is one. A child that is started meanwhile inherits
/// this number, but not the target: it runs ahead until it has used them up.
const SKIPS_MAX: i32 = 1_000_000;

/// How long a clock may take to its target on a busy machine; a year with its renewals and syncs takes minutes.
const TIMEOUT: Duration = Duration::from_mins(15);

/// Moves a running workflow's clock forward by `by`, and returns when it is there. Each call needs an id of its own.
pub async fn fast_forward(
    client: &Client,
    namespace: &str,
    workflow: &str,
    id: &str,
    by: Duration,
) -> anyhow::Result<()> {
    fast_forward_within(client, namespace, workflow, id, by, SKIPS_MAX).await
}

/// What time it is for a workflow.
pub async fn now(client: &Client, namespace: &str, workflow: &str) -> anyhow::Result<DateTime<Utc>> {
    let mut connection = client.connection().clone();
    let request = DescribeWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        execution: Some(WorkflowExecution { workflow_id: workflow.to_owned(), run_id: String::new() }),
    };
    let answer = WorkflowService::describe_workflow_execution(&mut connection, request.into_request()).await?;
    let skipping = answer.into_inner().workflow_extended_info.and_then(|info| info.time_skipping_info);
    Ok(match skipping.and_then(|skipping| skipping.current_time) {
        Some(now) => SystemTime::try_from(now)?.into(),
        // It has never skipped.
        None => SystemClock.now(),
    })
}

/// Like [`fast_forward`], with at most `skips_max` skips. While a child of the workflow runs, the workflow's own clock runs
/// at the speed of real time; it goes on to its target when the child has ended.
pub async fn fast_forward_within(
    client: &Client,
    namespace: &str,
    workflow: &str,
    id: &str,
    by: Duration,
    skips_max: i32,
) -> anyhow::Result<()> {
    let mut connection = client.connection().clone();
    let execution = Some(WorkflowExecution { workflow_id: workflow.to_owned(), run_id: String::new() });
    let config = TimeSkippingConfig {
        enabled: true,
        max_session_skip_count: skips_max,
        fast_forward_config: Some(FastForwardConfig { id: id.to_owned(), duration: Some(by.try_into()?) }),
        ..Default::default()
    };
    let request = UpdateWorkflowExecutionOptionsRequest {
        namespace: namespace.to_owned(),
        workflow_execution: execution.clone(),
        identity: "test".to_owned(),
        workflow_execution_options: Some(WorkflowExecutionOptions {
            time_skipping_config: Some(config),
            ..Default::default()
        }),
        update_mask: Some(prost_wkt_types::FieldMask { paths: vec!["time_skipping_config".to_owned()] }),
    };
    WorkflowService::update_workflow_execution_options(&mut connection, request.into_request()).await?;
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let poll = PollWorkflowExecutionTimeSkippingRequest {
            namespace: namespace.to_owned(),
            workflow_execution: execution.clone(),
            fast_forward_id: id.to_owned(),
        };
        let answer = WorkflowService::poll_workflow_execution_time_skipping(&mut connection, poll.into_request());
        let answer = tokio::time::timeout_at(deadline, answer).await;
        let answer = answer.with_context(|| format!("fast-forward {id} has no answer"))??.into_inner();
        match answer.fast_forward_polling_result() {
            FastForwardPollingResult::FastForwardCompleted => return Ok(()),
            // After 20 s without a result: ask again.
            FastForwardPollingResult::PollTimeout if Instant::now() < deadline => {}
            FastForwardPollingResult::PollTimeout => {
                bail!(
                    "fast-forward {id} does not end: it is {} for {workflow}",
                    now(client, namespace, workflow).await?
                )
            }
            other => bail!("fast-forward {id}: {other:?} {}", answer.failed_reason),
        }
    }
}
