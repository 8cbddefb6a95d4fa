//! `evercal prepare-temporal`: the namespace and the search attributes that the workflows need; and the way to Temporal for
//! the other commands.

use clap::Args;
use evercal_domain::{Clock as _, InstallationId, SystemClock};
use evercal_settings::Lookup;
use evercal_storage::{Keyring, StoreSettings};
use evercal_workflow_client::{DEFAULT_RETENTION, Namespace, search_attributes, temporal_help};
use serde_json::json;
use temporalio_client::Connection;
use tonic::Status;

use super::wait::WaitOptions;
use crate::cli::{CliError, Failure, pretty};

/// What the command takes.
#[derive(Args)]
pub struct PrepareOptions {
    #[command(flatten)]
    wait: WaitOptions,
    /// The database of `DATABASE_URL` is the installation's from now on, whichever was before
    #[arg(long)]
    adopt_database: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A connection to the Temporal that the environment names, and the namespace.
pub async fn connect(identity: &str) -> Result<(Connection, String), CliError> {
    let target = evercal_settings::temporal_target(identity).map_err(|error| {
        CliError::usage(format!("{error:#}"), "set TEMPORAL_ADDRESS, or correct the profile that names it")
    })?;
    let connection = Connection::connect(target.connection).await.map_err(|error| {
        let message = format!("Temporal does not answer: {error}");
        let next = temporal_help(&message).unwrap_or("check that it runs, and TEMPORAL_ADDRESS");
        CliError::new(Failure::Unreachable, message, next)
    })?;
    Ok((connection, target.client.namespace))
}

/// Registers what is missing, and returns when it can be used. What is there is left alone.
pub async fn prepare(options: &PrepareOptions, find: &dyn Fn(&str) -> Option<String>) -> Result<String, CliError> {
    if options.adopt_database {
        // Nothing is registered in Temporal where no database is named.
        store_settings(find)?;
    }
    let attributes = search_attributes();
    let (connection, name) = options.wait.retry(async || connect("evercal prepare-temporal").await).await?;
    let namespace = Namespace { connection, name };
    namespace.register(DEFAULT_RETENTION, &attributes).await.map_err(|error| {
        let advice = "ask who runs Temporal to register the namespace and the search attributes, or for the right to do so; \
                      where it asks for API keys, it is a right of the one in TEMPORAL_API_KEY";
        CliError::new(Failure::Error, format!("{:#}", anyhow::Error::from(error)), advice)
    })?;
    let installation = claim(&namespace, options.adopt_database, find).await?;
    let attributes: Vec<&String> = attributes.iter().map(|(name, _)| name).collect();
    if options.json {
        let installation = installation.map(|id| id.to_string());
        let answer =
            json!({"namespace": namespace.name, "search_attributes": attributes, "installation": installation});
        return Ok(pretty(&answer));
    }
    let owner = match installation {
        Some(id) => format!("Its workflows belong to the database of DATABASE_URL ({id})."),
        None => "Its workflows will belong to the database of the first gateway or worker that starts.".to_owned(),
    };
    let count = attributes.len();
    Ok(format!("The namespace `{}` has the {count} search attributes that evercal needs.\n{owner}\n", namespace.name))
}

/// Claims the workflows of the namespace for the database of `DATABASE_URL`, where there is one. A database that is not there
/// yet is left to the first process that opens it.
async fn claim(
    namespace: &Namespace,
    adopt: bool,
    find: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<InstallationId>, CliError> {
    let ours = match database(find).await {
        Ok(ours) => ours,
        Err(error) if adopt => return Err(error),
        Err(error) => {
            tracing::debug!(message = error.message, "no database is asked whose it is");
            return Ok(None);
        }
    };
    let failed = |status: Status| {
        let message = format!("Temporal does not say whose database its workflows belong to: {}", status.message());
        CliError::new(Failure::Error, message, "ask for the right to start workflows in the namespace")
    };
    if adopt {
        namespace.forget().await.map_err(failed)?;
    }
    let owner = namespace.owner_or_claim(ours).await.map_err(failed)?;
    if owner == ours {
        return Ok(Some(ours));
    }
    let message = format!(
        "the workflows of the namespace `{}` belong to the database of {owner}, and DATABASE_URL names the one of {ours}",
        namespace.name
    );
    let advice = "correct DATABASE_URL or TEMPORAL_NAMESPACE; where that database is lost, give --adopt-database \
                  (docs/operations.md)";
    Err(CliError::new(Failure::Error, message, advice))
}

fn store_settings(find: &dyn Fn(&str) -> Option<String>) -> Result<StoreSettings, CliError> {
    let url = evercal_settings::store::DATABASE_URL
        .read(&Lookup::new(find))
        .map_err(|error| CliError::usage(error.to_string(), "set DATABASE_URL (or DATABASE_URL_FILE)"))?;
    Ok(StoreSettings::new(url, Keyring::none()))
}

async fn database(find: &dyn Fn(&str) -> Option<String>) -> Result<InstallationId, CliError> {
    let store = evercal_storage::open(&store_settings(find)?).await?;
    Ok(store.try_writing(SystemClock.now()).await?)
}
