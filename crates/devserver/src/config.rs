//! The configuration files of server and UI. They are JSON in files named `.yaml`: every JSON text is YAML,
//! and a serializer escapes paths right. Not for defaults that callers choose: see `options`.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::DevserverError;
use crate::options::TemporalOptions;
use crate::ports::PortPlan;
use crate::postgres_schema;

/// The folder of the files, under the Temporal folder: the `-c` argument of the UI.
pub(crate) const FOLDER: &str = "config";
/// The `-e` argument of the UI: the name of its configuration file without `.yaml`.
pub(crate) const UI_ENVIRONMENT: &str = "ui";

/// The service that a closed server has beside its own; the server starts it only when it is named.
const INTERNAL_FRONTEND: &str = "internal-frontend";
/// What the server starts when nothing is named.
const SERVICES: [&str; 4] = ["frontend", "history", "matching", "worker"];

/// The file that keeps everything, where it is not PostgreSQL.
const DATABASE: &str = "temporal.db";

/// Connections to each database of PostgreSQL.
const POSTGRES_CONNECTIONS: u16 = 20;

/// Writes all files, over those of an earlier run, and returns the path of the server's.
pub(crate) fn write(
    temporal_dir: &Path,
    options: &TemporalOptions,
    ports: &PortPlan,
    ui: SocketAddr,
) -> Result<PathBuf, DevserverError> {
    let folder = temporal_dir.join(FOLDER);
    fs::create_dir_all(&folder).map_err(DevserverError::io("create", &folder))?;
    let server = folder.join("server.yaml");
    let dynamic = folder.join("dynamic.yaml");
    let database = sqlite_uri_path(utf8(&temporal_dir.join(DATABASE))?);
    for (path, content) in [
        (&server, server_config(options, &datastores(options, &database), utf8(&dynamic)?, ports)),
        (&dynamic, dynamic_config(options)),
        (&folder.join(format!("{UI_ENVIRONMENT}.yaml")), ui_config(options, ports, ui)),
    ] {
        fs::write(path, format!("{content:#}\n")).map_err(DevserverError::io("write", path))?;
    }
    Ok(server)
}

/// Whether the workflows of this folder are kept by our own build.
pub(crate) fn keeps(temporal_dir: &Path) -> bool {
    temporal_dir.join(DATABASE).exists()
}

/// The server's arguments with this configuration.
pub(crate) fn server_arguments(options: &TemporalOptions, file: PathBuf) -> Vec<OsString> {
    let mut arguments = vec!["--config-file".into(), file.into()];
    if options.security.tokens.is_none() {
        arguments.push("--allow-no-auth".into());
    }
    arguments.push("start".into());
    if options.security.is_closed() {
        for service in SERVICES.into_iter().chain([INTERNAL_FRONTEND]) {
            arguments.extend(["--service".into(), service.into()]);
        }
    }
    arguments
}

fn utf8(path: &Path) -> Result<&str, DevserverError> {
    let error = || {
        DevserverError::io("name in a configuration file, since it is not UTF-8,", path)(ErrorKind::InvalidInput.into())
    };
    path.to_str().ok_or_else(error)
}

/// The server puts the path into a URI unescaped, so what has a meaning there is escaped here.
fn sqlite_uri_path(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// The store of histories and the one of visibility, by name.
fn datastores(options: &TemporalOptions, file: &str) -> Value {
    let Some(postgres) = &options.postgres else {
        let sqlite = json!({ "sql": {
            "pluginName": "sqlite",
            "databaseName": file,
            "connectAddr": "localhost",
            "connectProtocol": "tcp",
            // synchronous 1 survives the kill of any process; a power cut may cost the last moments,
            // which our reconcile repairs. 2 is safe against that too, at half the speed.
            "connectAttributes": { "cache": "private", "setup": "true", "journal_mode": "wal", "synchronous": "1" },
            "maxConns": 1,
            "maxIdleConns": 1,
        } });
        return json!({ "store": sqlite, "visibility": sqlite });
    };
    let database = |name: &str| {
        json!({ "sql": {
            "pluginName": postgres_schema::PLUGIN,
            "databaseName": name,
            "connectAddr": postgres.address,
            "connectProtocol": "tcp",
            "user": postgres.user,
            "password": postgres.password,
            "maxConns": POSTGRES_CONNECTIONS,
            "maxIdleConns": POSTGRES_CONNECTIONS,
        } })
    };
    json!({ "store": database(&postgres.store), "visibility": database(&postgres.visibility) })
}

fn server_config(options: &TemporalOptions, datastores: &Value, dynamic: &str, ports: &PortPlan) -> Value {
    let service = |grpc: u16, membership: u16| json!({ "rpc": { "grpcPort": grpc, "membershipPort": membership, "bindOnLocalHost": true } });
    // Without the HTTP API: any page that a browser shows can send to it, and nobody here needs it.
    let mut services = json!({
        "frontend": service(ports.frontend, ports.frontend_membership),
        "history": service(ports.history, ports.history_membership),
        "matching": service(ports.matching, ports.matching_membership),
        "worker": service(ports.worker, ports.worker_membership),
    });
    if let (true, Some(services)) = (options.security.is_closed(), services.as_object_mut()) {
        // The server's own workers come in here, without certificate and token.
        let internal = service(ports.internal_frontend, ports.internal_frontend_membership);
        services.insert(INTERNAL_FRONTEND.to_owned(), internal);
    }
    let mut global = options.security.global_config();
    global.insert("membership".to_owned(), json!({ "maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1" }));
    json!({
        "log": { "stdout": true, "level": "warn" },
        "persistence": {
            "defaultStore": "store",
            "visibilityStore": "visibility",
            "numHistoryShards": options.history_shards,
            "datastores": datastores,
        },
        "global": global,
        "services": services,
        "clusterMetadata": {
            "enableGlobalNamespace": false,
            "failoverVersionIncrement": 10,
            "masterClusterName": "active",
            "currentClusterName": "active",
            "clusterInformation": { "active": {
                "enabled": true,
                "initialFailoverVersion": 1,
                "rpcName": "frontend",
                "rpcAddress": format!("127.0.0.1:{}", ports.frontend),
            } },
        },
        "dcRedirectionPolicy": { "policy": "noop" },
        "dynamicConfigClient": { "filepath": dynamic, "pollInterval": "10s" },
    })
}

fn dynamic_config(options: &TemporalOptions) -> Value {
    let settings = dynamic_settings(options).into_iter();
    settings.map(|(key, value)| (key.to_owned(), json!([{ "value": value }]))).collect::<Map<_, _>>().into()
}

/// What the server is to do otherwise than by itself.
pub(crate) fn dynamic_settings(options: &TemporalOptions) -> Vec<(&'static str, Value)> {
    let mut settings = vec![
        // Fairness keys have no effect without it.
        ("matching.enableFairness", json!(true)),
        // Each service reads namespaces, and with them new search attributes, this often (its own: 2 s).
        ("system.namespaceCacheRefreshInterval", json!("500ms")),
    ];
    if options.time_skipping {
        settings.extend([
            ("frontend.WorkflowTimeSkippingEnabled", json!(true)),
            // At its default of 1 s each skipped timer costs about a second.
            ("history.timerProcessorMaxTimeShift", json!("1ms")),
            // Else 1.32.0 counts skipped time twice after continue-as-new.
            ("history.workflowIdReuseMinimalInterval", json!("0s")),
        ]);
    }
    if let Some(limits) = options.rate_limits {
        settings.extend([
            ("frontend.namespaceRPS", json!(limits.namespace_requests_per_s)),
            ("history.persistenceMaxQPS", json!(limits.history_persistence_calls_per_s)),
        ]);
    }
    settings
}

fn ui_config(options: &TemporalOptions, ports: &PortPlan, ui: SocketAddr) -> Value {
    json!({
        "temporalGrpcAddress": format!("127.0.0.1:{}", ports.frontend),
        "tls": options.security.ui_config(),
        "host": ui.ip(),
        "port": ui.port(),
        "enableUi": true,
        "defaultNamespace": options.namespace,
        "disableNewsFetch": true,
        "cors": { "cookieInsecure": true },
    })
}
