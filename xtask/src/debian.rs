//! What comes from Debian's packages: PostgreSQL for the tests, and Python where it is missing.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

use crate::run::{run, works};

/// Where Debian puts the versions of PostgreSQL.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";

/// Makes sure that there is a PostgreSQL server to test with.
pub fn postgres(install_it: bool) -> anyhow::Result<()> {
    if Path::new(POSTGRES_FOLDER).exists() || works(Command::new("pg_config").arg("--bindir")) {
        return Ok(());
    }
    if !install_it {
        bail!(
            "the tests need a PostgreSQL server; run `cargo verify --install`, or install it: apt-get install postgresql"
        );
    }
    install(&["postgresql"])
}

/// On Debian, as root; elsewhere says what to install.
pub fn install(packages: &[&str]) -> anyhow::Result<()> {
    if !works(Command::new("apt-get").arg("--version")) {
        bail!("{} is missing: install it with your system's package manager", packages.join(", "));
    }
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    // The server that a package starts by itself is not used, but does no harm either.
    run(Command::new("apt-get").args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages))
}
