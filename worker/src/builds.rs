//! Builds of the worker, and which of them gets the work: Temporal's worker deployment versioning.
//! <https://docs.temporal.io/production-deployment/worker-deployments/worker-versioning>
//!
//! A worker with a build id waits until its build is promoted; then every workflow moves over with its next task
//! (`AutoUpgrade`: subscriptions live for years, so that none may stay with the build that began it). Not for making new
//! code fit old histories: that is what patches are for, see CONTRIBUTING.md.

use evercal_domain::names;
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

/// The deployment options of a build's workers. Without a build id they take work at once, beside any other.
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
    /// How Temporal sees it.
    pub status: BuildStatus,
}

/// How Temporal sees a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildStatus {
    /// It gets no work.
    Inactive,
    /// It gets the work.
    Current,
    /// It gets a share of the work.
    Ramping,
    /// It gets no new work, and has some left.
    Draining,
    /// It has no work left.
    Drained,
}

names! { BuildStatus {
    Inactive = "inactive", Current = "current", Ramping = "ramping", Draining = "draining", Drained = "drained",
} }

impl From<WorkerDeploymentVersionStatus> for BuildStatus {
    fn from(status: WorkerDeploymentVersionStatus) -> Self {
        match status {
            WorkerDeploymentVersionStatus::Current => Self::Current,
            WorkerDeploymentVersionStatus::Ramping => Self::Ramping,
            WorkerDeploymentVersionStatus::Draining => Self::Draining,
            WorkerDeploymentVersionStatus::Drained => Self::Drained,
            _ => Self::Inactive,
        }
    }
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
    let build = |summary: WorkerDeploymentVersionSummary| Build {
        status: WorkerDeploymentVersionStatus::try_from(summary.status).unwrap_or_default().into(),
        build_id: summary.deployment_version.unwrap_or_default().build_id,
    };
    Ok(summaries.into_iter().map(build).collect())
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
