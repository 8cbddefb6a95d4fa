//! Reads named values and says what is wrong with them.

use std::fmt::Display;
use std::str::FromStr;

use evercal_domain::account::Secret;
use http::HeaderValue;
use url::Url;

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

    /// A text, if it is given.
    pub fn text(&self, variable: &str) -> Option<String> {
        (self.find)(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A text that has to be given.
    pub fn required(&self, variable: &str, example: &'static str) -> Result<String, ConfigError> {
        self.text(variable).ok_or_else(|| ConfigError::new(variable, "is not set", example))
    }

    /// A value, if it is given.
    pub fn optional<T>(&self, variable: &str, example: &'static str) -> Result<Option<T>, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let parse = |text: String| text.parse().map_err(|error| ConfigError::new(variable, error, example));
        self.text(variable).map(parse).transpose()
    }

    /// A value, or its default.
    pub fn or_default<T>(&self, variable: &str, default: &str, example: &'static str) -> Result<T, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(variable).unwrap_or_else(|| default.to_owned());
        text.parse().map_err(|error| ConfigError::new(variable, error, example))
    }

    /// A web address that has to be given.
    pub fn url(&self, variable: &str, example: &'static str) -> Result<Url, ConfigError> {
        let url: Url =
            self.required(variable, example)?.parse().map_err(|error| ConfigError::new(variable, error, example))?;
        if matches!(url.scheme(), "http" | "https") {
            Ok(url)
        } else {
            Err(ConfigError::new(variable, "is neither http nor https", example))
        }
    }

    /// Origins as in the header `Origin`, comma-separated; none where nothing is given.
    pub fn origins(&self, variable: &str, example: &'static str) -> Result<Vec<HeaderValue>, ConfigError> {
        let Some(text) = self.text(variable) else { return Ok(Vec::new()) };
        let origin = |text: &str| {
            let url: Url = text.trim().parse().map_err(|error| ConfigError::new(variable, error, example))?;
            if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != text.trim() {
                return Err(ConfigError::new(variable, "an origin is a scheme, a host and no path", example));
            }
            HeaderValue::from_str(text.trim()).map_err(|error| ConfigError::new(variable, error, example))
        };
        text.split(',').map(origin).collect()
    }

    /// A secret that has to be given: as the value, or in the file that `<variable>_FILE` names.
    pub fn secret(&self, variable: &str, example: &'static str) -> Result<Secret, ConfigError> {
        let missing = || ConfigError::new(variable, format!("is not set, and neither is {variable}_FILE"), example);
        self.optional_secret(variable)?.ok_or_else(missing)
    }

    /// A secret, if it is given in one of these ways.
    pub fn optional_secret(&self, variable: &str) -> Result<Option<Secret>, ConfigError> {
        if let Some(text) = self.text(variable) {
            return Ok(Some(Secret::new(text)));
        }
        let by_file = format!("{variable}_FILE");
        let Some(path) = self.text(&by_file) else { return Ok(None) };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(Secret::new(text.trim()))),
            Err(error) => Err(ConfigError::new(&by_file, format!("cannot be read: {error}"), "/run/secrets/key")),
        }
    }
}
