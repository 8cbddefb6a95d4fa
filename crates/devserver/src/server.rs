//! Puts the parts together: programs, ports, configuration, children, namespace.

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tracing::info;

use crate::binaries::{self, Binaries};
use crate::config;
use crate::error::DevserverError;
use crate::namespace::{connect_by, ensure_namespace, host_and_port};
use crate::options::TemporalOptions;
use crate::ports::{self, PortPlan};
use crate::postgres_schema;
use crate::supervise::{ChildSpec, SuperviseError, Supervisor, accepts_connections, wait_for_predecessor};

/// Names of the children, and of their log files.
const SERVER: &str = "temporal";
const UI: &str = "temporal-ui";

/// Port plans to try before giving up.
const START_ATTEMPTS: usize = 5;
/// What both programs write when a port is taken.
const PORT_IN_USE: &str = "address already in use";

/// A Temporal server that can be used: an own one, kept running until [`TemporalServer::stop`] (or drop,
/// which kills it), or one that somebody else runs.
#[derive(Debug)]
pub struct TemporalServer {
    address: String,
    namespace: String,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    supervisor: Supervisor,
    ui_url: Option<String>,
    /// Keeps a second process off the data folder; unlocked by being dropped, or by our death.
    _lock: File,
}

impl TemporalServer {
    /// Returns when the server answers and namespace and search attributes can be used. May build the
    /// server first, which takes minutes and shows its progress on stderr.
    pub async fn start(options: TemporalOptions) -> Result<Self, DevserverError> {
        let (connection, address, own) = if let Some(running) = &options.running_server {
            (running.clone(), host_and_port(&running.target), None)
        } else {
            let (address, own) = start_own(&options).await?;
            (options.security.connection_options(&address)?, address, Some(own))
        };
        let connection = connect_by(connection).await?;
        ensure_namespace(&connection, &options.namespace, options.retention, &options.search_attributes).await?;
        info!(address, namespace = options.namespace, own = own.is_some(), "Temporal is ready");
        Ok(Self { address, namespace: options.namespace, own })
    }

    /// Where the server answers gRPC: `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether this process runs it.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Where to open the UI, if this process runs one.
    pub fn ui_url(&self) -> Option<&str> {
        self.own.as_ref()?.ui_url.as_deref()
    }

    /// The namespace that was made ready.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The process id of the own server while it runs; another one after each restart.
    pub fn server_pid(&self) -> Option<u32> {
        self.own.as_ref()?.supervisor.pid(SERVER)
    }

    /// The process id of the own UI while it runs; another one after each restart.
    pub fn ui_pid(&self) -> Option<u32> {
        self.own.as_ref()?.supervisor.pid(UI)
    }

    /// Stops UI and server, in this order. A server that somebody else runs goes on.
    pub async fn stop(self) {
        if let Some(own) = self.own {
            own.supervisor.stop().await;
        }
    }
}

async fn start_own(options: &TemporalOptions) -> Result<(String, Own), DevserverError> {
    let binaries = binaries::ensure(options).await?;
    fs::create_dir_all(&options.data_dir).map_err(DevserverError::io("create", &options.data_dir))?;
    // Absolute, since server and UI may resolve relative paths in their own way.
    let data_dir = options.data_dir.canonicalize().map_err(DevserverError::io("resolve", &options.data_dir))?;
    let folder = data_dir.join("temporal");
    fs::create_dir_all(&folder).map_err(DevserverError::io("create", &folder))?;
    let lock = lock_data_dir(&folder)?;
    let log_file = |name: &str| data_dir.join("logs").join(format!("{name}.log"));
    for name in [SERVER, UI] {
        // Else the ports of the last run would seem taken, and two servers would share one database.
        wait_for_predecessor(name, &log_file(name)).await?;
    }
    if let Some(postgres) = &options.postgres {
        postgres_schema::ensure(&binaries.schema_tool, &folder, postgres)?;
    }
    ports::check_fixed(options.ports)?;
    let mut tried = Vec::new();
    for plan in ports::candidates(&folder, options.ports).take(START_ATTEMPTS) {
        let mut supervisor = Supervisor::new();
        match start_children(&mut supervisor, options, &binaries, &folder, &plan, log_file).await {
            Ok(()) => {
                plan.remember(&folder)?;
                let ui_url = options.with_ui.then(|| format!("http://127.0.0.1:{}", plan.ui));
                return Ok((format!("127.0.0.1:{}", plan.frontend), Own { supervisor, ui_url, _lock: lock }));
            }
            Err(DevserverError::Supervise(SuperviseError::EndedEarly { log_tail, .. }))
                if log_tail.contains(PORT_IN_USE) =>
            {
                supervisor.stop().await;
                tried.push(format!("127.0.0.1:{} and those after it", plan.frontend));
            }
            Err(error) => return Err(error),
        }
    }
    Err(DevserverError::PortsInUse(tried.join(", ")))
}

async fn start_children(
    supervisor: &mut Supervisor,
    options: &TemporalOptions,
    binaries: &Binaries,
    folder: &Path,
    plan: &PortPlan,
    log_file: impl Fn(&str) -> PathBuf,
) -> Result<(), DevserverError> {
    let server_config = config::write(folder, options, plan)?;
    let mut server = ChildSpec::new(SERVER, &binaries.server, log_file(SERVER));
    server.args = config::server_arguments(options, server_config);
    let connection = options.security.connection_options(&format!("127.0.0.1:{}", plan.frontend))?;
    supervisor.start(server, || async { connect_by(connection.clone()).await.is_ok() }).await?;
    if options.with_ui {
        let mut ui = ChildSpec::new(UI, &binaries.ui, log_file(UI));
        ui.args = vec![
            "-r".into(),
            folder.into(),
            "-c".into(),
            config::FOLDER.into(),
            "-e".into(),
            config::UI_ENVIRONMENT.into(),
            "start".into(),
        ];
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, plan.ui));
        supervisor.start(ui, || accepts_connections(address)).await?;
    }
    Ok(())
}

fn lock_data_dir(folder: &Path) -> Result<File, DevserverError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(DevserverError::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DevserverError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(DevserverError::io("lock", path)(error)),
    }
}
