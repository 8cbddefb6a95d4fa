//! `cargo bench-all`: builds the product and its benchmarks, optimised, and runs them. Both in one build, since Cargo would
//! otherwise choose other features for each and compile the Temporal SDK twice.

use std::process::Command;

use crate::cache::Target;
use crate::run::{cargo, run};

const PROGRAM: &str = "evercal-benches";

/// Builds, and runs with the caller's arguments.
pub fn bench_all(arguments: &[String]) -> anyhow::Result<()> {
    let target = Target::take("release")?;
    let mut build = cargo(&["build", "--release", "--package", "evercal-starter", "--package", PROGRAM]);
    run(build.env("CARGO_TARGET_DIR", &target.folder))?;
    run(Command::new(target.folder.join("release").join(PROGRAM)).args(arguments))
}
