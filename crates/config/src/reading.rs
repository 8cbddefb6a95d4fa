//! Reads what is given for one setting, in the ways that more than one setting is read.

use std::fmt::Display;
use std::str::FromStr;

use evercal_domain::account::Secret;
use url::Url;

use crate::about::{About, Otherwise};
use crate::lookup::{ConfigError, Lookup};

/// What is given for a setting.
pub struct Given<'a> {
    lookup: &'a Lookup<'a>,
    about: &'a About,
}

impl<'a> Given<'a> {
    /// What `lookup` has for the setting.
    pub fn new(lookup: &'a Lookup<'a>, about: &'a About) -> Self {
        Self { lookup, about }
    }

    /// Its text, if it is given.
    pub fn text(&self) -> Option<String> {
        self.lookup.text(self.about.name)
    }

    /// Its text, or the setting's default.
    pub fn text_or_default(&self) -> Result<String, ConfigError> {
        match (self.text(), self.about.otherwise) {
            (Some(text), _) => Ok(text),
            (None, Otherwise::Value(default)) => Ok(default.to_owned()),
            (None, _) => Err(self.error("is not set")),
        }
    }

    /// Whether another setting is given, as a value or by its file.
    pub fn is_given(&self, other: &About) -> bool {
        let by_file = || self.lookup.text(&format!("{}_FILE", other.name)).is_some();
        self.lookup.text(other.name).is_some() || (other.is_secret() && by_file())
    }

    /// An error about this setting.
    pub fn error(&self, problem: impl Display) -> ConfigError {
        ConfigError::new(self.about.name, problem, self.about.example)
    }

    /// What a text means.
    pub fn parse<T: FromStr<Err: Display>>(&self, text: &str) -> Result<T, ConfigError> {
        text.parse().map_err(|error| self.error(error))
    }
}

/// A value, if it is given.
pub fn optional<T: FromStr<Err: Display>>(given: &Given<'_>) -> Result<Option<T>, ConfigError> {
    given.text().map(|text| given.parse(&text)).transpose()
}

/// A value, or the setting's default. One without a default has to be given.
pub fn or_default<T: FromStr<Err: Display>>(given: &Given<'_>) -> Result<T, ConfigError> {
    given.parse(&given.text_or_default()?)
}

/// A web address that has to be given.
pub fn web_address(given: &Given<'_>) -> Result<Url, ConfigError> {
    let url: Url = or_default(given)?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(given.error("is neither http nor https")) }
}

/// A secret, if it is given: as the value, or in the file that `<name>_FILE` names.
pub fn optional_secret(given: &Given<'_>) -> Result<Option<Secret>, ConfigError> {
    if let Some(text) = given.text() {
        return Ok(Some(Secret::new(text)));
    }
    let by_file = format!("{}_FILE", given.about.name);
    let Some(path) = given.lookup.text(&by_file) else { return Ok(None) };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Secret::new(text.trim()))),
        Err(error) => Err(ConfigError::new(&by_file, format!("cannot be read: {error}"), "/run/secrets/key")),
    }
}

/// A secret that has to be given in one of these ways.
pub fn secret(given: &Given<'_>) -> Result<Secret, ConfigError> {
    let missing = || given.error(format!("is not set, and neither is {}_FILE", given.about.name));
    optional_secret(given)?.ok_or_else(missing)
}
