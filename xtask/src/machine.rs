//! What a machine has to have for `cargo verify`: looked for before anything is built, and told all at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::cache;
use crate::debian;
use crate::python;
use crate::run::works;

/// The pins of the Temporal server, which is built once per machine.
const GO_MOD: &str = include_str!("../../deploy/temporal/go.mod");
/// What `crates/devserver/src/binaries.rs` builds for the tests.
const TEMPORAL_PROGRAMS: [&str; 3] = ["temporal-server", "temporal-ui", "temporal-sql-tool"];

/// Makes sure that all is there, installs it where that is allowed, and answers the Python to test with.
pub fn prepare(install: bool) -> anyhow::Result<PathBuf> {
    let cache = cache::folder()?;
    let python = python::folder(&cache);
    let has_python = python::is_complete(&python);
    let mut packages = debian::missing();
    if !has_python {
        packages.extend(python::missing_packages());
    }
    let lacks_go = !is_temporal_built(&cache.join("temporal")) && !works(Command::new("go").arg("version"));
    let missing = missing(&packages, (!has_python).then_some(&python), lacks_go);
    // Go is nothing that this command installs: Debian's is too old.
    if lacks_go || (!install && !missing.is_empty()) {
        bail!("this machine lacks what the tests need:\n{}", missing.join("\n"));
    }
    if !packages.is_empty() {
        debian::install(&packages)?;
    }
    if !has_python {
        python::install(&python)?;
    }
    Ok(python::interpreter(&python))
}

/// One line for each thing, with what to do about it.
fn missing(packages: &[&str], python: Option<&PathBuf>, lacks_go: bool) -> Vec<String> {
    let mut missing = Vec::new();
    if !packages.is_empty() {
        let (packages, command) = (packages.join(", "), debian::command(packages));
        missing.push(format!("- {packages}: `cargo verify --install` as root, or `{command}`"));
    }
    if let Some(folder) = python {
        let packages = python::PACKAGES.join(", ");
        missing.push(format!("- a Python with {packages}: `cargo verify --install` puts it into {}", folder.display()));
    }
    if lacks_go {
        let version = word_after("go", GO_MOD);
        missing.push(format!(
            "- Go {version} or newer on PATH, since Temporal has not been built on this machine: https://go.dev/dl"
        ));
    }
    missing
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
    fn all_that_is_missing_is_told_at_once_with_what_to_do() {
        let folder = PathBuf::from("/cache/python");
        let told = missing(&["postgresql", "curl"], Some(&folder), true).join("\n");
        assert_eq!(told.lines().count(), 3);
        for part in
            ["apt-get install postgresql curl", "--install", "schemathesis", "/cache/python", "Go 1.", "go.dev/dl"]
        {
            assert!(told.contains(part), "{part} is not in: {told}");
        }
        assert!(missing(&[], None, false).is_empty());
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
