//! What a caller decides about the server. Not for reading the environment: callers pass values.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evercal_workflow_client::{DEFAULT_RETENTION, IndexedKind};
use temporalio_client::ConnectionOptions;

use crate::ports::Ports;
use crate::security::Security;

/// Namespace when the caller names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Shards of a new database. Eight are the best of those measured on one machine with SQLite.
pub const DEFAULT_HISTORY_SHARDS: u16 = 8;

/// Where and how to run Temporal. Make one by [`TemporalOptions::new`] and change the fields.
#[derive(Debug, Clone)]
pub struct TemporalOptions {
    /// The folder of this instance. Database and configuration go to `temporal/`, logs to `logs/`.
    pub data_dir: PathBuf,
    /// The folder of built servers, shared by all instances of a user; see [`cache_dir`].
    pub cache_dir: PathBuf,
    /// The value of `PATH` in which Go is searched.
    pub search_path: OsString,
    /// Whether the official `temporal` command line may serve, where nothing was built yet and it is on PATH.
    pub may_use_cli: bool,
    /// A running server to use in place of an own one, and how to connect to it; see
    /// [`connection_options`](crate::connection_options).
    pub running_server: Option<ConnectionOptions>,
    /// The namespace to register.
    pub namespace: String,
    /// How long histories of closed workflows are kept; only used when the namespace is new. At least a day.
    pub retention: Duration,
    /// The search attributes to register, by name.
    pub search_attributes: Vec<(String, IndexedKind)>,
    /// The ports to listen on. `None`: those of the last run with this data folder, else free ones.
    pub ports: Option<Ports>,
    /// Whether to run the UI too.
    pub with_ui: bool,
    /// Lets requests skip time (tests, `dev`). Never for real calendars.
    pub time_skipping: bool,
    /// Shards of the history service. Fixed for the life of a database: later values are ignored.
    pub history_shards: u16,
    /// A PostgreSQL server to keep everything in, as a cluster does; `None`: a SQLite file in the data folder. It takes two
    /// databases that exist and belong to this data folder alone.
    pub postgres: Option<PostgresDatabases>,
    /// Who may use an own server. By default everybody on this machine, without TLS.
    pub security: Security,
    /// Variables of this process that server and UI do not get.
    pub env_remove: Vec<OsString>,
    /// Request limits above the server's own, for load tests. `None`: the server's own.
    pub rate_limits: Option<RateLimits>,
}

impl TemporalOptions {
    /// The options of one machine: own server with UI, free ports, no time skipping.
    pub fn new(data_dir: impl Into<PathBuf>, cache_dir: impl Into<PathBuf>, search_path: impl Into<OsString>) -> Self {
        Self {
            data_dir: data_dir.into(),
            cache_dir: cache_dir.into(),
            search_path: search_path.into(),
            may_use_cli: false,
            running_server: None,
            namespace: DEFAULT_NAMESPACE.to_owned(),
            retention: DEFAULT_RETENTION,
            search_attributes: Vec::new(),
            ports: None,
            with_ui: true,
            time_skipping: false,
            history_shards: DEFAULT_HISTORY_SHARDS,
            postgres: None,
            security: Security::default(),
            env_remove: Vec::new(),
            rate_limits: None,
        }
    }
}

/// Where the server keeps its state in PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresDatabases {
    /// `host:port`.
    pub address: String,
    /// Whom to connect as.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database of the histories.
    pub store: String,
    /// The database of the lists of workflows.
    pub visibility: String,
}

/// Limits of the server that a load test may raise.
#[derive(Debug, Clone, Copy)]
pub struct RateLimits {
    /// Requests per second to one namespace (`frontend.namespaceRPS`, the server's own is 2,400).
    pub namespace_requests_per_s: u32,
    /// Calls per second of the history service to its database (`history.persistenceMaxQPS`, 9,000).
    pub history_persistence_calls_per_s: u32,
}

/// The folder for built servers by the XDG base directory rules, from the values of `XDG_CACHE_HOME` and
/// `HOME`. `None` when neither names an absolute path.
pub fn cache_dir(xdg_cache_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    let absolute =
        |value: Option<&OsStr>| value.map(Path::new).filter(|path| path.is_absolute()).map(Path::to_path_buf);
    absolute(xdg_cache_home)
        .or_else(|| absolute(home).map(|home| home.join(".cache")))
        .map(|cache| cache.join("evercal").join("temporal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_under_xdg_cache_home_else_under_home_else_nowhere() {
        let dir = |xdg: &str, home: &str| cache_dir(Some(OsStr::new(xdg)), Some(OsStr::new(home)));
        assert_eq!(dir("/x", "/h"), Some(PathBuf::from("/x/evercal/temporal")));
        assert_eq!(dir("", "/h"), Some(PathBuf::from("/h/.cache/evercal/temporal")));
        assert_eq!(dir("relative", "relative"), None);
    }
}
