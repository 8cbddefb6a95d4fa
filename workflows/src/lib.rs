//! The workflows: deterministic code only. No I/O, no clock and no randomness of its own, no HTTP, no SQL.
//!
//! Read in this order: [`subscription`] (one calendar, for years), [`account`] (who starts and ends subscriptions),
//! [`polling`] (who finds reasons when push is gone). [`contract`] holds what crosses the wire, [`names`] every wire
//! name, [`retry`] every duration, and [`decide`] the decisions as pure functions.

pub mod account;
pub mod contract;
pub mod decide;
mod due;
mod failure;
pub mod names;
pub mod polling;
pub mod retry;
pub mod subscription;
mod time;

pub use account::AccountWorkflow;
pub use due::Due;
pub use polling::PollingWorkflow;
pub use retry::Timing;
pub use subscription::SubscriptionWorkflow;

#[cfg(test)]
mod tests;
