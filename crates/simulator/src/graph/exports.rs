//! What others use of it.

pub use super::control::LifecycleEvent;
pub use super::delta::TokenDeath;
pub use super::endpoints::EndpointRules;
pub use super::quirks::{Quirks, ScopeForm};
pub use super::subscription_report::SubscriptionReport;
pub use super::{Control, Simulator, setup};
