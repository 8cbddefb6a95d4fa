//! What every simulated provider has: the state with its journal, time, the log of calls, faults, notices that go wrong,
//! seeded calendars, and the control API. What one has to bring is [`SimulatedProvider`].

pub(crate) mod access;
pub(crate) mod calls;
pub(crate) mod changes;
pub(crate) mod channels;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod deliveries;
pub(crate) mod error;
pub(crate) mod faults;
mod ids;
pub(crate) mod journal;
pub(crate) mod net;
pub(crate) mod notices;
pub(crate) mod oauth;
pub(crate) mod options;
pub(crate) mod query;
pub(crate) mod response;
pub(crate) mod sealed;
pub(crate) mod seed;
pub(crate) mod shared;
pub(crate) mod simulated;
pub(crate) mod simulator;
pub(crate) mod tls;
pub(crate) mod transmission;
mod visitors;
pub(crate) mod world;
pub(crate) mod zones;

use std::sync::Arc;

use axum::Router;
use serde_json::Value;

use control::ProviderControl;
use error::SimulatorError;
use options::{DemoTenant, SimulatorOptions};
use shared::Shared;
use world::World;

/// A provider that can be simulated. Its value is all that it knows: users, calendars, events, grants and channels. It
/// changes under the lock of [`Shared`], and notes each change in the world's journal, so that it outlives a `kill -9`.
pub trait SimulatedProvider: ProviderControl {
    /// Its name, of `a`–`z` and `0`–`9`: its journal keys begin with it and a slash, and so do its own control routes.
    const NAME: &'static str;
    /// Where its API is below the server's root, with a slash at the end: what a client of it takes as its endpoint.
    const API_PATH: &'static str;

    /// One that knows nothing yet.
    fn new(options: &SimulatorOptions) -> Self;

    /// Whether other journal entries hang on this one, so that it has to be taken over before them.
    fn is_first(key: &str) -> bool;

    /// Takes over an entry of the journal whose key begins with its name.
    fn restore_entry(&mut self, key: &str, value: Value) -> Result<(), SimulatorError>;

    /// The paths of its API, OAuth included.
    fn routes() -> Router<Arc<Shared<Self>>>;

    /// What of the control API it has for itself, each path below `/control/{NAME}/`.
    fn control_routes() -> Router<Arc<Shared<Self>>>;

    /// Sends notices as they fall due, until shutdown.
    fn deliver(shared: Arc<Shared<Self>>) -> impl Future<Output = ()> + Send;

    /// Creates the demo user with two calendars full of events, unless there is one; an error says what was refused.
    fn create_demo(world: &mut World<Self>, demo: &DemoTenant) -> Result<(), String>;
}
