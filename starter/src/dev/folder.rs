//! The data folder of `evercal dev`: what it keeps between runs, and the file by which the CLI finds a running one.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use evercal_devserver::supervise::wait_for_predecessor;
use evercal_domain::account::Secret;
use evercal_domain::random;
use evercal_storage::{DatabaseUrl, Keyring};
use serde::{Deserialize, Serialize};

use super::ports::HeldPort;
use super::ready::Ready;

/// The API's port when nothing else is said and it is free.
const DEFAULT_PORT: u16 = 8080;
/// The mirror.
pub const DATABASE_FILE: &str = "evercal.db";
const KEPT: &str = "dev-keys.json";
const LOCK: &str = "dev.lock";
const LOGS: &str = "logs";
/// Written while `dev` runs; the CLI reads it.
pub const READY_FILE: &str = "dev.json";

/// An opened data folder. No other `dev` opens it while this value lives.
pub(super) struct Folder {
    /// Absolute.
    pub(super) path: PathBuf,
    pub(super) kept: Kept,
    _lock: File,
}

/// What one run leaves to the next. Ports stay the same, since the provider's channels point at them.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) master_key: Secret,
    pub(super) webhook_key: Secret,
    pub(super) api_key: Secret,
    pub(super) gateway_port: u16,
    pub(super) simulator_port: u16,
}

/// The ports of the parts, until these are started.
pub(super) struct HeldPorts {
    pub(super) gateway: HeldPort,
    pub(super) simulator: HeldPort,
}

impl Folder {
    /// Opens or makes the folder, and holds the ports that belong to it.
    pub(super) async fn open(path: &Path, fresh: bool, port: Option<u16>) -> anyhow::Result<(Self, HeldPorts)> {
        if fresh && !is_ours_or_empty(path)? {
            bail!("{} was not made by `evercal dev`: --fresh does not touch it", path.display());
        }
        fs::create_dir_all(path).with_context(|| format!("making the folder {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("finding the folder {}", path.display()))?;
        let lock = lock(&path)?;
        wait_for_the_dying(&path).await?;
        if fresh {
            clear(&path)?;
        }
        let (kept, ports) = match read_kept(&path)? {
            Some(mut kept) => {
                kept.gateway_port = port.unwrap_or(kept.gateway_port);
                let ports = HeldPorts {
                    gateway: hold(kept.gateway_port, "the API", "choose another with --port")?,
                    simulator: hold(kept.simulator_port, "the simulator", "begin anew with --fresh")?,
                };
                (kept, ports)
            }
            None => new_kept(port)?,
        };
        write_private(&path.join(KEPT), &serde_json::to_vec_pretty(&kept)?)?;
        Ok((Self { path, kept, _lock: lock }, ports))
    }

    pub(super) fn database_url(&self) -> DatabaseUrl {
        DatabaseUrl::file(self.path.join(DATABASE_FILE))
    }

    pub(super) fn log_file(&self, part: &str) -> PathBuf {
        self.path.join(LOGS).join(format!("{part}.log"))
    }

    pub(super) fn write_ready(&self, ready: &Ready) -> anyhow::Result<()> {
        write_private(&self.path.join(READY_FILE), &serde_json::to_vec_pretty(ready)?)
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

/// The parts of a killed `dev` die a moment after it; until then they hold ports and files.
async fn wait_for_the_dying(path: &Path) -> anyhow::Result<()> {
    let logs = match fs::read_dir(path.join(LOGS)) {
        Ok(logs) => logs,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context("reading the folder of logs"),
    };
    for log in logs {
        let log = log.context("reading the folder of logs")?.path();
        let part = log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        wait_for_predecessor(&part, &log).await?;
    }
    Ok(())
}

/// Whether `--fresh` may empty it: a folder that does not exist yet counts as empty.
fn is_ours_or_empty(path: &Path) -> anyhow::Result<bool> {
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    Ok(entries.next().is_none() || path.join(KEPT).exists() || path.join(LOCK).exists())
}

/// Deletes all but the lock.
fn clear(path: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
        let entry = entry.with_context(|| format!("reading {}", path.display()))?;
        if entry.file_name() == LOCK {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let deleted = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        deleted.with_context(|| format!("deleting {}", entry.path().display()))?;
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

fn new_kept(port: Option<u16>) -> anyhow::Result<(Kept, HeldPorts)> {
    let gateway = match port {
        Some(port) => hold(port, "the API", "choose another with --port")?,
        None => HeldPort::choose(Some(DEFAULT_PORT)).context("looking for a free port")?,
    };
    let simulator = HeldPort::choose(None).context("looking for a free port")?;
    let kept = Kept {
        master_key: Keyring::generate("dev")?,
        webhook_key: Secret::new(random::token()?),
        api_key: Secret::new(format!("evk_{}", random::token()?)),
        gateway_port: gateway.number(),
        simulator_port: simulator.number(),
    };
    Ok((kept, HeldPorts { gateway, simulator }))
}

fn hold(port: u16, owner: &str, way_out: &str) -> anyhow::Result<HeldPort> {
    HeldPort::hold(port).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow!("port {port} of {owner} is in use by another program: free it, or {way_out}")
        }
        _ => anyhow::Error::new(error).context(format!("listening on port {port} of {owner}")),
    })
}

/// Only the owner may read it: keys are in it.
fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens, and lets go of folder and ports at once.
    async fn opened(path: &Path, fresh: bool, port: Option<u16>) -> anyhow::Result<Kept> {
        Folder::open(path, fresh, port).await.map(|(folder, _ports)| folder.kept)
    }

    #[tokio::test]
    async fn the_next_run_finds_the_same_keys_and_ports() {
        let folder = tempfile::tempdir().unwrap();
        let first = opened(folder.path(), false, None).await.unwrap();
        let second = opened(folder.path(), false, None).await.unwrap();
        assert_eq!(first.api_key, second.api_key);
        assert_eq!(first.gateway_port, second.gateway_port);
        assert_eq!(first.simulator_port, second.simulator_port);
    }

    #[tokio::test]
    async fn a_fresh_start_makes_new_keys_and_leaves_nothing_of_the_old_run() {
        let folder = tempfile::tempdir().unwrap();
        let first = opened(folder.path(), false, None).await.unwrap();
        fs::create_dir(folder.path().join("simulator")).unwrap();
        fs::write(folder.path().join("evercal.db"), "old").unwrap();
        let second = opened(folder.path(), true, None).await.unwrap();
        assert_ne!(first.api_key, second.api_key);
        assert!(!folder.path().join("simulator").exists() && !folder.path().join("evercal.db").exists());
    }

    #[tokio::test]
    async fn a_fresh_start_does_not_touch_a_folder_of_somebody_else() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        assert!(opened(folder.path(), true, None).await.is_err());
        assert!(folder.path().join("thesis.txt").exists());
    }

    #[tokio::test]
    async fn a_folder_in_use_is_not_opened_and_not_even_a_fresh_start_touches_it() {
        let folder = tempfile::tempdir().unwrap();
        let (_first, _ports) = Folder::open(folder.path(), false, None).await.unwrap();
        let keys = fs::read(folder.path().join(KEPT)).unwrap();
        for fresh in [false, true] {
            let error = opened(folder.path(), fresh, Some(1)).await.err().unwrap();
            assert!(error.to_string().contains("runs on"), "{error:#}");
            assert_eq!(fs::read(folder.path().join(KEPT)).unwrap(), keys);
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_the_port_and_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let taken = HeldPort::choose(None).unwrap();
        let error = opened(folder.path(), false, Some(taken.number())).await.err().unwrap().to_string();
        assert!(error.contains(&taken.number().to_string()) && error.contains("--port"), "{error}");
        drop(taken);
        let kept = opened(folder.path(), false, None).await.unwrap();
        let _taken = HeldPort::hold(kept.simulator_port).unwrap();
        let error = opened(folder.path(), false, None).await.err().unwrap().to_string();
        assert!(error.contains(&kept.simulator_port.to_string()) && error.contains("--fresh"), "{error}");
    }

    #[tokio::test]
    async fn keys_are_readable_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        opened(folder.path(), false, None).await.unwrap();
        let mode = fs::metadata(folder.path().join(KEPT)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
