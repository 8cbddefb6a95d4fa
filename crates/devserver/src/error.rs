//! What can go wrong with the server. Each text is meant for the person who started the program.

use std::path::PathBuf;

use evercal_workflow_client::RegistrationError;

use crate::supervise::SuperviseError;

/// Why Temporal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DevserverError {
    /// There is no server, and none can be built here.
    #[error(
        "no Temporal server: {reason}\n\
         Ways out:\n\
         - set TEMPORAL_ADDRESS to a running server, as in TEMPORAL_ADDRESS=127.0.0.1:7233;\n\
         - for `evercal dev`: install the `temporal` command line (https://docs.temporal.io/cli) and have it on PATH;\n\
         - install Go {go_version} or newer (https://go.dev/dl), have it on PATH, and start again \
         (the first build needs the network);\n\
         - copy the folder {} from a machine of the same kind on which evercal has run.",
        build_dir.display()
    )]
    Unavailable {
        /// What was tried and failed.
        reason: String,
        /// The version of Go that the pinned modules ask for.
        go_version: String,
        /// Where the built programs are searched.
        build_dir: PathBuf,
    },
    /// The workflows of a data folder are kept by a program that is not there.
    #[error(
        "what {} holds was begun with the `temporal` command line, which is not on PATH: install it \
         (https://docs.temporal.io/cli), or begin anew in another folder",
        .0.display()
    )]
    CliMissing(PathBuf),
    /// Another process runs Temporal in the same data folder.
    #[error("another process already runs Temporal in {}", .0.display())]
    InUse(PathBuf),
    /// The ports that the caller asked for, or each of those tried, are taken.
    #[error("cannot listen on {0}: in use by another program")]
    PortsInUse(String),
    /// The address of a running server cannot be read.
    #[error("`{0}` is not the address of a Temporal server: expected host:port, as in 127.0.0.1:7233")]
    InvalidAddress(String),
    /// PostgreSQL is not installed.
    #[error(
        "no PostgreSQL server: neither the folders of Debian's packages nor PATH has `initdb`; install it, for example \
         with `apt-get install postgresql`"
    )]
    PostgresMissing,
    /// A program of PostgreSQL failed.
    #[error("`{program}` failed: {output}")]
    PostgresProgram {
        /// The program.
        program: &'static str,
        /// What it wrote.
        output: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted, as a verb.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// A child process does not run.
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    /// No answer from the server.
    #[error("cannot connect to Temporal at {address}")]
    Connect {
        /// The address that was tried.
        address: String,
        /// The answer of the client.
        source: Box<temporalio_client::errors::ClientConnectError>,
    },
    /// The namespace cannot be made ready.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The server refused a call.
    #[error("Temporal cannot {action}")]
    Rpc {
        /// What was attempted, as a verb.
        action: String,
        /// The answer of the server.
        source: Box<tonic::Status>,
    },
}

impl DevserverError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
