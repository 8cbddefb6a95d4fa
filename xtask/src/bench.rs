//! `cargo bench-all`: builds the product and its benchmarks, optimised, and runs them. Where `cargo run --release` builds too,
//! and with the same features, so that what it has compiled is not compiled again: that takes a quarter of an hour.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

use crate::run::{cargo, printed, run};

const PROGRAM: &str = "evercal-benches";
/// Both in one build: the benchmarks start the product.
const BUILD: [&str; 6] = ["build", "--release", "--package", "evercal-starter", "--package", PROGRAM];

/// Builds, and runs with the caller's arguments.
pub fn bench_all(arguments: &[String]) -> anyhow::Result<()> {
    run(&mut cargo(&BUILD))?;
    run(Command::new(outputs()?.join("release").join(PROGRAM)).args(arguments))
}

/// Where Cargo builds in this checkout.
fn outputs() -> anyhow::Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let metadata = printed(&mut cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]));
    let metadata: Metadata = serde_json::from_str(&metadata.context("`cargo metadata` failed")?)?;
    Ok(metadata.target_directory)
}

#[cfg(test)]
mod tests;
