//! Settings: named values (environment variables, in the end) of gateways, workers and the codec endpoint.
//!
//! Each is one [`Setting`] in the file of its subject: its name, what operators have to know of it, and how it is read. [`ALL`]
//! lists them; `evercal config` and `docs/configuration.md` are made of it. Libraries never read the environment: a binary makes
//! [`Sources`] of it, and hands a [`Lookup`] in. An error names the setting, what is wrong with its value, and an example; never
//! the value itself.

mod about;
mod all;
mod build_id;
pub mod codec;
pub mod gateway;
pub mod google;
mod lookup;
pub mod process;
mod proxies;
mod reading;
mod setting;
mod sources;
pub mod store;
pub mod strategies;
mod target;
pub mod temporal;
pub mod timing;
pub mod worker;

pub use about::{About, GivenBy, Otherwise, Role, Shown, UnknownRole};
pub use all::{ALL, is_secret};
pub use build_id::{BuildId, InvalidBuildId};
pub use lookup::{ConfigError, Lookup};
pub use proxies::TrustedProxies;
pub use setting::{Described, Setting};
pub use sources::{CONFIG_FILE, Environment, Source, Sources};
pub use target::{TemporalTarget, temporal_target};
