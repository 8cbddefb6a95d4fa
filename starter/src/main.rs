//! The bin `evercal`: `evercal dev` runs everything on one machine, the roles run one part of it each, some commands
//! administer the database, and the others ask a running evercal through its API.
//!
//! Only arguments and the choice of what to run; see `dev/`, `roles.rs`, `admin/` and `cli/`.

mod admin;
mod cli;
mod config;
mod dev;
mod roles;
mod temporal_help;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use evercal_settings::{Lookup, log_as_json};

/// Keeps a live copy of people's calendars.
#[derive(Parser)]
#[command(name = "evercal", version, after_help = cli::HELP, subcommand_required = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine: Temporal, its UI, a simulated Google, worker and gateway, with demo calendars
    Dev(DevOptions),
    /// Run a worker, configured by the environment
    Worker,
    /// Run a gateway, configured by the environment
    Gateway,
    /// Open sealed payloads for Temporal's UI and CLI, configured by the environment
    Codec,
    /// Run a simulated Google Calendar on loopback
    Simulator(SimulatorOptions),
    /// Show what a gateway and a worker would read from the environment here, and what is wrong with it
    Config(config::ConfigOptions),
    #[command(flatten)]
    Administer(admin::Command),
    #[command(flatten)]
    Ask(cli::Command),
}

#[derive(Args)]
struct DevOptions {
    /// Where it keeps everything
    #[arg(long, value_name = "FOLDER", default_value = cli::DATA_DIR_DEFAULT)]
    data_dir: PathBuf,
    /// The API's port; without it the one of last time, else 8080 or a free one
    #[arg(long)]
    port: Option<u16>,
    /// Forget what was there and begin anew
    #[arg(long)]
    fresh: bool,
    /// Print one line of JSON when ready, instead of the live table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct SimulatorOptions {
    /// Where it keeps its state; without it nothing is kept
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Its port; 0 takes a free one, which the log names
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Make the demo user with two calendars; the same events for the same seed
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Dev(options) => {
            let DevOptions { data_dir, port, fresh, json } = options;
            finish(dev::run(dev::DevArguments { data_dir, port, fresh, json }, &environment).await)
        }
        Command::Worker => role(Box::pin(evercal_worker::run(&environment))).await,
        Command::Gateway => role(Box::pin(evercal_gateway::run(&environment))).await,
        Command::Codec => role(Box::pin(evercal_gateway::codec::run_codec(&environment))).await,
        Command::Simulator(options) => {
            let SimulatorOptions { data_dir, port, seed } = options;
            role(Box::pin(roles::simulator(roles::SimulatorArguments { data_dir, port, seed }))).await
        }
        Command::Config(options) => match config::run(&options, &environment) {
            Ok(code) => code,
            Err(error) => finish(Err(error)),
        },
        Command::Administer(command) => admin::run(command, &environment).await,
        Command::Ask(command) => cli::run(command, &environment).await,
    }
}

/// Runs a part of evercal in this process, with logs.
async fn role(run: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    match log_as_json(&Lookup::new(&environment)) {
        Ok(()) => finish(run.await),
        Err(error) => finish(Err(error.into())),
    }
}

fn finish(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(help) = temporal_help::help(&format!("{error:#}")) {
                eprintln!(" next: {help}");
            }
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "binaries read the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
