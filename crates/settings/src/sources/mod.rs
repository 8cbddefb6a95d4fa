//! Where named values come from: the command line, else the environment, else a TOML file.
//!
//! Not for what Temporal's SDK reads by itself: it has its own variables, and a profile file of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use evercal_config::ConfigError;
use toml::Value;

use crate::all::{is_name, is_secret};

/// The variable that names the file.
pub const CONFIG_FILE: &str = "EVERCAL_CONFIG_FILE";
const FILE_EXAMPLE: &str = "/etc/evercal/evercal.toml, with lines such as SYNC_TIMEOUT_MS = 600000";
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Finds values of the process's environment.
pub type Environment = fn(&str) -> Option<String>;

/// Where a value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An option of the command.
    CommandLine,
    /// The environment.
    Environment,
    /// The TOML file.
    File,
}

// As people read it.
evercal_domain::names! { Source { CommandLine = "command line", Environment = "environment", File = "file" } }

/// All sources of a process, each over the next.
pub struct Sources {
    command_line: BTreeMap<String, String>,
    environment: Environment,
    file: BTreeMap<String, String>,
    path: Option<PathBuf>,
}

impl Sources {
    /// The environment, and the file that it names.
    pub fn new(environment: Environment) -> Result<Self, ConfigError> {
        Self::with_command_line(environment, None, &[])
    }

    /// The environment, for what reads no settings.
    pub fn environment_alone(environment: Environment) -> Self {
        Self { command_line: BTreeMap::new(), environment, file: BTreeMap::new(), path: None }
    }

    /// The same as [`Self::new`] under `NAME=VALUE` settings and a file of the command line.
    pub fn with_command_line(
        environment: Environment,
        file: Option<PathBuf>,
        settings: &[String],
    ) -> Result<Self, ConfigError> {
        let command_line = settings.iter().map(|setting| from_command_line(setting)).collect::<Result<_, _>>()?;
        let of_environment = || environment(CONFIG_FILE).filter(|path| !path.trim().is_empty()).map(PathBuf::from);
        let named_by = if file.is_some() { "--config" } else { CONFIG_FILE };
        let path = file.or_else(of_environment);
        let read = |path: &Path| {
            let wrong = |problem| ConfigError::new(named_by, format!("{}: {problem}", path.display()), FILE_EXAMPLE);
            read(path).map_err(wrong)
        };
        let file = path.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(Self { command_line, environment, file, path })
    }

    /// The value that counts. An empty one is none.
    pub fn find(&self, name: &str) -> Option<String> {
        self.locate(name).map(|(value, _)| value)
    }

    /// Where it was found.
    pub fn source(&self, name: &str) -> Option<Source> {
        self.locate(name).map(|(_, source)| source)
    }

    /// The TOML file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn locate(&self, name: &str) -> Option<(String, Source)> {
        let by_file = format!("{name}_FILE");
        for source in [Source::CommandLine, Source::Environment, Source::File] {
            if let Some(value) = self.given(source, name) {
                return Some((value, source));
            }
            // A secret's file that this source names goes over a value of the sources below.
            if is_secret(name) && self.given(source, &by_file).is_some() {
                return None;
            }
        }
        None
    }

    fn given(&self, source: Source, name: &str) -> Option<String> {
        let value = match source {
            Source::CommandLine => self.command_line.get(name).cloned(),
            Source::Environment => (self.environment)(name),
            Source::File => self.file.get(name).cloned(),
        };
        value.filter(|value| !value.trim().is_empty())
    }
}

fn from_command_line(setting: &str) -> Result<(String, String), ConfigError> {
    const EXAMPLE: &str = "--set SYNC_TIMEOUT_MS=600000";
    let Some((name, value)) = setting.split_once('=') else {
        return Err(ConfigError::new("--set", "it has no `=` between name and value", EXAMPLE));
    };
    // A text that is no name may be a value, perhaps a secret: the error does not repeat it.
    if !name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
        return Err(ConfigError::new("--set", "what stands before the `=` is not the name of a setting", EXAMPLE));
    }
    check(name).map_err(|problem| ConfigError::new("--set", problem, EXAMPLE))?;
    if is_secret(name) {
        let problem = format!(
            "{name} may be a secret, and arguments can be read by all users of the machine; \
             use the environment, the file, or {name}_FILE"
        );
        return Err(ConfigError::new("--set", problem, EXAMPLE));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads the file. Problems show names and lines, never values: they may be secrets.
fn read(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = read_bounded(path).map_err(|error| format!("cannot be read: {error}"))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("line {}: {}", before.matches('\n').count() + 1, error.message())
    })?;
    let (mut values, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, value) in table {
        match (check(&name), as_text(value)) {
            (Ok(()), Some(text)) => drop(values.insert(name, text)),
            (Ok(()), None) => problems.push(format!("{name} is neither text, whole number, switch, list nor table")),
            (Err(problem), _) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems.join("; ")) }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 1 MiB"));
    }
    Ok(text)
}

/// A name that nobody reads is an error, since it would change nothing.
fn check(name: &str) -> Result<(), String> {
    if name.starts_with("TEMPORAL_") {
        Err(format!("{name} is read by Temporal's SDK: use the environment, or a profile in TEMPORAL_CONFIG_FILE"))
    } else if is_name(name) {
        Ok(())
    } else {
        Err(format!("there is no setting `{name}`; `evercal config` lists them"))
    }
}

/// A value as a variable would have it: lists with commas, tables as JSON.
fn as_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(switch) => Some(switch.to_string()),
        Value::Array(items) => Some(items.into_iter().map(as_text).collect::<Option<Vec<_>>>()?.join(",")),
        Value::Table(_) => serde_json::to_string(&value).ok(),
        Value::Float(_) | Value::Datetime(_) => None,
    }
}

#[cfg(test)]
mod tests;
