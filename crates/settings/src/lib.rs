//! Settings: named values (environment variables, in the end) of gateways, workers and the codec endpoint.
//!
//! Each is one [`Setting`] in the file of its subject: its name, what operators have to know of it, and how it is read. Those of a
//! provider are in the provider's folder, and come from the registry. [`all`] lists all; `evercal config` and
//! `docs/configuration.md` are made of that list. Libraries never read the environment: a binary makes [`Sources`] of it, and
//! passes a [`Lookup`] in. An error names the setting, what is wrong with its value, and an example; never the value itself.

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
pub use evercal_config::{About, ConfigError, DefaultValue, Derived, Described, Kind, Lookup, Role, Setting};
pub use proxies::TrustedProxies;
pub use sources::{CONFIG_FILE, Environment, Source, Sources};
pub use target::{TemporalTarget, temporal_target};
