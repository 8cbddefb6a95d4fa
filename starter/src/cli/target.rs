//! Which evercal a command asks: the one that the environment names, or the one that `evercal dev` runs here.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use evercal_domain::account::Secret;
use serde::Deserialize;
use url::Url;

use super::error::{CliError, Failure};

/// The data folder of `evercal dev` when none is named.
pub const DATA_DIR_DEFAULT: &str = ".evercal";
/// The file in the data folder of a running `evercal dev` that says where it is.
pub const READY_FILE: &str = "dev.json";
/// The database in the data folder of an `evercal dev`.
pub const DATABASE_FILE: &str = "evercal.db";
/// The size of that file in bytes; it has about one kilobyte.
const READY_FILE_BYTES_MAX: usize = 64 * 1024;

const API: &str = "EVERCAL_API";
const API_KEY: &str = "EVERCAL_API_KEY";

/// An API and the key to it.
#[derive(Debug, PartialEq)]
pub struct Target {
    /// The API's address; `/v1/…` goes behind it.
    pub api: Url,
    /// The key.
    pub api_key: Secret,
    /// The Temporal UI, where it is known.
    pub temporal_ui: Option<String>,
    /// Where all this was read.
    pub source: Source,
}

/// Where a target was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The two variables.
    Environment,
    /// A file that `evercal dev` wrote.
    ReadyFile(PathBuf),
}

#[derive(Deserialize)]
struct Ready {
    api: String,
    api_key: Secret,
    temporal_ui: Option<String>,
}

impl Target {
    /// Finds the API. A data folder that was asked for beats the environment, which beats the default folder.
    pub fn find(data_dir: Option<&Path>, find: &dyn Fn(&str) -> Option<String>) -> Result<Self, CliError> {
        if let Some(folder) = data_dir {
            return Self::from_ready_file(folder);
        }
        let variable = |name: &str| find(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        match (variable(API), variable(API_KEY)) {
            (Some(api), Some(key)) => Ok(Self {
                api: parse_address(&api, API)?,
                api_key: Secret::new(key),
                temporal_ui: None,
                source: Source::Environment,
            }),
            (None, None) => Self::from_ready_file(Path::new(DATA_DIR_DEFAULT)),
            // The key of one evercal is never sent to another.
            (Some(_), None) => Err(half_set(API, API_KEY)),
            (None, Some(_)) => Err(half_set(API_KEY, API)),
        }
    }

    fn from_ready_file(folder: &Path) -> Result<Self, CliError> {
        let path = folder.join(READY_FILE);
        let shown = path.display();
        let text = read_bounded(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => CliError::new(
                Failure::Unreachable,
                format!("no evercal to ask: {shown} does not exist, so no `evercal dev` runs on this folder"),
                if cfg!(feature = "dev") {
                    format!("start `evercal dev`, name its folder with --data-dir, or set {API} and {API_KEY}")
                } else {
                    format!("set {API} and {API_KEY}, or name the folder of an `evercal dev` with --data-dir")
                },
            ),
            _ => CliError::new(
                Failure::Error,
                format!("{shown} cannot be read: {error}"),
                format!("make it readable, or set {API} and {API_KEY}"),
            ),
        })?;
        let ready: Ready = serde_json::from_slice(&text).map_err(|_| {
            CliError::new(Failure::Error, format!("{shown} is damaged"), "restart `evercal dev`, which writes it anew")
        })?;
        Ok(Self {
            api: parse_address(&ready.api, &shown.to_string())?,
            api_key: ready.api_key,
            temporal_ui: ready.temporal_ui,
            source: Source::ReadyFile(path),
        })
    }
}

impl Source {
    /// What to do when nobody answers.
    pub fn advice_unreachable(&self) -> String {
        match self {
            Self::Environment => format!("check {API}, and that the gateway runs there"),
            Self::ReadyFile(_) => {
                format!("start `evercal dev` again, or set {API} and {API_KEY} to ask another evercal")
            }
        }
    }

    /// What to do when the key is not accepted.
    pub fn advice_unauthorized(&self) -> String {
        match self {
            Self::Environment => format!("check {API_KEY}: it must be a key of the evercal at {API}"),
            Self::ReadyFile(path) => format!("restart `evercal dev`, which writes {} anew", path.display()),
        }
    }
}

fn parse_address(text: &str, place: &str) -> Result<Url, CliError> {
    let advice = "give the address of the API, for example http://127.0.0.1:8080";
    let url = Url::parse(text).map_err(|error| CliError::usage(format!("{place}: not an address: {error}"), advice))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(CliError::usage(format!("{place}: the address must begin with http:// or https://"), advice));
    }
    // Errors show the address.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(CliError::usage(format!("{place}: the address must not hold a user or a password"), advice));
    }
    Ok(url)
}

fn half_set(set: &str, missing: &str) -> CliError {
    CliError::usage(
        format!("{set} is set, but {missing} is not"),
        format!("set {missing} too, or unset {set} to ask the `evercal dev` of this folder"),
    )
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let limit = u64::try_from(READY_FILE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut text)?;
    if text.len() > READY_FILE_BYTES_MAX {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, format!("larger than {READY_FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
