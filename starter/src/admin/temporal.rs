//! `evercal prepare-temporal`: the namespace and the search attributes that the workflows need; and the way to Temporal for
//! the other commands.

use clap::Args;
use evercal_devserver::{DEFAULT_RETENTION, ensure_namespace, keywords_and_instants};
use evercal_settings::temporal_help;
use evercal_workflows::names;
use serde_json::json;
use temporalio_client::Connection;

use super::patience::Patience;
use crate::cli::{CliError, Failure, pretty};

/// What the command takes.
#[derive(Args)]
pub struct PrepareOptions {
    #[command(flatten)]
    patience: Patience,
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
pub async fn prepare(options: &PrepareOptions) -> Result<String, CliError> {
    let attributes = keywords_and_instants(&names::SEARCH_ATTRIBUTES);
    let (connection, namespace) =
        options.patience.keep_trying(async || connect("evercal prepare-temporal").await).await?;
    ensure_namespace(&connection, &namespace, DEFAULT_RETENTION, &attributes).await.map_err(|error| {
        let advice = "ask who runs Temporal to register the namespace and the search attributes, or for the right to do so; \
                      where it asks for API keys, it is a right of the one in TEMPORAL_API_KEY";
        CliError::new(Failure::Error, format!("{:#}", anyhow::Error::from(error)), advice)
    })?;
    let attributes: Vec<&String> = attributes.iter().map(|(name, _)| name).collect();
    if options.json {
        return Ok(pretty(&json!({"namespace": namespace, "search_attributes": attributes})));
    }
    Ok(format!("The namespace `{namespace}` has the {} search attributes that evercal needs.\n", attributes.len()))
}
