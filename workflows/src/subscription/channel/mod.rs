//! The push channel of a subscription, and the poller that asks for syncs while there is none: what is known of them
//! (`progress`, `push`), what is done next (`decide`) and about what the provider says of it (`lifecycle`), and the lane that does it (`lane`).

pub(super) mod decide;
pub(super) mod lane;
pub(super) mod lifecycle;
mod poller;
pub(super) mod progress;
pub(super) mod push;

pub use poller::Poller;
pub use progress::{ChannelProgress, RunningAttempt, StopReason, ToStop};
pub use push::{Cover, EarlyExtension, FailedAttempts, NextAttempt, Push, WantedChannel};
