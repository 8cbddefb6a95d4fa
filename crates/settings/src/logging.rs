//! How a role logs: one JSON object per line, to stderr; `evercal dev` to a file. What is logged, and what never is:
//! `docs/logging.md`.

use std::fs::File;
use std::io::{self, Write};

use evercal_process::{LogFlush, LogWriter};
use tracing_subscriber::EnvFilter;

use crate::lookup::{ConfigError, Lookup};

/// How much is logged when nobody says it.
const DEFAULT_FILTER: &str = "info";

/// Why a process cannot log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `RUST_LOG` cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no thread to write the log.
    #[error("the log cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// `RUST_LOG`: how much is logged.
pub fn log_filter(lookup: &Lookup<'_>) -> Result<EnvFilter, ConfigError> {
    let filter = lookup.optional("RUST_LOG", "info,evercal_gateway=debug")?;
    Ok(filter.unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER)))
}

/// Starts to log, as much as `RUST_LOG` says. Once per process, before anything else; what it answers lives to the end.
pub fn log_as_json(lookup: &Lookup<'_>) -> Result<LogFlush, LogError> {
    log_to(io::stderr(), lookup)
}

/// The same, for a process whose stderr is for people.
pub fn log_as_json_into(file: File, lookup: &Lookup<'_>) -> Result<LogFlush, LogError> {
    log_to(file, lookup)
}

fn log_to(destination: impl Write + Send + 'static, lookup: &Lookup<'_>) -> Result<LogFlush, LogError> {
    let filter = log_filter(lookup)?;
    let (writer, flush) = LogWriter::new(destination)?;
    let subscriber = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(writer);
    // What it cannot write it would tell on stderr, and panic where that cannot be written either.
    subscriber.log_internal_errors(false).init();
    Ok(flush)
}
