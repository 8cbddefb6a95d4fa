//! `evercal builds`: which build of the worker gets the work, where workers have build ids.

use clap::{Args, Subcommand};
use comfy_table::Cell;
use evercal_worker::builds::{self, BuildId, BuildsError};
use serde_json::json;

use super::temporal::connect;
use crate::cli::table::{self, Column, Screen};
use crate::cli::{CliError, Failure, pretty};

/// The identity of these commands in Temporal.
const IDENTITY: &str = "evercal builds";

/// What to do with builds.
#[derive(Subcommand)]
pub enum Command {
    /// List the builds that Temporal has seen workers of
    List(ListOptions),
    /// Give all work to the workers of a build; workflows move over with their next task
    Promote(PromoteOptions),
}

/// What a list takes.
#[derive(Args)]
pub struct ListOptions {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which build.
#[derive(Args)]
pub struct PromoteOptions {
    /// Its id: what its workers have as `EVERCAL_BUILD_ID`
    build_id: BuildId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub fn json(&self) -> bool {
        match self {
            Self::List(command) => command.json,
            Self::Promote(command) => command.json,
        }
    }
}

pub async fn run(command: Command, find: &dyn Fn(&str) -> Option<String>) -> Result<String, CliError> {
    let (connection, namespace) = connect(IDENTITY).await?;
    match command {
        Command::List(command) => {
            let builds = match builds::builds(&connection, &namespace).await {
                Err(BuildsError::NoDeployment) => Vec::new(),
                answer => answer.map_err(failed)?,
            };
            if command.json {
                let items =
                    builds.iter().map(|build| json!({"build_id": build.build_id, "status": build.status.as_str()}));
                return Ok(pretty(&json!({"items": items.collect::<Vec<_>>()})));
            }
            if builds.is_empty() {
                return Ok("No worker with an EVERCAL_BUILD_ID has asked for work yet.\n".to_owned());
            }
            let columns = [Column::Elastic("BUILD"), Column::Whole("STATUS")];
            let rows = builds.iter().map(|build| [table::text(&build.build_id), Cell::new(build.status.as_str())]);
            Ok(table::list(Screen::detect(find), columns, rows))
        }
        Command::Promote(command) => {
            builds::promote(&connection, &namespace, &command.build_id).await.map_err(failed)?;
            if command.json {
                return Ok(pretty(&json!({"build_id": command.build_id.as_str(), "status": "current"})));
            }
            Ok(format!("Workers of build {} get all work from now on.\n", command.build_id))
        }
    }
}

fn failed(error: BuildsError) -> CliError {
    let advice = match &error {
        BuildsError::NoDeployment | BuildsError::UnknownBuild(_) => {
            "start a worker with this EVERCAL_BUILD_ID first; `evercal builds list` shows which there are"
        }
        BuildsError::Refused(_) => "its reason is above; `evercal builds list` shows what it knows",
    };
    CliError::new(Failure::Error, error.to_string(), advice)
}
