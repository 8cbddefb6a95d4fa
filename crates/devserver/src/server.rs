//! Puts the parts together: programs, ports, configuration, children, namespace.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use evercal_process::{TaskFailure, make_private};
use evercal_workflow_client::Namespace;
use temporalio_client::Connection;
use tracing::info;

use crate::binaries::{self, Binaries};
use crate::cli;
use crate::config;
use crate::connecting::{connect_by, host_and_port};
use crate::error::DevserverError;
use crate::options::TemporalOptions;
use crate::ports::{self, PortPlan};
use crate::postgres_schema;
use crate::supervise::{
    ChildSpec, FailingChild, SuperviseError, Supervisor, accepts_connections, wait_for_predecessor,
};
use crate::ui_guard::{Door, UiGuard};

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
    connection: Connection,
    own: Option<Own>,
}

/// Which server it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// One that somebody else runs.
    Running,
    /// Our own build of the pinned sources.
    Built,
    /// The official command line, at this path.
    Cli(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => formatter.write_str("a server that runs already"),
            Self::Built => formatter.write_str("the server built from pinned sources"),
            Self::Cli(program) => write!(formatter, "the `temporal` command line, {}", program.display()),
        }
    }
}

#[derive(Debug)]
struct Own {
    origin: Origin,
    supervisor: Supervisor,
    ui_url: Option<String>,
    door: Option<Door>,
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
        let namespace = Namespace { connection: connection.clone(), name: options.namespace.clone() };
        namespace.register(options.retention, &options.search_attributes).await?;
        info!(address, namespace = options.namespace, own = own.is_some(), "Temporal is ready");
        Ok(Self { address, namespace: options.namespace, connection, own })
    }

    /// Where the server answers gRPC: `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A connection to it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether this process runs it.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Which server it is.
    pub fn origin(&self) -> &Origin {
        self.own.as_ref().map_or(&Origin::Running, |own| &own.origin)
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

    /// Which of own server and own UI do not run as they should.
    pub fn failing(&self) -> Vec<FailingChild> {
        self.own.as_ref().map_or_else(Vec::new, |own| own.supervisor.failing())
    }

    /// Completes when an own server is not supervised any more: then the process has to end.
    pub async fn failed(&self) -> TaskFailure {
        match &self.own {
            Some(own) => {
                let door = async {
                    match &own.door {
                        Some(door) => door.failed().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    failure = own.supervisor.failed() => failure,
                    failure = door => failure,
                }
            }
            None => std::future::pending().await,
        }
    }

    /// Stops UI and server, in this order. A server that somebody else runs goes on.
    pub async fn stop(self) {
        if let Some(own) = self.own {
            drop(own.door);
            own.supervisor.stop().await;
        }
    }
}

async fn start_own(options: &TemporalOptions) -> Result<(String, Own), DevserverError> {
    let programs = programs(options).await?;
    fs::create_dir_all(&options.data_dir).map_err(DevserverError::io("create", &options.data_dir))?;
    // Absolute, since server and UI may resolve relative paths in their own way.
    let data_dir = options.data_dir.canonicalize().map_err(DevserverError::io("resolve", &options.data_dir))?;
    let folder = data_dir.join("temporal");
    fs::create_dir_all(&folder).map_err(DevserverError::io("create", &folder))?;
    make_private(&folder).map_err(DevserverError::io("close to others", &folder))?;
    let lock = lock_data_dir(&folder)?;
    let log_file = |name: &str| data_dir.join("logs").join(format!("{name}.log"));
    for name in [SERVER, UI] {
        // Else the ports of the last run would seem taken, and two servers would share one database.
        wait_for_predecessor(name, &log_file(name)).await?;
    }
    if let (Some(postgres), Programs::Built(binaries)) = (&options.postgres, &programs) {
        postgres_schema::ensure(&binaries.schema_tool, &folder, postgres)?;
    }
    ports::check_fixed(options.ports)?;
    let mut tried = Vec::new();
    for plan in ports::candidates(&folder, options.ports).take(START_ATTEMPTS) {
        let guard = match UiGuard::bind(plan.ui).await {
            Ok(guard) => guard,
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                tried.push(format!("127.0.0.1:{}", plan.ui));
                continue;
            }
            Err(error) => return Err(DevserverError::io("listen for", "the UI")(error)),
        };
        let mut supervisor = Supervisor::new();
        let place = Place { folder: &folder, plan: &plan, ui: guard.behind() };
        match start_children(&mut supervisor, options, &programs, &place, log_file).await {
            Ok(()) => {
                plan.remember(&folder)?;
                let door = options.with_ui.then(|| guard.serve());
                let ui_url = options.with_ui.then(|| format!("http://127.0.0.1:{}", plan.ui));
                let own = Own { origin: programs.origin(), supervisor, ui_url, door, _lock: lock };
                return Ok((format!("127.0.0.1:{}", plan.frontend), own));
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

/// What runs as the server.
enum Programs {
    Built(Binaries),
    Cli(PathBuf),
}

impl Programs {
    fn origin(&self) -> Origin {
        match self {
            Self::Built(_) => Origin::Built,
            Self::Cli(program) => Origin::Cli(program.clone()),
        }
    }
}

/// Our build if it is there, else the command line if it is and may be used, else a build. A folder goes on with what it
/// was begun with: each has a database of its own.
async fn programs(options: &TemporalOptions) -> Result<Programs, DevserverError> {
    let folder = options.data_dir.join("temporal");
    let command_line = cli::find(options);
    if options.may_use_cli && cli::keeps(&folder) {
        return command_line.map(Programs::Cli).ok_or(DevserverError::CliMissing(folder));
    }
    match command_line {
        Some(program) if !binaries::are_built(options) && !config::keeps(&folder) => Ok(Programs::Cli(program)),
        _ => binaries::ensure(options).await.map(Programs::Built),
    }
}

/// Where server and UI have their files, and where they listen.
struct Place<'a> {
    folder: &'a Path,
    plan: &'a PortPlan,
    ui: SocketAddr,
}

async fn start_children(
    supervisor: &mut Supervisor,
    options: &TemporalOptions,
    programs: &Programs,
    place: &Place<'_>,
    log_file: impl Fn(&str) -> PathBuf,
) -> Result<(), DevserverError> {
    let Place { folder, plan, ui: ui_address } = *place;
    let (program, arguments, ui) = match programs {
        Programs::Built(binaries) => {
            let server_config = config::write(folder, options, plan, ui_address)?;
            (&binaries.server, config::server_arguments(options, server_config), Some(&binaries.ui))
        }
        // It has the UI inside.
        Programs::Cli(program) => (program, cli::arguments(options, folder, plan, ui_address), None),
    };
    let mut server = ChildSpec::new(SERVER, program, log_file(SERVER));
    server.args = arguments;
    server.env_remove.clone_from(&options.env_remove);
    let connection = options.security.connection_options(&format!("127.0.0.1:{}", plan.frontend))?;
    supervisor.start(server, || async { connect_by(connection.clone()).await.is_ok() }).await?;
    if let (true, Some(program)) = (options.with_ui, ui) {
        let mut ui = ChildSpec::new(UI, program, log_file(UI));
        ui.env_remove.clone_from(&options.env_remove);
        ui.args = vec![
            "-r".into(),
            folder.into(),
            "-c".into(),
            config::FOLDER.into(),
            "-e".into(),
            config::UI_ENVIRONMENT.into(),
            "start".into(),
        ];
        supervisor.start(ui, || accepts_connections(ui_address)).await?;
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
