//! Reads the value of one setting, in the ways that more than one setting is read.

use std::fmt::Display;
use std::str::FromStr;

use evercal_domain::account::Secret;
use url::Url;

use crate::about::{About, DefaultValue};
use crate::lookup::{ConfigError, Lookup};

/// Reads the value of one setting.
pub struct Reader<'a> {
    lookup: &'a Lookup<'a>,
    about: &'a About,
}

impl<'a> Reader<'a> {
    /// A reader of what `lookup` has for the setting.
    pub fn new(lookup: &'a Lookup<'a>, about: &'a About) -> Self {
        Self { lookup, about }
    }

    /// The text, if it is set.
    pub fn text(&self) -> Option<String> {
        self.lookup.text(self.about.name)
    }

    /// The text, or the setting's default.
    pub fn text_or_default(&self) -> Result<String, ConfigError> {
        match (self.text(), self.about.default) {
            (Some(text), _) => Ok(text),
            (None, DefaultValue::Value(default)) => Ok(default.to_owned()),
            (None, _) => Err(self.error("is not set")),
        }
    }

    /// Whether another setting is set, as a value or by its file.
    pub fn is_set(&self, other: &About) -> bool {
        let by_file = || self.lookup.text(&format!("{}_FILE", other.name)).is_some();
        self.lookup.text(other.name).is_some() || (other.is_secret() && by_file())
    }

    /// An error about this setting.
    pub fn error(&self, problem: impl Display) -> ConfigError {
        self.about.error(problem)
    }

    /// Parses a text; an error names the setting.
    pub fn parse<T: FromStr<Err: Display>>(&self, text: &str) -> Result<T, ConfigError> {
        text.parse().map_err(|error| self.error(error))
    }
}

/// A value, if it is set.
pub fn optional<T: FromStr<Err: Display>>(reader: &Reader<'_>) -> Result<Option<T>, ConfigError> {
    reader.text().map(|text| reader.parse(&text)).transpose()
}

/// A value, or the setting's default. One without a default has to be set.
pub fn or_default<T: FromStr<Err: Display>>(reader: &Reader<'_>) -> Result<T, ConfigError> {
    reader.parse(&reader.text_or_default()?)
}

/// A web address that has to be set.
pub fn web_address(reader: &Reader<'_>) -> Result<Url, ConfigError> {
    let url: Url = or_default(reader)?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(reader.error("is neither http nor https")) }
}

/// A secret, if it is set: as the value, or in the file that `<name>_FILE` names.
pub fn optional_secret(reader: &Reader<'_>) -> Result<Option<Secret>, ConfigError> {
    if let Some(text) = reader.text() {
        return Ok(Some(Secret::new(text)));
    }
    let by_file = format!("{}_FILE", reader.about.name);
    let Some(path) = reader.lookup.text(&by_file) else { return Ok(None) };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Secret::new(text.trim()))),
        Err(error) => Err(ConfigError::new(&by_file, format!("cannot be read: {error}"), "/run/secrets/key")),
    }
}

/// A secret that has to be set in one of these ways.
pub fn secret(reader: &Reader<'_>) -> Result<Secret, ConfigError> {
    let missing = || reader.error(format!("is not set, and neither is {}_FILE", reader.about.name));
    optional_secret(reader)?.ok_or_else(missing)
}
