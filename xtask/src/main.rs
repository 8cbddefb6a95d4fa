//! The chores of the repository: `cargo verify` is the one test command.
//!
//! Build outputs live in the user's cache folder and not in the checkout, so that a fresh clone is quick.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore that nobody watches any more may end")]

mod bench;
mod cache;
mod debian;
mod machine;
mod node;
mod python;
mod run;
mod suite;
mod verify;
mod wheels;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of the repository")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check format and lints, and run all tests
    Verify,
    /// Measure evercal beside bare Temporal
    BenchAll {
        /// What the benchmarks take: --quick, --dry-run, --only, --store
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Verify => verify::verify(),
        Command::BenchAll { arguments } => bench::bench_all(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
