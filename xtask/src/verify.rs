//! `cargo verify`: all that has to hold before a change lands, in one command, the same for people and machines.

use std::process::Command;
use std::time::Instant;

use crate::cache;
use crate::debian;
use crate::python;
use crate::run::{self, run, variable};

/// Tests at a time. More than there are cores: system tests wait for servers most of the time.
const TEST_THREADS: &str = "4";

/// Checks everything; stops at the first thing that does not hold.
pub fn verify(install: bool) -> anyhow::Result<()> {
    let install = install || variable("CI").is_some_and(|value| value == "true");
    let target = cache::target()?;
    let python = python::interpreter(install)?;
    debian::postgres(install)?;
    debian::tools(install)?;
    let cargo = |arguments: &[&str]| {
        let mut command = run::cargo(arguments);
        command.env("CARGO_TARGET_DIR", &target).env("EVERCAL_PYTHON", &python);
        command
    };
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    step("lints", &mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // The programs first: system tests start them.
    step("build", &mut cargo(&["build", "--workspace", "--all-targets"]))?;
    // No doc tests: there are none, and each crate would be compiled once more to find that out.
    let mut tests = cargo(&["test", "--workspace", "--all-targets", "--no-fail-fast"]);
    step("tests", tests.env("RUST_TEST_THREADS", TEST_THREADS))
}

fn step(name: &str, command: &mut Command) -> anyhow::Result<()> {
    println!("\n== {name}");
    let begun = Instant::now();
    run(command)?;
    println!("== {name}: ok after {} s", begun.elapsed().as_secs());
    Ok(())
}
