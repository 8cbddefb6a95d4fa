//! What a machine has to have for `cargo verify`. What needs no root is put into the cache folder; what is still missing is
//! reported at once, with the one command that installs it, before anything is built.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::cache;
use crate::debian;
use crate::node;
use crate::python;
use crate::run::{variable, works};
use crate::wheels;

/// The pins of the Temporal server, which is built once per machine.
const GO_MOD: &str = include_str!("../../deploy/temporal/go.mod");
/// What `crates/devserver/src/binaries.rs` builds for the tests.
const TEMPORAL_PROGRAMS: [&str; 3] = ["temporal-server", "temporal-ui", "temporal-sql-tool"];

/// What the tests are given.
pub struct Tools {
    /// The Python with all packages.
    pub python: PathBuf,
    /// The packages from npm.
    pub node_modules: PathBuf,
    /// Where programs are searched, those of the cache first.
    pub search_path: OsString,
    /// Whether Go is one of those: it is to take the version that the pins of Temporal ask for, whatever its user settings say.
    has_own_go: bool,
}

impl Tools {
    /// Gives them to a program.
    pub fn give_to(&self, command: &mut Command) {
        command.env("EVERCAL_PYTHON", &self.python).env("EVERCAL_NODE_MODULES", &self.node_modules);
        command.env("PATH", &self.search_path);
        if self.has_own_go {
            command.env("GOTOOLCHAIN", "auto");
        }
    }
}

/// Makes sure that all is there. `may_install`: Debian's packages are installed too, where we are root.
pub fn prepare(may_install: bool) -> anyhow::Result<Tools> {
    let cache = cache::folder()?;
    let python = python::folder(&cache);
    let has_python = python::is_complete(&python);
    let lacks_postgres = !debian::has_postgres();
    let lacks_go = !is_temporal_built(&cache.join("temporal")) && !works(Command::new("go").arg("version"));
    let mut packages = debian::missing();
    let path = variable("PATH").unwrap_or_default();
    let lacks_node = !node::is_there(path.as_ref());
    if !has_python || lacks_postgres || lacks_go || lacks_node {
        packages.extend(python::missing_packages());
    }
    if !packages.is_empty() {
        if !may_install {
            bail!("{}", missing(&packages));
        }
        debian::install(&packages)?;
    }
    if !has_python {
        python::install(&python)?;
    }
    let mut folders = Vec::new();
    let interpreter = python::interpreter(&python);
    if lacks_postgres {
        folders.push(wheels::POSTGRES.ensure(&cache, &interpreter)?);
    }
    if lacks_go {
        folders.push(wheels::GO.ensure(&cache, &interpreter)?);
    }
    let own_node = if lacks_node { Some(wheels::NODE.ensure(&cache, &interpreter)?) } else { None };
    folders.extend(own_node.clone());
    let search_path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path)));
    let search_path = search_path.context("putting PATH together")?;
    let node_modules = node::ensure_modules(&cache, &search_path, own_node.as_deref())?;
    Ok(Tools { python: interpreter, node_modules, search_path, has_own_go: lacks_go })
}

/// What to type.
fn missing(packages: &[&str]) -> String {
    format!(
        "this machine lacks what the tests need: {}. Everything else is set up by itself. As root:\n\n    {}\n",
        packages.join(", "),
        debian::command(packages)
    )
}

/// Whether a folder holds the programs of the pinned version.
fn is_temporal_built(folder: &Path) -> bool {
    let version = format!("{}-", word_after("go.temporal.io/server", GO_MOD));
    let builds = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    builds
        .filter(|build| build.file_name().to_string_lossy().starts_with(&version))
        .any(|build| TEMPORAL_PROGRAMS.iter().all(|program| build.path().join(program).is_file()))
}

fn word_after<'a>(word: &str, text: &'a str) -> &'a str {
    let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .find_map(|words| if words.first() == Some(&word) { words.get(1).copied() } else { None })
        .unwrap_or("(unknown)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_root_can_install_is_one_command() {
        let message = missing(&["curl", "python3-venv"]);
        assert!(message.contains("\n    apt-get install curl python3-venv\n"), "{message}");
    }

    #[test]
    fn temporal_is_built_when_all_its_programs_of_the_pinned_version_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let version = word_after("go.temporal.io/server", GO_MOD);
        assert!(version.starts_with('v'), "{version}");
        assert!(!is_temporal_built(folder.path()));
        for (build, is_built) in [("v0.1.0-0-linux".to_owned(), false), (format!("{version}-0-linux"), true)] {
            fs::create_dir(folder.path().join(&build)).unwrap();
            for program in TEMPORAL_PROGRAMS {
                assert!(!is_temporal_built(folder.path()));
                fs::write(folder.path().join(&build).join(program), "").unwrap();
            }
            assert_eq!(is_temporal_built(folder.path()), is_built, "{build}");
        }
    }
}
