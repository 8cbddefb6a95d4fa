//! What operators have to know of a setting: `evercal config` and `docs/configuration.md` are made of it.

use std::str::FromStr;

use crate::lookup::Lookup;

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

/// There is no role of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is none of gateway, worker, codec")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::from_name(name).ok_or(UnknownRole)
    }
}

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

/// What may be shown of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Whole,
    /// An address, without the password that it may hold.
    Address,
    /// That it is set.
    Nothing,
}

/// How a value may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenBy {
    /// The environment, the settings file or `--set`.
    Value,
    /// It may be a secret: the environment, the settings file, or a file of its own that `<name>_FILE` names; never `--set`,
    /// since all users of a machine can read its processes' arguments.
    ValueOrFile,
    /// The environment alone, or a profile: Temporal's SDK reads it by itself.
    TemporalSdk,
}

/// Where a value comes from when nobody gives one.
#[derive(Clone, Copy)]
pub enum Otherwise {
    /// It has to be given.
    Required,
    /// Always this.
    Value(&'static str),
    /// Nothing, which means this.
    Nothing(&'static str),
    /// What another setting says of it, else a default.
    Derived(fn(&Lookup<'_>) -> Derived),
    /// What Temporal's SDK finds in its profile file; where that says nothing either, the text.
    TemporalSdk {
        /// Finds it, and is told what to say where there is nothing; none where the file cannot be read.
        find: fn(&'static str) -> Option<String>,
        /// What nothing means.
        nothing: &'static str,
    },
}

/// A value that nobody gave by its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// As the setting would say it.
    pub value: String,
    /// The setting that says it; none where it is a default.
    pub said_by: Option<&'static str>,
}

/// What operators have to know of a setting.
pub struct About {
    /// Its name, as in the environment.
    pub name: &'static str,
    /// Who reads it.
    pub read_by: &'static [Role],
    /// How it may be given.
    pub given_by: GivenBy,
    /// What may be shown of it.
    pub shown: Shown,
    /// Where its value comes from when nobody gives one.
    pub otherwise: Otherwise,
    /// A value that would do, or how to get one.
    pub example: &'static str,
    /// What it sets, with its unit: a phrase for people.
    pub meaning: &'static str,
}

impl About {
    /// Whether a value may be a secret.
    pub fn is_secret(&self) -> bool {
        self.given_by == GivenBy::ValueOrFile
    }
}
