//! Temporal's namespace, over a connection. What it says about the installation is in `installation.rs`, what is registered in
//! it in `registration.rs`.

use temporalio_client::Connection;

/// A namespace of a Temporal server.
pub struct Namespace {
    /// A connection to the server.
    pub connection: Connection,
    /// The namespace's name.
    pub name: String,
}
