//! Decisions as pure functions: plain values in, plain values out; tested by tables and properties, in microseconds.

pub mod account;
pub mod channel;
pub mod jitter;
pub mod list_channel;
pub mod sync;
pub mod waits;
