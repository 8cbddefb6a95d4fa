//! What a store keeps, one file for each entity: its repository trait, the types that go in and come out, and the rows
//! that they are read from. Not for: SQL, which stands in the file of the same name in `statements/`.

pub mod accounts;
pub mod authorizations;
pub mod calendars;
pub mod channels;
pub mod claims;
pub mod consents;
pub mod credentials;
pub mod heartbeats;
pub mod journal;
pub mod mirror;
pub mod tenants;
pub mod upkeep;

/// Names the repositories once, for the trait and for the types that have it.
macro_rules! store {
    ($($repository:path),+ $(,)?) => {
        /// All repositories of a store; composition roots pass a `dyn Store` around.
        pub trait Store: $($repository +)+ {}

        impl<T: $($repository +)+> Store for T {}
    };
}

store! {
    tenants::Tenants,
    accounts::Accounts,
    credentials::AccountCredentials,
    consents::Consents,
    authorizations::Authorizations,
    calendars::Calendars,
    channels::Channels,
    mirror::position::SyncPositions,
    mirror::commit::MirrorPages,
    mirror::events::MirroredEvents,
    mirror::occurrences::Occurrences,
    mirror::feed::ChangeFeed,
    mirror::quarantine::Quarantine,
    mirror::sync_runs::SyncLog,
    mirror::erasure::Erasure,
    journal::Journal,
    heartbeats::Heartbeats,
    claims::Claims,
    upkeep::Upkeep,
}
