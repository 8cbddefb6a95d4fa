//! How a role logs: one JSON object per line, to stderr. What is logged, and what never is: `docs/logging.md`.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::lookup::{ConfigError, Lookup};

/// How much is logged when nobody says it.
const DEFAULT_FILTER: &str = "info";

/// Starts to log, as much as `RUST_LOG` says. Once per process, before anything else.
pub fn log_as_json(lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    let filter: Option<EnvFilter> = lookup.optional("RUST_LOG", "info,evercal_gateway=debug")?;
    let filter = filter.unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(io::stderr).init();
    Ok(())
}
