//! What a setting is: its name, what operators have to know of it, and how it is read out of named values.
//!
//! Not for the settings themselves: each provider has its own in its folder (`crates/providers`), all others are in
//! `crates/settings`.

mod about;
mod lookup;
pub mod reading;
mod setting;

pub use about::{ALL_ROLES, About, CODEC, DefaultValue, Derived, GATEWAY, GATEWAY_AND_WORKER, Kind, Role, WORKER};
pub use lookup::{ConfigError, Lookup};
pub use reading::Reader;
pub use setting::{Described, Setting};
