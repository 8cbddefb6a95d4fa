//! The push channel of a subscription, and the poller that asks for syncs while there is none: what is known of them
//! (`progress`), what is done next (`decide`), and the lane that does it (`lane`).

pub(super) mod decide;
pub(super) mod lane;
pub(super) mod progress;

pub use progress::{ChannelProgress, Poller, ToStop};
