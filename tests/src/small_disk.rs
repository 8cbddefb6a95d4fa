//! A disk of a few megabytes that a test fills and frees.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The file that takes the room.
const FILLER: &str = "filler";
const PIECE: [u8; 4096] = [0; 4096];

/// A file system of its own, gone with this value.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one of this size. Only root may: for others there is none, and the test has to do without, which it says.
    pub fn mount(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={bytes},mode=0700");
        let mut mount = Command::new("mount");
        let output = mount.args(["-t", "tmpfs", "-o", &size, "evercal-test"]).arg(folder.path()).output();
        let is_mounted = output.as_ref().is_ok_and(|output| output.status.success());
        is_mounted.then_some(Self { folder })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no room for anything.
    pub fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).expect("a file");
        // To the last page: what others have just freed is taken too.
        while filler.write_all(&PIECE).is_ok() {}
    }

    /// Makes room again.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).expect("the filler is deleted");
    }

    fn filler(&self) -> PathBuf {
        self.path().join(FILLER)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what was killed a moment ago may still hold files.
        let _goes_with_the_machine = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}
