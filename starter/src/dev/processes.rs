//! The processes of `evercal dev`: Temporal and its UI, simulator, worker, gateway.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use evercal_devserver::supervise::{ChildSpec, FailingChild, Supervisor};
use evercal_devserver::{TemporalOptions, TemporalServer, activity_pollers, cache_dir};
use evercal_domain::{Clock as _, SystemClock};
use evercal_http::{HttpClient, HttpRequest, HttpSettings, Transport as _};
use evercal_process::TaskFailure;
use evercal_providers::registry::PROVIDERS;
use evercal_settings::{CONFIG_FILE, Described, all, temporal_target};
use evercal_simulator::{SIMULATED, Simulated};
use evercal_storage::{Keyring, StoreSettings};
use evercal_workflow_client::{Namespace, search_attributes};
use evercal_workflows::names;
use temporalio_client::{Connection, ConnectionOptions};
use url::Url;

use super::Progress;
use super::folder::{Folder, HeldPorts};

/// The seed of the demo tenant: the same events each time.
const DEMO_SEED: &str = "7";

/// A file of the SDK's profiles in which there are none.
const NO_PROFILES: &str = "/dev/null";

/// A setting of a deployment that changes how a worker gets its work.
const BUILD_ID: &str = "EVERCAL_BUILD_ID";

/// The variables that any program may need.
const KEPT_VARIABLES: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TZDIR",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "GODEBUG",
    "GOMAXPROCS",
    "GOMEMLIMIT",
    "GOTRACEBACK",
    "LD_LIBRARY_PATH",
    "LLVM_PROFILE_FILE",
];

/// Everything that runs.
pub(super) struct Processes {
    temporal: TemporalServer,
    supervisor: Supervisor,
    pub(super) api: Url,
    /// The simulated providers.
    pub(super) simulators: Vec<RunningSimulator>,
}

/// A simulated provider that runs.
pub(super) struct RunningSimulator {
    pub(super) simulated: &'static Simulated,
    /// With a slash at the end.
    pub(super) root: Url,
    /// The same with TLS, and whom clients have to trust for that, where it speaks it.
    pub(super) tls: Option<(Url, PathBuf)>,
}

impl Processes {
    /// Starts all processes, each when the one before is ready.
    pub(super) async fn start(
        folder: &Folder,
        ports: HeldPorts,
        find: &dyn Fn(&str) -> Option<String>,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let options = temporal_options(folder, find)?;
        let running_server = options.running_server.clone();
        let temporal = TemporalServer::start(options).await?;
        progress.say(&format!("Temporal: {}", temporal.origin()));
        if let Some(server) = running_server {
            refuse_other_workers(server, temporal.namespace(), &folder.kept.worker_identity).await?;
        }
        claim_namespace(folder, temporal.connection().clone(), temporal.namespace()).await?;
        progress.say("starting simulator, worker and gateway …");
        let (api, simulators) = (local_url(folder.kept.gateway_port)?, simulators(folder)?);
        let mut supervisor = Supervisor::new();
        let program = std::env::current_exe().context("finding this program's own file")?;
        let HeldPorts { gateway, simulators: of_simulators } = ports;
        let http = HttpClient::new(&HttpSettings::default()).context("making the HTTP client")?;
        let processes = [("simulator", of_simulators), ("worker", vec![]), ("gateway", vec![gateway])];
        for (process, ports) in processes {
            let mut spec = ChildSpec::new(process, program.clone(), folder.log_file(process));
            spec.args = arguments(process, folder);
            (spec.env, spec.env_remove) = environment(process, folder, &temporal, &api, &simulators);
            // A worker answers nobody: it shows by what it does.
            let addresses: Vec<Url> = match process {
                "simulator" => simulators.iter().map(|simulator| simulator.root.clone()).collect(),
                "gateway" => vec![api.clone()],
                _ => Vec::new(),
            };
            // The process itself listens there from now on.
            drop(ports);
            let ready = async || {
                for address in &addresses {
                    // An answer, not a mere connection: a process that was started a moment ago may still have the port that
                    // we held, until it has become its program, and takes connections that nobody will answer.
                    if http.send(HttpRequest::get("ready", address.clone())).await.is_err() {
                        return false;
                    }
                }
                true
            };
            supervisor.start(spec, ready).await?;
        }
        Ok(Self { temporal, supervisor, api, simulators })
    }

    pub(super) fn temporal_address(&self) -> &str {
        self.temporal.address()
    }

    pub(super) fn temporal_ui(&self) -> Option<&str> {
        self.temporal.ui_url()
    }

    /// Those that do not run as they should.
    pub(super) fn failing(&self) -> Vec<FailingChild> {
        let mut failing = self.temporal.failing();
        failing.extend(self.supervisor.failing());
        failing
    }

    /// Completes when a process is not supervised any more.
    pub(super) async fn failed(&self) -> TaskFailure {
        tokio::select! {
            failure = self.temporal.failed() => failure,
            failure = self.supervisor.failed() => failure,
        }
    }

    /// An error with what may have caused it: the processes that do not run.
    pub(super) fn explained(&self, error: &anyhow::Error) -> anyhow::Error {
        let causes: String = self.failing().iter().map(|process| format!("\n{process}")).collect();
        anyhow!("{error:#}{causes}")
    }

    /// Stops all, the last started first.
    pub(super) async fn stop(self) {
        self.supervisor.stop().await;
        self.temporal.stop().await;
    }
}

fn temporal_options(folder: &Folder, find: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<TemporalOptions> {
    let (xdg, home) = (find("XDG_CACHE_HOME").map(OsString::from), find("HOME").map(OsString::from));
    let cache = cache_dir(xdg.as_deref(), home.as_deref()).ok_or_else(|| {
        anyhow!("neither XDG_CACHE_HOME nor HOME names a folder: set one, for the built Temporal server")
    })?;
    let mut options = TemporalOptions::new(&folder.path, cache, find("PATH").unwrap_or_default());
    options.may_use_cli = true;
    if find("TEMPORAL_ADDRESS").is_some() {
        let target = temporal_target("evercal dev")?;
        options.running_server = Some(target.connection);
        options.namespace = target.client.namespace;
    } else if let Some(namespace) = find("TEMPORAL_NAMESPACE") {
        options.namespace = namespace;
    }
    options.env_remove = unneeded_variables();
    options.search_attributes = search_attributes();
    Ok(options)
}

/// An error where workers of another evercal serve the namespace: they would get our calendars' work and we theirs, each with
/// another store.
async fn refuse_other_workers(server: ConnectionOptions, namespace: &str, own_worker: &str) -> anyhow::Result<()> {
    let connection = Connection::connect(server).await.context("asking Temporal who works in the namespace")?;
    let mut others = BTreeSet::new();
    // Every worker serves it, whatever its providers.
    others.extend(activity_pollers(&connection, namespace, names::QUEUE_STORE).await?);
    others.remove(own_worker);
    if others.is_empty() {
        return Ok(());
    }
    bail!(
        "workers of another evercal serve the namespace `{namespace}` ({}), or did so minutes ago: set another \
         TEMPORAL_NAMESPACE, for example TEMPORAL_NAMESPACE=evercal-dev; if they were this folder's own, of a version \
         before, try again in five minutes",
        others.into_iter().collect::<Vec<_>>().join(", ")
    );
}

/// Makes sure that the workflows of the namespace belong to this folder's database; `--fresh` forgets the one before.
async fn claim_namespace(folder: &Folder, connection: Connection, namespace: &str) -> anyhow::Result<()> {
    let settings = StoreSettings::new(folder.database_url(), Keyring::none());
    let store = evercal_storage::open(&settings).await.context("opening the folder's database")?;
    let ours = store.try_writing(SystemClock.now()).await.context("writing into the folder's database")?;
    let workflows = Namespace { connection, name: namespace.to_owned() };
    if folder.fresh {
        workflows.forget().await.context("forgetting the database before")?;
    }
    let owner = workflows.owner_or_claim(ours).await.context("asking Temporal whose its workflows are")?;
    if owner == ours {
        return Ok(());
    }
    bail!(
        "the workflows of the namespace `{namespace}` belong to another evercal's database ({owner}): begin anew with \
         --fresh, or set another TEMPORAL_NAMESPACE, for example TEMPORAL_NAMESPACE=evercal-dev"
    );
}

fn simulator_folder(folder: &Folder) -> PathBuf {
    folder.path.join("simulator")
}

/// The simulated providers, as they will run.
fn simulators(folder: &Folder) -> anyhow::Result<Vec<RunningSimulator>> {
    let one = |simulated: &&'static Simulated| {
        let name = simulated.provider;
        let ports = folder.kept.simulators.get(name).with_context(|| {
            format!(
                "this folder is of a version that did not know {name}: begin anew with --fresh, or in another folder"
            )
        })?;
        let ca_file = simulated.tls_ca_path(&simulator_folder(folder).join(name));
        // By name, since not every client takes an address for one.
        let tls = |port| anyhow::Ok((format!("https://localhost:{port}/").parse()?, ca_file));
        Ok(RunningSimulator { simulated, root: local_url(ports.plain)?, tls: ports.tls.map(tls).transpose()? })
    };
    SIMULATED.iter().map(one).collect()
}

fn arguments(process: &str, folder: &Folder) -> Vec<OsString> {
    let mut arguments = vec![OsString::from(process)];
    if process == "simulator" {
        arguments.extend(["--seed", DEMO_SEED].map(OsString::from));
        for (provider, ports) in &folder.kept.simulators {
            arguments.extend(["--port-of".into(), format!("{provider}={}", ports.plain).into()]);
            if let Some(port) = ports.tls {
                arguments.extend(["--tls-port-of".into(), format!("{provider}={port}").into()]);
            }
        }
        arguments.extend(["--data-dir".into(), simulator_folder(folder).into_os_string()]);
    }
    if process == "worker" {
        arguments.extend(["--identity".into(), OsString::from(&folder.kept.worker_identity)]);
    }
    arguments
}

/// The variables that a process gets beside those of `dev`, and those of `dev` that are removed: settings and keys that it does
/// not read.
fn environment(
    process: &str,
    folder: &Folder,
    temporal: &TemporalServer,
    api: &Url,
    simulators: &[RunningSimulator],
) -> (Vec<(OsString, OsString)>, Vec<OsString>) {
    if process == "simulator" {
        return (Vec::new(), unneeded_variables());
    }
    let kept = &folder.kept;
    let mut environment = vec![
        ("EVERCAL_HTTP_ADDRESS", format!("127.0.0.1:{}", kept.gateway_port)),
        ("WEBHOOK_BASE_URL", api.to_string()),
        ("DATABASE_URL", folder.database_url().to_string()),
        ("EVERCAL_MASTER_KEY", kept.master_key.expose().to_owned()),
        ("EVERCAL_CHANNEL_KEYS", kept.webhook_key.expose().to_owned()),
    ];
    let of_providers = simulators.iter().flat_map(|one| (one.simulated.settings)(one.root.as_str()));
    environment.extend(of_providers.filter(|(name, _)| reads(process, name)));
    let mut hidden: Vec<OsString> = [BUILD_ID, CONFIG_FILE].map(OsString::from).into();
    if temporal.is_own() {
        // The SDK would use what leads into another server.
        hidden.extend(own_variables().filter(|name| name.to_string_lossy().starts_with("TEMPORAL_")));
    }
    // What is set above goes over it: no provider but the simulated one, and no key of a deployment's.
    let of_providers = PROVIDERS.iter().flat_map(|registration| registration.settings);
    for name in of_providers.map(|setting| setting.about().name) {
        hidden.extend([OsString::from(name), OsString::from(format!("{name}_FILE"))]);
    }
    if temporal.is_own() {
        environment.extend([
            ("TEMPORAL_ADDRESS", temporal.address().to_owned()),
            ("TEMPORAL_NAMESPACE", temporal.namespace().to_owned()),
            // Not the user's profiles: they lead to other servers.
            ("TEMPORAL_CONFIG_FILE", NO_PROFILES.to_owned()),
        ]);
    }
    let environment = environment.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    (environment.collect(), hidden)
}

/// Whether a process reads a setting.
fn reads(process: &str, name: &str) -> bool {
    let mut settings = all().map(Described::about).filter(|about| about.name == name);
    settings.any(|about| about.read_by.iter().any(|role| role.as_str() == process))
}

/// The variables of this process that simulator and Temporal do not need: each may be somebody's key.
fn unneeded_variables() -> Vec<OsString> {
    let is_kept = |name: &OsString| name.to_str().is_some_and(|name| KEPT_VARIABLES.contains(&name));
    own_variables().filter(|name| !is_kept(name)).collect()
}

fn own_variables() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name)
}

fn local_url(port: u16) -> anyhow::Result<Url> {
    format!("http://127.0.0.1:{port}/").parse().context("making a local address")
}
