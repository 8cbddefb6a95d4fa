//! The reading of a subscription: what the next sync serves and how the last ones went (`progress`), what follows from reasons
//! and failures (`decide`), and the lane that syncs (`lane`).

pub(super) mod decide;
pub(super) mod lane;
mod progress;

pub use progress::{PendingSync, SyncProgress};
