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
        // A wheel has no links, and what stands in their place does not start.
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

    #[test]
    fn the_lock_file_names_no_registry_and_a_hash_for_each_package() {
        assert!(!LOCK.contains("\"resolved\""), "npm writes where it got a package from: see tests/clients/.npmrc");
        let packages = LOCK.matches("    \"node_modules/").count();
        assert!(packages > 10, "{packages}");
        assert_eq!(LOCK.matches("\"integrity\": \"sha512-").count(), packages);
    }
}
