//! The harness of the system tests: real Temporal, real store, real gateway and workers, and a simulated provider.
//!
//! A test makes a [`World`] with a provider ([`ProviderUnderTest`]), does what users do, and waits for conditions with [`eventually`]. Not for unit tests: those
//! live beside their code.

pub mod channels;
pub mod histories;
pub mod logs;
pub mod mirror;
mod providers;
mod reconfigure;
mod role;
mod settings;
pub mod shown;
mod simulated_time;
pub mod skipping;
mod steps;
pub mod temporal;
mod wait;
mod world;

pub use providers::{
    AnyProvider, ChangeNotice, Google, Graph, MarkedEvent, ProviderCall, ProviderControl, ProviderUnderTest, Refused,
};
pub use reconfigure::{discover, reconfigure};
pub use settings::{Settings, WorldOptions, quick};
pub use steps::{
    arm, ask_for_sync, calls, disconnect, is_list_watched, list_is_watched, live_for, made, poller_has_ended, reach,
    reach_account,
};
pub use wait::{TIMEOUT, eventually};
pub use world::{USER, World};
