//! The Python of the tests: a virtual environment in the cache, with the official clients of Google and Microsoft, Schemathesis, which
//! tries the API by its description, a validator of that description and a generator of clients, and a checker of JSON
//! schemas, which has the one of Compose files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::run::{run, works};

/// What the tests need, pinned.
pub const PACKAGES: [&str; 7] = [
    "google-api-python-client==2.202.0",
    "msgraph-sdk==1.65.0",
    // Microsoft's client needs it and does not say so.
    "deprecated==1.3.1",
    "schemathesis==4.32.5",
    "check-jsonschema==0.39.0",
    "openapi-spec-validator==0.9.0",
    "openapi-python-client==0.29.1",
];
/// They are there when this runs; after the system's Python was replaced, they are not.
const IMPORTS: &str = "import googleapiclient.discovery, msgraph_core, deprecated, schemathesis, check_jsonschema, openapi_spec_validator, openapi_python_client";

/// Where it is kept.
pub fn folder(cache: &Path) -> PathBuf {
    cache.join("python")
}

/// Its interpreter.
pub fn interpreter(folder: &Path) -> PathBuf {
    folder.join("bin").join("python")
}

/// Whether all packages are there and work.
pub fn is_complete(folder: &Path) -> bool {
    fs::read_to_string(list(folder)).is_ok_and(|installed| installed == PACKAGES.join("\n"))
        && works(Command::new(interpreter(folder)).args(["-c", IMPORTS]))
}

/// Debian's packages that [`install`] needs and does not have.
pub fn missing_packages() -> Vec<&'static str> {
    let is_there = works(Command::new("python3").args(["-c", "import venv, ensurepip"]));
    if is_there { Vec::new() } else { vec!["python3", "python3-venv"] }
}

/// Makes it anew.
pub fn install(folder: &Path) -> anyhow::Result<()> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    run(Command::new(interpreter(folder)).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    let list = list(folder);
    fs::write(&list, PACKAGES.join("\n")).with_context(|| format!("writing {}", list.display()))
}

/// What is inside, written last: an interrupted installation has none.
fn list(folder: &Path) -> PathBuf {
    folder.join("installed.txt")
}
