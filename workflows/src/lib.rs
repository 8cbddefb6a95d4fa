//! The workflows: deterministic code only. No I/O, no clock and no randomness of its own, no HTTP, no SQL.
//!
//! Read in this order: [`subscription`] (one calendar, for years), [`account`] (who starts and ends subscriptions),
//! [`polling`] (who finds reasons when push is gone). Each has its folder: what it knows, what it decides by pure functions,
//! and the lanes that do it; `shared` is what they have in common. [`contract`] holds what crosses the wire, [`names`] every
//! wire name, and [`retry`] every duration.

pub mod account;
pub mod contract;
mod due;
pub mod names;
pub mod polling;
pub mod retry;
mod shared;
pub mod subscription;

pub use account::AccountWorkflow;
pub use due::Due;
pub use polling::PollingWorkflow;
pub use retry::Timing;
pub use shared::jitter;
pub use subscription::SubscriptionWorkflow;

#[cfg(test)]
mod tests;
