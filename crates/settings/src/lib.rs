//! Settings: named values (environment variables, in the end) of gateways, workers and the codec endpoint.
//!
//! Each is one [`Setting`] in the file of its subject: its name, what operators have to know of it, and how it is read. Those of a
//! provider are in its folder, and told by the registry. [`all`] lists them; `evercal config` and `docs/configuration.md` are made of it. Libraries never read the environment: a binary makes
//! [`Sources`] of it, and hands a [`Lookup`] in. An error names the setting, what is wrong with its value, and an example; never
//! the value itself.

mod all;
mod build_id;
pub mod codec;
pub mod gateway;
mod origins;
pub mod process;
mod proxies;
mod sources;
pub mod store;
mod target;
pub mod temporal;
pub mod timing;
pub mod worker;

pub use all::{all, is_secret};
pub use build_id::{BuildId, InvalidBuildId};
pub use evercal_config::{
    About, ConfigError, Derived, Described, GivenBy, Lookup, Otherwise, Role, Setting, Shown, UnknownRole,
};
pub use proxies::TrustedProxies;
pub use sources::{CONFIG_FILE, Environment, Source, Sources};
pub use target::{TemporalTarget, temporal_target};
