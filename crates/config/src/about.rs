//! What operators have to know of a setting: `evercal config` and `docs/configuration.md` are made of it.

use std::fmt::Display;

use crate::lookup::{ConfigError, Lookup};

/// Who reads a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `evercal gateway`
    Gateway,
    /// `evercal worker`
    Worker,
    /// `evercal codec`
    Codec,
}

// The names of the subcommands.
evercal_domain::names! { Role { Gateway = "gateway", Worker = "worker", Codec = "codec" } }

/// Read by gateways alone.
pub const GATEWAY: &[Role] = &[Role::Gateway];
/// Read by workers alone.
pub const WORKER: &[Role] = &[Role::Worker];
/// Read by the codec endpoint alone.
pub const CODEC: &[Role] = &[Role::Codec];
/// Read by gateways and workers.
pub const GATEWAY_AND_WORKER: &[Role] = &[Role::Gateway, Role::Worker];
/// Read by all.
pub const ALL_ROLES: &[Role] = &Role::ALL;

/// How a value may be set, and what may be shown of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Set by the environment, the settings file or `--set`; shown whole.
    Plain,
    /// As a plain one, but shown without the password that the address may hold.
    Address,
    /// Set by the environment, the settings file, or a file of its own that `<name>_FILE` names; never by `--set`, since all users
    /// of a machine can read its processes' arguments. Only that it is set is shown.
    Secret,
    /// Set as a secret is, and shown as an address is.
    SecretAddress,
    /// A secret that Temporal's SDK reads by itself: there is no `<name>_FILE`. Only that it is set is shown.
    SdkSecret,
}

/// Where a value comes from when nobody sets one.
#[derive(Clone, Copy)]
pub enum DefaultValue {
    /// It has to be set.
    Required,
    /// Always this.
    Value(&'static str),
    /// Nothing, which means this.
    Nothing(&'static str),
    /// What follows from another setting, else a default.
    Derived(fn(&Lookup<'_>) -> Derived),
    /// What Temporal's SDK finds in its profile file.
    TemporalSdk {
        /// Finds it; none where the file does not say it either.
        find: fn() -> Result<Option<String>, ConfigError>,
        /// What it means that nothing is found.
        nothing: &'static str,
    },
}

/// The value of a setting that nobody set by its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// As it would be set.
    pub value: String,
    /// The setting that it follows from; none where it is a default.
    pub set_by: Option<&'static str>,
}

/// What operators have to know of a setting.
pub struct About {
    /// Its name, as in the environment.
    pub name: &'static str,
    /// Who reads it.
    pub read_by: &'static [Role],
    /// How it may be set, and what may be shown of it.
    pub kind: Kind,
    /// Where its value comes from when nobody sets one.
    pub default: DefaultValue,
    /// A value that would do, or how to get one.
    pub example: &'static str,
    /// What it sets, with its unit: a phrase for people.
    pub meaning: &'static str,
}

impl About {
    /// Whether a value may be a secret, which `<name>_FILE` may name a file of.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::SecretAddress)
    }

    /// An error about this setting.
    pub fn error(&self, problem: impl Display) -> ConfigError {
        ConfigError { variable: self.name.to_owned(), problem: problem.to_string(), example: self.example }
    }
}
