//! A disk of its own that a test can fill: a file system in memory, where the system lets us mount one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static DISKS: AtomicU32 = AtomicU32::new(0);
/// What takes the room.
const BALLAST: &str = "ballast";
const CHUNK_BYTES: usize = 4096;

/// A mounted disk; dropping it takes it away.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// A disk of so many bytes; `None` where mounting is not allowed, which only root and some containers may.
    pub fn mount(bytes: u64) -> Option<Self> {
        let number = DISKS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("evercal-disk-{}-{number}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "evercal-test"])
            .arg(&folder)
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            return Some(Self { folder });
        }
        // It is empty.
        drop(fs::remove_dir(&folder));
        None
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes all room that is left.
    pub fn fill(&self) -> std::io::Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.folder.join(BALLAST))?;
        // Until there is none.
        while ballast.write_all(&[0; CHUNK_BYTES]).is_ok() {}
        Ok(())
    }

    /// Gives the room back.
    pub fn free(&self) -> std::io::Result<()> {
        fs::remove_file(self.folder.join(BALLAST))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Also while something has a file of it open. What cannot be taken away is left to the end of the machine.
        drop(Command::new("umount").arg("-l").arg(&self.folder).output());
        drop(fs::remove_dir(&self.folder));
    }
}
