//! How a process ends: its exit code, what went wrong, and what to do next.

use std::process::ExitCode;

use crate::say::say;

/// The exit code of a process. An error is said on stderr, with what `help` knows of it: a sentence that says to operators what
/// to do next.
pub fn end(outcome: anyhow::Result<()>, help: impl FnOnce(&str) -> Option<&'static str>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let error = format!("{error:#}");
    say(format_args!("error: {error}"));
    if let Some(help) = help(&error) {
        say(format_args!(" next: {help}"));
    }
    ExitCode::FAILURE
}
