//! What comes from Debian's packages: what the operations guide calls, for the tests; Python where it is missing; and whether
//! PostgreSQL is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::run::{printed, run, works};

/// Where Debian puts the versions of PostgreSQL.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";

/// The packages that hold what is missing for the tests, and cannot be installed without root.
pub fn missing() -> Vec<&'static str> {
    // The packages are called the same.
    let tools = [("curl", "--version"), ("openssl", "version")];
    let tools = tools.into_iter().filter(|(program, version)| !works(Command::new(program).arg(version)));
    tools.map(|(program, _)| program).collect()
}

/// Whether this machine has a PostgreSQL server.
pub fn has_postgres() -> bool {
    let on_path = printed(Command::new("pg_config").arg("--bindir")).map(PathBuf::from);
    has_postgres_server(Path::new(POSTGRES_FOLDER), on_path)
}

/// Whether we are root.
pub fn is_root() -> bool {
    printed(Command::new("id").arg("-u")).as_deref() == Some("0")
}

/// Whether there is a server, and not only a client or headers: where `crates/devserver/src/postgres.rs` searches.
fn has_postgres_server(debian_folder: &Path, on_path: Option<PathBuf>) -> bool {
    let versions = fs::read_dir(debian_folder).into_iter().flatten().filter_map(Result::ok);
    versions.map(|version| version.path().join("bin")).chain(on_path).any(|folder| folder.join("initdb").exists())
}

/// Installs packages, where somebody may do that.
pub fn install(packages: &[&str]) -> anyhow::Result<()> {
    if !works(Command::new("apt-get").arg("--version")) {
        bail!("{} is missing: install it with your system's package manager", packages.join(", "));
    }
    if !is_root() {
        bail!("run as root: {}", command(packages));
    }
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    let options = ["install", "--yes", "--quiet", "--no-install-recommends"];
    // Packages may ask questions otherwise, and wait for answers.
    run(Command::new("apt-get").args(options).args(packages).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// What people type.
pub fn command(packages: &[&str]) -> String {
    format!("apt-get install {}", packages.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_a_server_is_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let bin = |version: &str| folder.path().join(version).join("bin");
        fs::create_dir_all(bin("18")).unwrap();
        fs::write(bin("18").join("psql"), "").unwrap();
        // `pg_config` comes with the headers of a client.
        assert!(!has_postgres_server(folder.path(), Some(bin("18"))));
        fs::create_dir_all(bin("17")).unwrap();
        fs::write(bin("17").join("initdb"), "").unwrap();
        assert!(has_postgres_server(folder.path(), Some(bin("18"))));
    }
}
