//! How a role logs: one JSON object per line, to stderr; `evercal dev` to a file. What is logged, and what never is:
//! `docs/logging.md`.

use std::fs::File;
use std::io;

use tracing_subscriber::EnvFilter;

use crate::lookup::{ConfigError, Lookup};

/// How much is logged when nobody says it.
const DEFAULT_FILTER: &str = "info";

/// `RUST_LOG`: how much is logged.
pub fn log_filter(lookup: &Lookup<'_>) -> Result<EnvFilter, ConfigError> {
    let filter = lookup.optional("RUST_LOG", "info,evercal_gateway=debug")?;
    Ok(filter.unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER)))
}

/// Starts to log, as much as `RUST_LOG` says. Once per process, before anything else.
pub fn log_as_json(lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    let filter = log_filter(lookup)?;
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(io::stderr).init();
    Ok(())
}

/// The same, for a process whose stderr is for people.
pub fn log_as_json_into(file: File, lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    let filter = log_filter(lookup)?;
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(file).init();
    Ok(())
}
