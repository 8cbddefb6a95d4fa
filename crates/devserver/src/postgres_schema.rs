//! Temporal's own tables in PostgreSQL, by its schema tool. Not for evercal's tables: those are `evercal migrate`'s.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::DevserverError;
use crate::options::PostgresDatabases;

/// The server's name for PostgreSQL from version 12 on.
pub(crate) const PLUGIN: &str = "postgres12";
/// In the Temporal folder: the tables are there.
const DONE_FILE: &str = "postgres-schema";

/// Makes the tables in both databases, once.
pub(crate) fn ensure(tool: &Path, folder: &Path, postgres: &PostgresDatabases) -> Result<(), DevserverError> {
    let done = folder.join(DONE_FILE);
    if done.exists() {
        return Ok(());
    }
    for (database, schema) in [(&postgres.store, "temporal"), (&postgres.visibility, "visibility")] {
        let tables = format!("postgresql/v12/{schema}");
        run(tool, postgres, database, &["setup-schema", "--version", "0.0"])?;
        run(tool, postgres, database, &["update-schema", "--schema-name", &tables])?;
    }
    fs::write(&done, "").map_err(DevserverError::io("write", done))
}

fn run(tool: &Path, postgres: &PostgresDatabases, database: &str, arguments: &[&str]) -> Result<(), DevserverError> {
    let (host, port) = postgres.address.rsplit_once(':').unwrap_or((&postgres.address, "5432"));
    let mut command = Command::new(tool);
    command.args(["--plugin", PLUGIN, "--endpoint", host, "--port", port, "--user", &postgres.user]);
    // Not as an argument, which everybody on the machine can read.
    command.env("SQL_PASSWORD", &postgres.password).args(["--database", database]).args(arguments);
    let output = command.stdin(Stdio::null()).output().map_err(DevserverError::io("run", tool))?;
    if output.status.success() {
        return Ok(());
    }
    let output = [output.stdout, output.stderr].concat();
    let output = String::from_utf8_lossy(&output).trim_end().to_owned();
    Err(DevserverError::PostgresProgram { program: "temporal-sql-tool", output })
}
