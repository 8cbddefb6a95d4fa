//! Finds values by their names, and says what is wrong with them.

use std::fmt::Display;

/// A configuration value that cannot be used. Never shows the value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}; for example: {example}")]
pub struct ConfigError {
    /// Which variable.
    pub variable: String,
    /// What is wrong.
    pub problem: String,
    /// A value that would do.
    pub example: &'static str,
}

impl ConfigError {
    /// An error about `variable`.
    pub fn new(variable: &str, problem: impl Display, example: &'static str) -> Self {
        Self { variable: variable.to_owned(), problem: problem.to_string(), example }
    }
}

/// Finds values by their name. An empty value is no value.
pub struct Lookup<'a> {
    find: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Lookup<'a> {
    /// Finds values with `find`.
    pub fn new(find: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { find }
    }

    /// The text of a value, if it is set.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.find)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}
