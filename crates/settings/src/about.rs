//! What operators have to know of a setting: `evercal config` and `docs/configuration.md` are made of it.

use std::str::FromStr;

use evercal_workflows::Timing;

use crate::target::TemporalTarget;

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

pub(crate) const GATEWAY: &[Role] = &[Role::Gateway];
pub(crate) const WORKER: &[Role] = &[Role::Worker];
pub(crate) const CODEC: &[Role] = &[Role::Codec];
pub(crate) const GATEWAY_AND_WORKER: &[Role] = &[Role::Gateway, Role::Worker];
pub(crate) const ALL_ROLES: &[Role] = &Role::ALL;

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
    /// This duration, which `EVERCAL_TIMING` may set too.
    Timing {
        /// The duration's name in `EVERCAL_TIMING`.
        field: &'static str,
        /// The duration as the setting would say it.
        read: fn(&Timing) -> String,
    },
    /// What the SDK finds in its profile file; where that says nothing either, the text.
    TemporalSdk {
        /// What the SDK found.
        read: fn(&TemporalTarget) -> Option<String>,
        /// What nothing means.
        nothing: &'static str,
    },
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
