//! The real Temporal server (and its UI) on one machine, as child processes of the caller.
//!
//! [`TemporalServer::start`] finds a cached build of the pinned Go modules or makes one, writes the
//! configuration into the data folder, starts server and UI on loopback, registers the namespace and its
//! search attributes, restarts what dies and stops everything at the end. With
//! [`TemporalOptions::running_server`] it starts nothing and only prepares the namespace.
//!
//! [`supervise`] is the part that any parent of long-lived children can use: start, wait until ready, log
//! to a file, restart with backoff, stop in order, and leave no child behind even after `kill -9`.
//!
//! [`postgres`] runs a PostgreSQL server the same way, from the system's packages.
//!
//! Not for production clusters: there the operator runs Temporal, and gateway and worker do not know this crate; of
//! `evercal`, only `dev` uses it. It reads no environment; binaries pass paths and addresses in.

mod binaries;
mod cli;
mod config;
mod connecting;
mod error;
mod lifeline;
mod log_file;
mod options;
mod ports;
pub mod postgres;
mod postgres_schema;
mod progress;
mod security;
mod server;
pub mod small_disk;
pub mod supervise;
mod ui_guard;

pub use binaries::{Binaries, ensure as ensure_binaries};
pub use connecting::{activity_pollers, connect, connection_options};
pub use error::DevserverError;
pub use options::{
    DEFAULT_HISTORY_SHARDS, DEFAULT_NAMESPACE, PostgresDatabases, RateLimits, TemporalOptions, cache_dir,
};
pub use ports::Ports;
pub use security::{ClientCertificates, Security, ServerTls, ServerTokens};
pub use server::{Origin, TemporalServer};
