//! Files that only their owner reads: mirrors, logs and keys hold personal data.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::Mode;

/// From now on, whatever this process and its children create is for its owner alone: folders 0700, files 0600. At the
/// beginning of a program, before anything is created.
pub fn keep_files_private() {
    let _before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Takes a folder or a file that is there already from everybody but its owner; for its owner nothing changes.
pub fn make_private(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
    let private = mode & 0o700;
    if mode == private { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(private)) }
}
