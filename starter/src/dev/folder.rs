//! The data folder of `evercal dev`: what it keeps between runs, and the file by which the CLI finds a running one.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use evercal_domain::account::Secret;
use evercal_domain::random;
use evercal_storage::Keyring;
use serde::{Deserialize, Serialize};

use super::ready::Ready;

/// The API's port when nothing else is said.
const DEFAULT_PORT: u16 = 8080;
const KEPT: &str = "dev-keys.json";
const LOCK: &str = "dev.lock";
/// Written while `dev` runs; the CLI reads it.
pub const READY_FILE: &str = "dev.json";

/// An opened data folder.
pub(super) struct Folder {
    /// Absolute.
    pub(super) path: PathBuf,
    pub(super) kept: Kept,
    /// Keeps a second `dev` off the folder; unlocked by being dropped, or by our death.
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

impl Folder {
    /// Opens or makes the folder.
    pub(super) fn open(path: &Path, fresh: bool, port: Option<u16>) -> anyhow::Result<Self> {
        if fresh && path.exists() {
            ensure_ours(path)?;
        }
        fs::create_dir_all(path).with_context(|| format!("making the folder {}", path.display()))?;
        let lock = lock(path)?;
        if fresh {
            clear(path)?;
        }
        let path = path.canonicalize().with_context(|| format!("finding the folder {}", path.display()))?;
        let kept_file = path.join(KEPT);
        let mut kept = if kept_file.exists() {
            let text = fs::read(&kept_file).with_context(|| format!("reading {}", kept_file.display()))?;
            serde_json::from_slice(&text)
                .with_context(|| format!("{} is damaged: start with --fresh", kept_file.display()))?
        } else {
            Kept {
                master_key: Keyring::generate("dev")?,
                webhook_key: Secret::new(random::token()?),
                api_key: Secret::new(format!("evk_{}", random::token()?)),
                gateway_port: free_port(DEFAULT_PORT)?,
                simulator_port: free_port(0)?,
            }
        };
        if let Some(port) = port {
            kept.gateway_port = port;
        }
        write_private(&kept_file, &serde_json::to_vec_pretty(&kept)?)?;
        Ok(Self { path, kept, _lock: lock })
    }

    pub(super) fn database_url(&self) -> String {
        format!("sqlite://{}", self.path.join("evercal.db").display())
    }

    pub(super) fn log_file(&self, part: &str) -> PathBuf {
        self.path.join("logs").join(format!("{part}.log"))
    }

    pub(super) fn write_ready(&self, ready: &Ready) -> anyhow::Result<()> {
        write_private(&self.path.join(READY_FILE), &serde_json::to_vec_pretty(ready)?)
    }

    pub(super) fn remove_ready(&self) {
        // Gone already is as good; anything else leaves a file that the CLI finds out to be stale.
        drop(fs::remove_file(self.path.join(READY_FILE)));
    }
}

/// A folder that is not ours is left alone.
fn ensure_ours(path: &Path) -> anyhow::Result<()> {
    let is_empty = fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?.next().is_none();
    if !is_empty && !path.join(KEPT).exists() {
        bail!("{} holds no {KEPT}, so it is not a folder of `evercal dev`: --fresh does not touch it", path.display());
    }
    Ok(())
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path.join(LOCK)).with_context(|| format!("making {LOCK} in {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `evercal dev` uses the folder {}: stop that one, or name another folder with --data-dir",
            path.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// Empties the folder but for the lock that we hold.
fn clear(path: &Path) -> anyhow::Result<()> {
    let deleting = || format!("deleting what is in {}", path.display());
    for entry in fs::read_dir(path).with_context(deleting)? {
        let entry = entry.with_context(deleting)?;
        if entry.file_name() == LOCK {
            continue;
        }
        let is_folder = entry.file_type().with_context(deleting)?.is_dir();
        let path = entry.path();
        if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }.with_context(deleting)?;
    }
    Ok(())
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

/// The wanted port if it is free, else any free one.
fn free_port(wanted: u16) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_finds_the_same_keys_and_ports() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(folder.path(), false, None).unwrap().kept;
        let second = Folder::open(folder.path(), false, None).unwrap().kept;
        assert_eq!(first.api_key, second.api_key);
        assert_eq!(first.simulator_port, second.simulator_port);
    }

    #[test]
    fn a_fresh_start_makes_new_keys() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(folder.path(), false, None).unwrap().kept;
        let second = Folder::open(folder.path(), true, None).unwrap().kept;
        assert_ne!(first.api_key, second.api_key);
    }

    #[test]
    fn a_folder_in_use_is_not_touched_by_a_fresh_start() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(folder.path(), false, None).unwrap();
        assert!(Folder::open(folder.path(), true, None).is_err());
        assert!(first.path.join(KEPT).exists());
    }

    #[test]
    fn a_fresh_start_does_not_touch_a_folder_of_somebody_else() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        assert!(Folder::open(folder.path(), true, None).is_err());
        assert!(folder.path().join("thesis.txt").exists());
    }

    #[test]
    fn keys_are_readable_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        Folder::open(folder.path(), false, None).unwrap();
        let mode = fs::metadata(folder.path().join(KEPT)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
