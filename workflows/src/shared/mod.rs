//! What accounts, subscriptions and pollers have in common: jitter, waiting, reading failures, live channels.

pub(crate) mod failure;
pub mod jitter;
pub(crate) mod live_channel;
pub(crate) mod time;
pub(crate) mod waits;
