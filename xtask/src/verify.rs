//! `cargo verify`: all that has to hold before a change lands, in one command, the same for people and machines.

use std::process::Command;
use std::time::Instant;

use crate::cache::Target;
use crate::machine;
use crate::run::{self, run, variable};
use crate::suite;

/// The test that builds the pinned Temporal, where it is not in the cache.
const TEMPORAL_IS_BUILT: &str = "it::build::the_pinned_programs_are_built_once_and_found_again";

/// How Cargo says what it built, while it shows errors to people.
const JSON: &str = "json-render-diagnostics";

/// The tests of a build without the feature `dev` of `evercal`, as the image's is.
const WITHOUT_DEV: [&str; 2] = [
    "cli::image::the_simulator_is_only_in_a_build_with_the_feature_dev",
    "cli::image::the_commands_that_are_missing_say_where_there_is_an_evercal_that_has_them",
];

/// Checks everything; stops at the first thing that does not hold.
pub fn verify() -> anyhow::Result<()> {
    let in_ci = variable("CI").is_some_and(|value| value == "true");
    // Nobody is there who could type what root has to.
    let tools = machine::prepare(in_ci)?;
    let target = Target::take("debug")?;
    let cargo = |arguments: &[&str]| {
        let mut command = run::cargo(arguments);
        command.env("CARGO_TARGET_DIR", &target.folder);
        tools.give_to(&mut command);
        if in_ci {
            // A clone is built once: what helps the next build of the same clone costs it time, and many gigabytes.
            command.env("CARGO_INCREMENTAL", "0");
        }
        command
    };
    step("format", || run(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("lints", || {
        run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
        run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--no-default-features", "--", "-D", "warnings"]))
    })?;
    let prepare = |command: &mut Command| tools.give_to(command);
    // Of the whole workspace, so that only `evercal` itself is compiled twice. Before the rest: both builds put their `evercal`
    // into the same place, where the other tests expect the whole one.
    let arguments =
        ["test", "--workspace", "--no-default-features", "--test", "cli", "--no-run", "--message-format", JSON];
    step("image", || {
        let programs = suite::build(&mut cargo(&arguments))?;
        WITHOUT_DEV.iter().try_for_each(|test| suite::run_alone(&programs, test, &prepare))
    })?;
    // No doc tests: there are none, and each crate would be compiled once more to find that out.
    let arguments = ["test", "--workspace", "--all-targets", "--no-run", "--message-format", JSON];
    let programs = step("build", || suite::build(&mut cargo(&arguments)))?;
    // Takes minutes the first time, and both cores: tests beside it would run into their timeouts.
    step("Temporal", || suite::run_alone(&programs, TEMPORAL_IS_BUILT, &prepare))?;
    step("tests", || suite::run(programs, &prepare))
}

fn step<T>(name: &str, action: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    println!("\n== {name}");
    let begun = Instant::now();
    let done = action()?;
    println!("== {name}: ok after {} s", begun.elapsed().as_secs());
    Ok(done)
}
