//! Why a simulator does not start, or does not end well.

use std::net::SocketAddr;

use evercal_process::TaskFailure;

use super::journal::JournalError;

/// Why a simulator did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address could not be listened on, or the server failed.
    #[error("simulator: cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The journal could not be opened or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal holds something that this version, or this provider, cannot read.
    #[error("simulator: the journal's entry {key} cannot be read: {reason}")]
    State {
        /// The entry's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client that sends notices could not be made.
    #[error("simulator: cannot make the webhook client: {0}")]
    WebhookClient(reqwest::Error),
    /// The certificate could not be made, or not be written.
    #[error("simulator: cannot make its certificate: {0}")]
    Certificate(String),
    /// A background task failed.
    #[error("simulator: {0}")]
    Task(#[from] TaskFailure),
    /// The demo tenant is not legal; a mistake in the seed.
    #[error("simulator: cannot create the demo tenant: {0}")]
    Demo(String),
}

impl SimulatorError {
    pub(crate) fn unknown_key(key: &str) -> Self {
        Self::State { key: key.to_owned(), reason: "unknown kind of entry".to_owned() }
    }
}
