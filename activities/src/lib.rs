//! The activities: everything with side effects, one file per concern. They return facts; `workflows/` decides.
//!
//! Each is idempotent: Temporal may run it twice. Provider errors become Temporal failures in [`failure`] and nowhere
//! else. Not for choosing what happens next, and not for durations of retries (`workflows/src/retry.rs`).

mod accounts;
mod attempt;
mod channels;
pub mod client_alert;
mod credentials;
mod deps;
pub mod failure;
pub mod outages;
mod records;
mod refusal;
mod sync;

pub use accounts::AccountActivities;
pub use attempt::{Attempt, current as current_attempt};
pub use channels::ChannelActivities;
pub use credentials::StoreCredentials;
pub use deps::{Connection, Deps};
pub use records::RecordActivities;
pub use sync::{SyncActivities, expand_again};
