//! What can go wrong with a command: an exit code for scripts, a message, and what to do next.

use std::process::ExitCode;

use evercal_process::say;
use serde::Serialize;
use serde_json::json;

/// The kinds of failure; their numbers are the exit codes and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Anything else.
    Error = 1,
    /// What was asked for cannot be meant; clap uses the same number.
    Usage = 2,
    /// There is no such account or calendar.
    NotFound = 3,
    /// The API key is not accepted.
    NotAuthorized = 4,
    /// No evercal answers, or it cannot serve now; the same command may succeed later.
    Unreachable = 5,
}

impl Failure {
    /// The exit code.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// What kind of failure.
    pub failure: Failure,
    /// What happened, for people; further lines are a list.
    pub message: String,
    /// What to do next.
    pub advice: String,
}

impl CliError {
    /// A failure.
    pub fn new(failure: Failure, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { failure, message: message.into(), advice: advice.into() }
    }

    /// Something was asked for that cannot be meant.
    pub fn usage(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Failure::Usage, message, advice)
    }

    /// Writes the error to stderr, as text or as one line of JSON, and gives the exit code.
    pub fn report(&self, json: bool) -> ExitCode {
        if json {
            let Self { failure, message, advice } = self;
            let (kind, exit_code) = (failure, failure.code());
            say(json!({"error": {"kind": kind, "exit_code": exit_code, "message": message, "next": advice}}));
        } else {
            say(format_args!("error: {}\n next: {}", self.message, self.advice));
        }
        ExitCode::from(self.failure.code())
    }
}
