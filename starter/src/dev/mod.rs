//! `evercal dev`: everything on one machine, each part a process of its own, supervised, with a demo tenant at a
//! simulated Google. Stopped or killed and started again, it goes on where it was.
//!
//! Not a deployment: the keys lie in the data folder and the API key is printed.

mod connect;
mod folder;
mod parts;
mod ports;
mod ready;
mod table;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use evercal_process::{log_as_json_into, say, stop_signal};
use evercal_settings::Lookup;
use evercal_settings::process::LOG_FILTER;

use folder::Folder;
use parts::Parts;

use crate::cli::{DATA_DIR_DEFAULT, print};

pub use folder::DATABASE_FILE;

/// What a person may say.
pub struct DevArguments {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The API's port; by default the one of the last run, else 8080 or a free one.
    pub port: Option<u16>,
    /// Begin anew: what the folder holds is deleted.
    pub fresh: bool,
    /// One line of JSON when ready, instead of a table.
    pub json: bool,
}

/// Runs until Ctrl-C or SIGTERM. `find` looks an environment variable up.
pub async fn run(arguments: DevArguments, find: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let stopped = stop_signal()?;
    let (folder, ports) = Folder::open(&arguments.data_dir, arguments.fresh, arguments.port).await?;
    let _flush =
        log_as_json_into(folder.own_log()?, LOG_FILTER.read(&Lookup::new(find))?).context("starting the log")?;
    // What a killed run left there says where it was, not where this one is.
    folder.remove_ready();
    let progress = Progress { silent: arguments.json };
    tokio::pin!(stopped);

    progress.say("starting Temporal …");
    let parts = tokio::select! {
        parts = Parts::start(&folder, ports, find, &progress) => parts?,
        // Children that were started die with the future that owns them.
        () = &mut stopped => return Ok(()),
    };
    let shown = async {
        progress.say("connecting the demo calendars …");
        let ready = connect::demo_tenant(&folder, &parts).await.map_err(|error| parts.explained(&error))?;
        folder.write_ready(&ready)?;
        if arguments.json {
            print(&format!("{}\n", serde_json::to_string(&ready)?))?;
            std::future::pending::<()>().await;
        } else {
            let program = std::env::args().next().unwrap_or_else(|| "evercal".to_owned());
            let is_usual = arguments.data_dir == Path::new(DATA_DIR_DEFAULT);
            print(&ready.for_people(&program, (!is_usual).then_some(arguments.data_dir.as_path())))?;
            table::show(&ready, &parts, find).await?;
        }
        Ok(())
    };
    let result = tokio::select! {
        result = shown => result,
        failure = parts.failed() => Err(failure.into()),
        () = &mut stopped => Ok(()),
    };
    folder.remove_ready();
    progress.say("\nstopping …");
    parts.stop().await;
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
