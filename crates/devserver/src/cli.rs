//! The official `temporal` command line as the server: it has server and UI in one program. For `evercal dev` where nothing
//! of ours was built; not for tests, since what it brings is whatever version its user installed.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::binaries::find_program;
use crate::config;
use crate::options::TemporalOptions;
use crate::ports::PortPlan;

const PROGRAM: &str = "temporal";
/// Its database, in the Temporal folder: another version's than that of our own build.
const DATABASE: &str = "cli.db";

/// The program, where it may be used and is there.
pub(crate) fn find(options: &TemporalOptions) -> Option<PathBuf> {
    let can_do_it = options.postgres.is_none() && !options.time_skipping && !options.security.is_closed();
    (options.may_use_cli && can_do_it).then(|| find_program(PROGRAM, &options.search_path)).flatten()
}

/// Whether the workflows of this folder are kept by it. Another server would not know them.
pub(crate) fn keeps(temporal_dir: &Path) -> bool {
    temporal_dir.join(DATABASE).exists()
}

pub(crate) fn arguments(
    options: &TemporalOptions,
    temporal_dir: &Path,
    ports: &PortPlan,
    ui: SocketAddr,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        ["server", "start-dev", "--ip", "127.0.0.1", "--log-level", "warn"].map(OsString::from).into();
    let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
    add("--db-filename", temporal_dir.join(DATABASE).into());
    add("--port", ports.frontend.to_string().into());
    add("--http-port", ports.frontend_http.to_string().into());
    add("--ui-ip", ui.ip().to_string().into());
    add("--ui-port", ui.port().to_string().into());
    add("--namespace", options.namespace.clone().into());
    for (name, kind) in &options.search_attributes {
        add("--search-attribute", format!("{name}={}", kind.as_str()).into());
    }
    for (key, value) in config::dynamic_settings(options) {
        add("--dynamic-config-value", format!("{key}={value}").into());
    }
    // Its HTTP API cannot be turned off, and any page that a browser shows could send to it. Nobody has this name (RFC 2606).
    add("--dynamic-config-value", "frontend.httpAllowedHosts=[\"nobody.invalid\"]".into());
    if !options.with_ui {
        arguments.push("--headless".into());
    }
    arguments
}
