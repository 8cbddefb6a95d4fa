//! The commands of whoever installs evercal: they open the database (or Temporal) itself, not the API, and need no master
//! key.

mod builds;
mod database;
mod disconnect;
mod keys;
mod temporal;
mod tenants;
mod wait;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{Clock as _, SystemClock, TenantId};
use evercal_settings::Lookup;
use evercal_storage::{DatabaseUrl, Keyring, Store, StoreError, StoreErrorKind, StoreSettings};
use serde_json::Value;

use crate::cli::table::Screen;
use crate::cli::target::DATABASE_FILE;
use crate::cli::{CliError, Failure, print};

/// A command that opens the database.
#[derive(Subcommand)]
pub enum Command {
    /// Bring the database's tables up to date
    Migrate(database::MigrateOptions),
    /// Copy everything from a SQLite file into the empty PostgreSQL database of `DATABASE_URL`
    CopyStore(database::CopyOptions),
    /// Register the namespace and the search attributes in Temporal
    PrepareTemporal(temporal::PrepareOptions),
    /// List the builds of the worker, and promote one
    #[command(subcommand)]
    Builds(builds::Command),
    /// Make, list, limit and revoke tenants
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(keys::Command),
}

/// What all of them take.
#[derive(Args)]
pub struct Options {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Open the database of the `evercal dev` in this folder, not the one of `DATABASE_URL`
    #[arg(long, value_name = "FOLDER", global = true)]
    data_dir: Option<PathBuf>,
}

impl Command {
    /// Whether it was asked for JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Migrate(command) => command.options.json,
            Self::CopyStore(command) => command.options.json,
            Self::PrepareTemporal(options) => options.json,
            Self::Builds(command) => command.json(),
            Self::Tenants(command) => command.options().json,
            Self::Keys(command) => command.options().json,
        }
    }

    /// Whether it reads any setting: the connection to Temporal is read by Temporal's SDK.
    pub fn reads_settings(&self) -> bool {
        !matches!(self, Self::Builds(_))
    }
}

/// Runs a command and prints its answer.
pub async fn run(command: Command, find: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    let json = command.json();
    let answer = match command {
        Command::Migrate(options) => database::migrate(&options, find).await,
        Command::CopyStore(options) => database::copy(&options, find).await,
        Command::PrepareTemporal(options) => temporal::prepare(&options, find).await,
        Command::Builds(command) => builds::run(command, find).await,
        Command::Tenants(command) => tenants::run(command, find).await,
        Command::Keys(command) => keys::run(command, find).await,
    };
    match answer.and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(json),
    }
}

impl Options {
    /// The database of `--data-dir`, else of `DATABASE_URL`.
    fn url(&self, find: &dyn Fn(&str) -> Option<String>) -> Result<DatabaseUrl, CliError> {
        match &self.data_dir {
            Some(folder) => {
                let path = folder.join(DATABASE_FILE);
                if path.exists() {
                    return Ok(DatabaseUrl::file(path));
                }
                let message = format!("{} does not exist: no `evercal dev` has run there", path.display());
                Err(CliError::new(Failure::NotFound, message, "name another folder, or set DATABASE_URL"))
            }
            None => evercal_settings::store::DATABASE_URL.read(&Lookup::new(find)).map_err(|error| {
                CliError::usage(error.to_string(), "set DATABASE_URL (or DATABASE_URL_FILE), or give --data-dir")
            }),
        }
    }

    async fn open(&self, find: &dyn Fn(&str) -> Option<String>) -> Result<Session, CliError> {
        let settings = StoreSettings::new(self.url(find)?, Keyring::none());
        let store = evercal_storage::open(&settings).await?;
        Ok(Session { store, screen: Screen::detect(find), json: self.json })
    }
}

/// An open database, and how to answer.
struct Session {
    store: Arc<dyn Store>,
    screen: Screen,
    json: bool,
}

impl Session {
    /// JSON where it was asked for, else the text.
    fn answer(&self, json: &Value, text: impl FnOnce() -> String) -> String {
        if self.json { crate::cli::pretty(json) } else { text() }
    }

    /// Adds an entry about a tenant or its keys to the audit log.
    async fn note(&self, kind: AuditKind, tenant: TenantId, subject: &str, message: String) -> Result<(), CliError> {
        let entry = AuditEntry {
            dedup_key: format!("{}/{subject}", kind.as_str()),
            at: SystemClock.now(),
            kind,
            tenant_id: Some(tenant),
            account_id: None,
            calendar_id: None,
            message,
        };
        Ok(self.store.append_audit(&entry).await?)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let (failure, advice) = match error.kind {
            StoreErrorKind::NotFound => (Failure::NotFound, "the list shows what there is"),
            StoreErrorKind::Unavailable => (Failure::Unreachable, "check that the database runs, and DATABASE_URL"),
            StoreErrorKind::Configuration => (Failure::Usage, "correct what the message names, and try again"),
            StoreErrorKind::AccessDenied => (Failure::Unreachable, "check the role, its rights and DATABASE_URL"),
            StoreErrorKind::Schema => (Failure::Usage, "run `evercal migrate` with the same DATABASE_URL"),
            _ => (Failure::Error, "the message says what the database answered"),
        };
        Self::new(failure, format!("{:#}", anyhow::Error::new(error)), advice)
    }
}
