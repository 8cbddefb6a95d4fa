//! The bin `evercal`: `evercal dev` runs everything on one machine, each role is one process of it, some commands
//! administer the database, and the others ask a running evercal through its API.
//!
//! Only arguments and the choice of what to run; see `dev/`, `admin/` and `cli/`. A build without the feature `dev`, as the
//! image's is, has `without_dev.rs` instead of `dev/`.

mod admin;
mod cli;
mod config;
#[cfg(feature = "dev")]
mod dev;
#[cfg(not(feature = "dev"))]
#[path = "without_dev.rs"]
mod dev;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use evercal_process::{keep_files_private, log_as_json};
use evercal_settings::process::LOG_FILTER;
use evercal_settings::{Lookup, Sources};
use evercal_workflow_client::temporal_help;

use crate::cli::{CliError, Failure};

/// The same as in the bin `evercal-worker`: this bin runs workers too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps a live copy of people's calendars.
#[derive(Parser)]
#[command(name = "evercal", version, after_help = cli::HELP, subcommand_required = true)]
struct Arguments {
    #[command(flatten)]
    settings: SettingsOptions,
    #[command(subcommand)]
    command: Command,
}

/// Settings of the roles and of the commands that administer them, over those of the environment.
#[derive(Args)]
struct SettingsOptions {
    /// Read settings from this TOML file; the environment goes over it [env: `EVERCAL_CONFIG_FILE`]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting, over the environment; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl SettingsOptions {
    fn is_empty(&self) -> bool {
        self.config.is_none() && self.set.is_empty()
    }
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Dev(dev::Command),
    /// Run a worker
    Worker(WorkerOptions),
    /// Run a gateway
    Gateway,
    /// Open sealed payloads for Temporal's UI and CLI
    Codec,
    /// Show the settings that a gateway and a worker would read here, and what is wrong with them
    Config(config::ConfigOptions),
    #[command(flatten)]
    Administer(admin::Command),
    #[command(flatten)]
    Ask(cli::Command),
}

impl Command {
    /// Whether `--config` and `--set` have a meaning for it.
    fn reads_settings(&self) -> bool {
        match self {
            Self::Worker(_) | Self::Gateway | Self::Codec | Self::Config(_) => true,
            Self::Administer(command) => command.reads_settings(),
            Self::Dev(_) | Self::Ask(_) => false,
        }
    }
}

const SETTINGS_REFUSED: &str = if cfg!(feature = "dev") {
    "--config and --set are for worker, gateway, codec, config and the commands that administer the database; give `evercal \
     dev` settings by the environment"
} else {
    "--config and --set are for worker, gateway, codec, config and the commands that administer the database"
};

#[derive(Args)]
struct WorkerOptions {
    /// Its identity in Temporal, by which `dev` recognises its own worker
    #[arg(long, hide = true)]
    identity: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    keep_files_private();
    let Arguments { settings, command } = Arguments::parse();
    let sources = match (command.reads_settings(), settings.is_empty()) {
        (true, _) => Sources::with_command_line(environment, settings.config, &settings.set),
        (false, true) => Ok(Sources::environment_alone(environment)),
        (false, false) => Arguments::command().error(ErrorKind::ArgumentConflict, SETTINGS_REFUSED).exit(),
    };
    let sources = match sources {
        Ok(sources) => sources,
        Err(error) => {
            return match command {
                Command::Administer(command) => {
                    CliError::usage(error.to_string(), "`evercal config` shows what would be read")
                        .report(command.json())
                }
                Command::Config(options) => {
                    CliError::new(Failure::Error, error.to_string(), "correct that, or name another file with --config")
                        .report(options.json)
                }
                _ => end(Err(error.into())),
            };
        }
    };
    let find = |name: &str| sources.find(name);
    match command {
        Command::Dev(command) => dev::run(command, &find).await,
        Command::Worker(WorkerOptions { identity: None }) => role(Box::pin(evercal_worker::run(&find)), &find).await,
        Command::Worker(WorkerOptions { identity: Some(identity) }) => {
            role(Box::pin(evercal_worker::run_as(&identity, &find)), &find).await
        }
        Command::Gateway => role(Box::pin(evercal_gateway::run(&find)), &find).await,
        Command::Codec => role(Box::pin(evercal_codec::run(&find)), &find).await,
        Command::Config(options) => match config::run(&options, &sources) {
            Ok(code) => code,
            Err(error) => end(Err(error)),
        },
        Command::Administer(command) => admin::run(command, &find).await,
        Command::Ask(command) => cli::run(command, &find).await,
    }
}

/// Runs a role of evercal in this process, with logs.
async fn role(run: impl Future<Output = anyhow::Result<()>>, find: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    let logged = async {
        let _flush = log_as_json(LOG_FILTER.read(&Lookup::new(find))?).context("starting the log")?;
        run.await
    };
    end(logged.await)
}

/// The exit code of a role; what went wrong, and what helps, is written to stderr.
fn end(outcome: anyhow::Result<()>) -> ExitCode {
    evercal_process::end(outcome, temporal_help)
}

#[expect(clippy::disallowed_methods, reason = "binaries read the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
