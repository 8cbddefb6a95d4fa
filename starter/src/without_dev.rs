//! The commands of `dev/` in a build without the feature `dev`: they say how to get an `evercal` that has them.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::CliError;

/// A command that this build does not have.
#[derive(Subcommand)]
pub enum Command {
    /// Not in this build of evercal
    #[command(hide = true, disable_help_flag = true)]
    Dev(Anything),
    /// Not in this build of evercal
    #[command(hide = true, disable_help_flag = true)]
    Simulator(Anything),
}

/// Any arguments.
#[derive(Args)]
pub struct Anything {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<OsString>,
}

/// Says that the command is not here. `_find` has the variables that the real commands read.
pub async fn run(command: Command, _find: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    let name = match command {
        Command::Dev(_) => "dev",
        Command::Simulator(_) => "simulator",
    };
    let message = format!("this evercal was built without `evercal {name}`, as the one of the image is");
    let advice = format!(
        "in a checkout of evercal, `cargo run --release -- {name}` runs it, and `cargo install --locked --path starter` \
         installs an evercal that has it"
    );
    CliError::usage(message, advice).report(false)
}
