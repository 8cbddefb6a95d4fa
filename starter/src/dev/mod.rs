//! `evercal dev`: everything on one machine, each role a supervised process of its own, with a demo tenant at a
//! simulated provider. Stopped or killed and started again, it goes on where it was.
//!
//! Not a deployment: the keys lie in the data folder and the API key is printed.

mod connect;
mod folder;
mod ports;
mod processes;
mod ready;
mod simulator;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use evercal_process::{log_as_json_into, say, stop_signal};
use evercal_settings::Lookup;
use evercal_settings::process::LOG_FILTER;

use folder::Folder;
use processes::Processes;

use crate::cli::print;
use crate::cli::target::DATA_DIR_DEFAULT;

/// A command of the feature `dev`; without it, `without_dev.rs` stands here.
#[derive(Subcommand)]
pub enum Command {
    /// Run everything on this machine: Temporal, its UI, a simulated provider, worker and gateway, with demo calendars
    Dev(DevOptions),
    /// Run a simulated provider on loopback
    Simulator(simulator::Options),
}

/// What a person may say to `evercal dev`.
#[derive(Args)]
pub struct DevOptions {
    /// Where it keeps everything
    #[arg(long, value_name = "FOLDER", default_value = DATA_DIR_DEFAULT)]
    data_dir: PathBuf,
    /// The API's port; without it the one of last time, else 8080 or a free one
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Forget what was there and begin anew
    #[arg(long)]
    fresh: bool,
    /// Print one line of JSON when ready, instead of the live table
    #[arg(long)]
    json: bool,
}

/// Runs a command until Ctrl-C or SIGTERM. `find` looks an environment variable up.
pub async fn run(command: Command, find: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    match command {
        Command::Dev(options) => crate::end(everything(options, find).await),
        Command::Simulator(options) => crate::role(Box::pin(simulator::run(options)), find).await,
    }
}

async fn everything(options: DevOptions, find: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let stopped = stop_signal()?;
    let (folder, ports) = Folder::open(&options.data_dir, options.fresh, options.port).await?;
    let _flush =
        log_as_json_into(folder.own_log()?, LOG_FILTER.read(&Lookup::new(find))?).context("starting the log")?;
    // What a killed run left there says where it was, not where this one is.
    folder.remove_ready();
    let progress = Progress { silent: options.json };
    tokio::pin!(stopped);

    progress.say("starting Temporal …");
    let processes = tokio::select! {
        processes = Processes::start(&folder, ports, find, &progress) => processes?,
        // Children that were started die with the future that owns them.
        () = &mut stopped => return Ok(()),
    };
    let shown = async {
        progress.say("connecting the demo calendars …");
        let ready = connect::demo_tenant(&folder, &processes).await.map_err(|error| processes.explained(&error))?;
        folder.write_ready(&ready)?;
        if options.json {
            print(&format!("{}\n", serde_json::to_string(&ready)?))?;
            std::future::pending::<()>().await;
        } else {
            let program = std::env::args().next().unwrap_or_else(|| "evercal".to_owned());
            let is_usual = options.data_dir == Path::new(DATA_DIR_DEFAULT);
            print(&ready.for_people(&program, (!is_usual).then_some(options.data_dir.as_path())))?;
            table::show(&ready, &processes, find).await?;
        }
        Ok(())
    };
    let result = tokio::select! {
        result = shown => result,
        failure = processes.failed() => Err(failure.into()),
        () = &mut stopped => Ok(()),
    };
    folder.remove_ready();
    progress.say("\nstopping …");
    processes.stop().await;
    result
}

/// Says what is going on, on stderr, so that stdout holds only the result.
struct Progress {
    silent: bool,
}

impl Progress {
    fn say(&self, text: &str) {
        if !self.silent {
            say(text);
        }
    }
}
