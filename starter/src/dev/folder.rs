//! The data folder of `evercal dev`: what it keeps between runs, and the file by which the CLI finds a running one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use evercal_devserver::supervise::wait_for_predecessor;
use evercal_domain::account::Secret;
use evercal_domain::random;
use evercal_process::make_private;
use evercal_simulator::SIMULATED;
use evercal_storage::{DatabaseUrl, Keyring};
use serde::{Deserialize, Serialize};

use super::ports::HeldPort;
use super::ready::Ready;
use crate::cli::target::{DATABASE_FILE, READY_FILE};

/// The API's port when nothing else is said and it is free.
const DEFAULT_PORT: u16 = 8080;
const KEPT: &str = "dev-keys.json";
const KEPT_UNFINISHED: &str = "dev-keys.tmp";
const LOCK: &str = "dev.lock";
const LOGS: &str = "logs";
const READY_UNFINISHED: &str = "dev.tmp";

/// An opened data folder. No other `dev` opens it while this value lives.
pub(super) struct Folder {
    /// Absolute.
    pub(super) path: PathBuf,
    pub(super) kept: Kept,
    /// Whether what was there is to be forgotten.
    pub(super) fresh: bool,
    _lock: File,
}

/// What one run leaves to the next. Ports stay the same, since the provider's channels point at them.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) master_key: Secret,
    pub(super) webhook_key: Secret,
    pub(super) api_key: Secret,
    pub(super) gateway_port: u16,
    /// Of the simulated providers, by their names. Of a folder that is older than these there are none, which the start says.
    #[serde(default)]
    pub(super) simulators: BTreeMap<String, SimulatorPorts>,
    /// How the worker calls itself in Temporal, so that the next run recognises the worker of this run.
    #[serde(default)]
    pub(super) worker_identity: String,
}

/// The ports of a simulated provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SimulatorPorts {
    pub(super) plain: u16,
    /// Where it speaks TLS, where one of its clients needs that.
    pub(super) tls: Option<u16>,
}

/// The ports of the processes, until these are started.
pub(super) struct HeldPorts {
    pub(super) gateway: HeldPort,
    pub(super) simulators: Vec<HeldPort>,
}

impl Folder {
    /// Opens or makes the folder, and holds the ports that belong to it.
    pub(super) async fn open(path: &Path, fresh: bool, port: Option<u16>) -> anyhow::Result<(Self, HeldPorts)> {
        // Before anything is written there: what holds our files later counts as ours, and is what --fresh deletes.
        if let Some(foreign) = foreign_name(path)? {
            bail!(
                "{} holds {} and was not made by `evercal dev`: name an empty or a new folder with --data-dir",
                path.display(),
                foreign.display()
            );
        }
        fs::create_dir_all(path).with_context(|| format!("making the folder {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("finding the folder {}", path.display()))?;
        // Also where somebody made it for us: mirrors, logs and keys are nobody else's to read.
        make_private(&path).with_context(|| format!("closing {} to others", path.display()))?;
        let lock = lock(&path)?;
        wait_for_the_dying(&path).await?;
        // Temporal shows the old worker for some minutes: also a fresh run has to know it for its own.
        let known = read_kept(&path);
        let former = known.as_ref().ok().and_then(Option::as_ref).map(|kept| kept.worker_identity.clone());
        let worker_identity = former.filter(|identity| !identity.is_empty()).map_or_else(new_worker_identity, Ok)?;
        let known = if fresh { None } else { known? };
        let (kept, ports) = match known {
            Some(mut kept) => {
                kept.gateway_port = port.unwrap_or(kept.gateway_port);
                kept.worker_identity = worker_identity;
                let numbers = kept.simulators.values().flat_map(|ports| [Some(ports.plain), ports.tls]).flatten();
                let simulators = numbers.map(|number| hold(number, "the simulator", "begin anew with --fresh"));
                let ports = HeldPorts {
                    gateway: hold(kept.gateway_port, "the API", "choose another with --port")?,
                    simulators: simulators.collect::<anyhow::Result<_>>()?,
                };
                (kept, ports)
            }
            None => new_kept(port, worker_identity)?,
        };
        // Only once nothing can fail any more but the disk.
        if fresh {
            clear(&path)?;
        }
        write_private(&path.join(KEPT), &path.join(KEPT_UNFINISHED), &serde_json::to_vec_pretty(&kept)?)?;
        Ok((Self { path, kept, fresh, _lock: lock }, ports))
    }

    pub(super) fn database_url(&self) -> DatabaseUrl {
        DatabaseUrl::file(self.path.join(DATABASE_FILE))
    }

    pub(super) fn log_file(&self, process: &str) -> PathBuf {
        self.path.join(LOGS).join(format!("{process}.log"))
    }

    /// Where `dev` itself logs.
    pub(super) fn own_log(&self) -> anyhow::Result<File> {
        let path = self.log_file("dev");
        let open = || {
            fs::create_dir_all(self.path.join(LOGS))?;
            fs::OpenOptions::new().create(true).append(true).open(&path)
        };
        open().with_context(|| format!("opening {}", path.display()))
    }

    pub(super) fn write_ready(&self, ready: &Ready) -> anyhow::Result<()> {
        let path = &self.path;
        write_private(&path.join(READY_FILE), &path.join(READY_UNFINISHED), &serde_json::to_vec_pretty(ready)?)
    }

    pub(super) fn remove_ready(&self) {
        // Gone already is as good; anything else leaves a file that the CLI finds out to be stale.
        drop(fs::remove_file(self.path.join(READY_FILE)));
    }
}

/// Two of them on one folder would write one database; the lock ends with its process, however that ends.
fn lock(path: &Path) -> anyhow::Result<File> {
    let file = path.join(LOCK);
    let lock = File::create(&file).with_context(|| format!("making {}", file.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!("`evercal dev` runs on {} already: stop it, or name another folder with --data-dir", path.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", file.display())),
    }
}

/// The processes of a killed `dev` die a moment after it; until then they hold ports and files.
async fn wait_for_the_dying(path: &Path) -> anyhow::Result<()> {
    let logs = match fs::read_dir(path.join(LOGS)) {
        Ok(logs) => logs,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context("reading the folder of logs"),
    };
    for log in logs {
        let log = log.context("reading the folder of logs")?.path();
        let process = log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        wait_for_predecessor(&process, &log).await?;
    }
    Ok(())
}

/// A name in a folder that `dev` did not make; none where it did, or where nothing is there yet. A start that failed early
/// leaves a lock and no keys.
fn foreign_name(path: &Path) -> anyhow::Result<Option<OsString>> {
    if path.join(KEPT).exists() {
        return Ok(None);
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    for entry in entries {
        let name = entry.with_context(|| format!("reading {}", path.display()))?.file_name();
        if name != LOCK && name != KEPT_UNFINISHED {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Deletes what `dev` makes; other files are somebody's, even here. The lock stays, and so do the keys until new ones take
/// their place: without any the rest would be a stranger's.
fn clear(path: &Path) -> anyhow::Result<()> {
    let database = ["", "-wal", "-shm", "-journal"].map(|end| format!("{DATABASE_FILE}{end}"));
    let others = ["temporal", "simulator", LOGS, READY_FILE, READY_UNFINISHED, KEPT_UNFINISHED].map(str::to_owned);
    for name in database.into_iter().chain(others) {
        let entry = path.join(name);
        let deleted = match fs::symlink_metadata(&entry) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&entry),
            Ok(_) => fs::remove_file(&entry),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => Err(error),
        };
        deleted.with_context(|| format!("deleting {}", entry.display()))?;
    }
    Ok(())
}

fn read_kept(path: &Path) -> anyhow::Result<Option<Kept>> {
    let file = path.join(KEPT);
    match fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .with_context(|| format!("{} is damaged: start with --fresh", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

fn new_kept(port: Option<u16>, worker_identity: String) -> anyhow::Result<(Kept, HeldPorts)> {
    let gateway = match port {
        Some(port) => hold(port, "the API", "choose another with --port")?,
        None => HeldPort::choose(Some(DEFAULT_PORT)).context("finding a free port")?,
    };
    let mut held = Vec::new();
    let mut choose = || {
        let port = HeldPort::choose(None).context("finding a free port")?;
        let number = port.number();
        held.push(port);
        anyhow::Ok(number)
    };
    let mut simulators = BTreeMap::new();
    for simulated in SIMULATED {
        let ports = SimulatorPorts { plain: choose()?, tls: if simulated.wants_tls { Some(choose()?) } else { None } };
        simulators.insert(simulated.provider.to_owned(), ports);
    }
    let kept = Kept {
        master_key: Keyring::generate("dev")?,
        webhook_key: Secret::new(random::token()?),
        api_key: Secret::new(format!("evk_{}", random::token()?)),
        gateway_port: gateway.number(),
        simulators,
        worker_identity,
    };
    Ok((kept, HeldPorts { gateway, simulators: held }))
}

fn new_worker_identity() -> anyhow::Result<String> {
    Ok(format!("evercal dev {:08x}", u32::from_be_bytes(random::bytes()?)))
}

fn hold(port: u16, owner: &str, way_out: &str) -> anyhow::Result<HeldPort> {
    HeldPort::hold(port).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow!("port {port} of {owner} is in use by another program: free it, or {way_out}")
        }
        _ => anyhow::Error::new(error).context(format!("listening on port {port} of {owner}")),
    })
}

/// Only the owner may read it: keys are in it. A reader finds all of it or nothing.
fn write_private(path: &Path, unfinished: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(unfinished)?;
        file.write_all(content)?;
        fs::rename(unfinished, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests;
