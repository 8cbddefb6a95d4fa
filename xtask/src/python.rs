//! The Python of the tests: a virtual environment in the cache, with the official Google client, Schemathesis, which
//! tries the API by its description, and a checker of JSON schemas, which has the one of Compose files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::cache;
use crate::debian;
use crate::run::{run, works};

/// What the tests need, pinned.
const PACKAGES: [&str; 3] = ["google-api-python-client==2.202.0", "schemathesis==4.32.5", "check-jsonschema==0.39.0"];

/// The interpreter to test with; made if it is missing and `install` allows it.
pub fn interpreter(install: bool) -> anyhow::Result<PathBuf> {
    let folder = cache::folder()?.join("python");
    let interpreter = folder.join("bin").join("python");
    // The list of what is inside is written last: an interrupted installation has none.
    let done = folder.join("installed.txt");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    if !install {
        bail!(
            "the tests need a Python with {}; run `cargo verify --install` to have it put into {}",
            PACKAGES.join(", "),
            folder.display()
        );
    }
    install_into(&folder, &interpreter)?;
    fs::write(&done, wanted).with_context(|| format!("writing {}", done.display()))?;
    Ok(interpreter)
}

fn install_into(folder: &Path, interpreter: &Path) -> anyhow::Result<()> {
    if !works(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        debian::install(&["python3", "python3-venv"])?;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    run(Command::new(interpreter).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))
}
