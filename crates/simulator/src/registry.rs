//! The providers that can be simulated. Each brings a [`SimulatedProvider`](crate::core::SimulatedProvider) and a line in
//! [`SIMULATED`]; what is exported beside is its simulator, its control, how evercal is set up for it, and what only it has.

use crate::core::simulated::Simulated;
pub use crate::google::{Control, Quirks, QuotaLimits, Simulator, setup};
pub use crate::graph::exports as microsoft;

/// Those at which `evercal dev` has an account: each of a provider that is in the registry of these.
pub static SIMULATED: &[&Simulated] = &[&crate::google::setup::SIMULATED];
