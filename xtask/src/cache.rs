//! Where build outputs and installed tools are kept between clones.

use std::path::PathBuf;

use anyhow::Context;

use crate::run::variable;

/// `$XDG_CACHE_HOME/evercal`, else `~/.cache/evercal`.
pub fn folder() -> anyhow::Result<PathBuf> {
    let base = match variable("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    Ok(base.join("evercal"))
}

/// Where Cargo builds: what the caller says, else the cache.
pub fn target() -> anyhow::Result<PathBuf> {
    match variable("CARGO_TARGET_DIR") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Ok(folder()?.join("target")),
    }
}
