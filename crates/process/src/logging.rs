//! How a process logs: one JSON object per line, to stderr; `evercal dev` to a file. What is logged, and what never is:
//! `docs/logging.md`.

use std::fs::File;
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use crate::log_writer::{LogFlush, LogWriter};

/// Starts to log to stderr what passes the filter. Once per process, before anything else; what it answers lives to the end.
/// It fails where no thread can be started to write the log.
pub fn log_as_json(filter: EnvFilter) -> io::Result<LogFlush> {
    log_to(io::stderr(), filter)
}

/// The same, for a process whose stderr is for people.
pub fn log_as_json_into(file: File, filter: EnvFilter) -> io::Result<LogFlush> {
    log_to(file, filter)
}

fn log_to(destination: impl Write + Send + 'static, filter: EnvFilter) -> io::Result<LogFlush> {
    let (writer, flush) = LogWriter::new(destination)?;
    let subscriber = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(writer);
    // What it cannot write it would print on stderr, and panic where that cannot be written either.
    subscriber.log_internal_errors(false).init();
    Ok(flush)
}
