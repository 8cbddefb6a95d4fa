//! What the tests check the API's description with, and make a TypeScript client with: packages from npm, as the lock file in
//! `tests/clients` pins them, in the cache. That file names no registry, so each machine asks its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::run::{run, works};

/// What is installed, by name and hash.
const LOCK: &str = include_str!("../../tests/clients/package-lock.json");
const MANIFEST: &str = include_str!("../../tests/clients/package.json");
const SETTINGS: &str = include_str!("../../tests/clients/.npmrc");

/// Whether this machine has Node and npm of its own.
pub fn is_there(search_path: &std::ffi::OsStr) -> bool {
    ["node", "npm"].iter().all(|program| works(Command::new(program).arg("--version").env("PATH", search_path)))
}

/// The folder with all packages, installed by the first call, and again when the lock file is another one. `own_node` is the
/// folder of the Node from `PyPI`, where this machine has none.
pub fn ensure_modules(cache: &Path, search_path: &std::ffi::OsStr, own_node: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = cache.join("node");
    let modules = folder.join("node_modules");
    let list = folder.join("installed.json");
    if fs::read_to_string(&list).is_ok_and(|installed| installed == LOCK) {
        return Ok(modules);
    }
    println!("\n== npm: putting the packages of tests/clients into {}", folder.display());
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, text) in [("package.json", MANIFEST), ("package-lock.json", LOCK), (".npmrc", SETTINGS)] {
        write(&folder.join(name), text)?;
    }
    let mut npm = match own_node {
        None => Command::new("npm"),
        // A wheel has no links, and the copies in their place do not start.
        Some(node) => {
            let mut npm = Command::new(node.join("node"));
            npm.arg(node.join("../lib/node_modules/npm/bin/npm-cli.js"));
            npm
        }
    };
    run(npm.args(["ci", "--no-progress"]).current_dir(&folder).env("PATH", search_path))?;
    // Last: an interrupted installation has none.
    write(&list, LOCK)?;
    Ok(modules)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An npm that writes down with what it was called, and makes the folder that the real one makes.
    fn played_npm(folder: &Path, exit_code: u8) -> std::ffi::OsString {
        use std::os::unix::fs::PermissionsExt as _;
        let program = folder.join("npm");
        let script = format!("#!/bin/sh\necho \"$@\" >> calls\n/bin/mkdir -p node_modules\nexit {exit_code}\n");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        folder.as_os_str().to_owned()
    }

    #[test]
    fn packages_are_installed_as_the_lock_file_says_once_and_again_with_another_lock_file_or_after_a_failure() {
        let (cache, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let calls = || fs::read_to_string(cache.path().join("node/calls")).unwrap().lines().count();
        let ensure = |path: &std::ffi::OsStr| ensure_modules(cache.path(), path, None);
        assert!(ensure(&played_npm(programs.path(), 1)).is_err());
        let path = played_npm(programs.path(), 0);
        let modules = ensure(&path).unwrap();
        assert!(modules.is_dir());
        assert_eq!(calls(), 2, "what failed counts for nothing");
        ensure(&path).unwrap();
        assert_eq!(calls(), 2, "they are there");
        let folder = modules.parent().unwrap();
        assert_eq!(fs::read_to_string(folder.join("package-lock.json")).unwrap(), LOCK);
        // `ci` takes the very versions and hashes of the lock file, and changes no file.
        assert!(fs::read_to_string(folder.join("calls")).unwrap().lines().all(|call| call.starts_with("ci ")));

        fs::write(folder.join("installed.json"), LOCK.replace("sha512-", "sha512-other")).unwrap();
        ensure(&path).unwrap();
        assert_eq!(calls(), 3, "the lock file is another one");
    }

    #[test]
    fn the_lock_file_names_no_registry_and_a_hash_for_each_package() {
        assert!(!LOCK.contains("\"resolved\""), "npm writes where it got a package from: see tests/clients/.npmrc");
        let packages = LOCK.matches("    \"node_modules/").count();
        assert!(packages > 10, "{packages}");
        assert_eq!(LOCK.matches("\"integrity\": \"sha512-").count(), packages);
    }
}
