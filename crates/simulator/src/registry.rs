//! The providers that can be simulated. Each brings a [`crate::core::SimulatedProvider`] and one line here; what is exported
//! is its simulator, its control, how evercal is set up for it, and what only it has.

pub use crate::google::{Control, Quirks, QuotaLimits, Simulator, setup};

/// Microsoft Graph.
pub mod microsoft {
    pub use crate::graph::{
        Control, EndpointRules, LifecycleEvent, Quirks, ScopeForm, Simulator, SubscriptionReport, TokenDeath, setup,
    };
}
