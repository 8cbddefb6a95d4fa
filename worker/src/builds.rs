//! Builds of the worker, and which of them gets the work: Temporal's worker deployment versioning.
//! <https://docs.temporal.io/production-deployment/worker-deployments/worker-versioning>
//!
//! A worker with a build id waits until its build is promoted; then every workflow moves over with its next task
//! (`AutoUpgrade`: subscriptions live for years, so that none may stay with the build that began it). Not for making new
//! code fit old histories: that is what patches are for, see CONTRIBUTING.md.

pub use evercal_settings::BuildId;
use temporalio_client::Connection;
use temporalio_client::grpc::WorkflowService as _;
use temporalio_common::protos::temporal::api::deployment::v1::worker_deployment_info::WorkerDeploymentVersionSummary;
use temporalio_common::protos::temporal::api::enums::v1::WorkerDeploymentVersionStatus;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DescribeWorkerDeploymentRequest, SetWorkerDeploymentCurrentVersionRequest,
};
use temporalio_common::worker::{
    VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion, build_id_from_current_exe,
};
use tonic::{Code, IntoRequest as _, Status};

/// What all builds of the worker belong to.
pub const DEPLOYMENT: &str = "evercal";
/// What the workers of a build tell Temporal. Without a build id they take work at once, beside any other.
pub(crate) fn deployment_options(build_id: Option<&BuildId>) -> WorkerDeploymentOptions {
    let Some(build_id) = build_id else {
        return WorkerDeploymentOptions::from_build_id(build_id_from_current_exe().to_owned());
    };
    let version = WorkerDeploymentVersion::builder().deployment_name(DEPLOYMENT).build_id(build_id.as_str()).build();
    WorkerDeploymentOptions::new(version)
        .use_worker_versioning(true)
        .default_versioning_behavior(VersioningBehavior::AutoUpgrade)
        .build()
}

/// A build that Temporal has seen workers of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its id.
    pub build_id: String,
    /// Whether it gets the work.
    pub is_current: bool,
    /// How Temporal sees it: `inactive`, `current`, `ramping`, `draining` or `drained`.
    pub status: &'static str,
}

/// Temporal refused, or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum BuildsError {
    /// No worker with a build id has ever asked for work.
    #[error("Temporal knows no worker with a build id yet")]
    NoDeployment,
    /// No worker of this build has asked for work.
    #[error("Temporal knows no worker of build `{0}`")]
    UnknownBuild(BuildId),
    /// Anything else.
    #[error("Temporal refused: {}", .0.message())]
    Refused(#[source] Box<Status>),
}

/// The builds that Temporal knows, the newest first.
pub async fn builds(connection: &Connection, namespace: &str) -> Result<Vec<Build>, BuildsError> {
    let request =
        DescribeWorkerDeploymentRequest { namespace: namespace.to_owned(), deployment_name: DEPLOYMENT.to_owned() };
    let answer = connection.clone().describe_worker_deployment(request.into_request()).await;
    let answer = answer.map_err(|status| match status.code() {
        Code::NotFound => BuildsError::NoDeployment,
        _ => BuildsError::Refused(Box::new(status)),
    })?;
    let mut summaries = answer.into_inner().worker_deployment_info.unwrap_or_default().version_summaries;
    summaries.sort_by_key(|summary| std::cmp::Reverse(summary.create_time.map(|at| (at.seconds, at.nanos))));
    let build = |summary: &WorkerDeploymentVersionSummary| {
        let status = WorkerDeploymentVersionStatus::try_from(summary.status).unwrap_or_default();
        Build {
            build_id: summary.deployment_version.clone().unwrap_or_default().build_id,
            is_current: status == WorkerDeploymentVersionStatus::Current,
            status: word(status),
        }
    };
    Ok(summaries.iter().map(build).collect())
}

fn word(status: WorkerDeploymentVersionStatus) -> &'static str {
    match status {
        WorkerDeploymentVersionStatus::Current => "current",
        WorkerDeploymentVersionStatus::Ramping => "ramping",
        WorkerDeploymentVersionStatus::Draining => "draining",
        WorkerDeploymentVersionStatus::Drained => "drained",
        _ => "inactive",
    }
}

/// Gives all work to the workers of a build. It must have asked for work on all queues that the current one serves.
pub async fn promote(connection: &Connection, namespace: &str, build_id: &BuildId) -> Result<(), BuildsError> {
    let request = SetWorkerDeploymentCurrentVersionRequest {
        namespace: namespace.to_owned(),
        deployment_name: DEPLOYMENT.to_owned(),
        build_id: build_id.to_string(),
        identity: "evercal builds promote".to_owned(),
        ..Default::default()
    };
    let answer = connection.clone().set_worker_deployment_current_version(request.into_request()).await;
    match answer {
        Ok(_) => Ok(()),
        Err(status) if status.code() == Code::NotFound => Err(BuildsError::UnknownBuild(build_id.clone())),
        Err(status) => Err(BuildsError::Refused(Box::new(status))),
    }
}
