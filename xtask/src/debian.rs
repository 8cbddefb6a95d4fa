//! What comes from Debian's packages: PostgreSQL and what the operations guide calls, for the tests; Python where it is
//! missing.

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

/// Makes sure that the programs are there which `docs/operations.md` calls, since a test follows it.
pub fn tools(install_it: bool) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        [("curl", "--version"), ("openssl", "version")].into_iter().filter_map(missing_tool).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !install_it {
        bail!("the tests need {}; run `cargo verify --install`, or install it", missing.join(" and "));
    }
    install(&missing)
}

/// The name of a program that does not answer; its Debian package is called the same.
fn missing_tool((program, version): (&'static str, &str)) -> Option<&'static str> {
    (!works(Command::new(program).arg(version))).then_some(program)
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
