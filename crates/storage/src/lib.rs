//! The store: repository traits that callers see, and the backends behind them.
//!
//! Callers hold an `Arc<dyn Store>` and never learn which database it is; only this crate names sqlx. Not for:
//! deciding anything about calendars. A method either does all of what it says in one transaction, or nothing.

pub mod error;
pub mod repository;
pub mod types;

pub use error::{StoreError, StoreErrorKind};
pub use repository::{Accounts, Authorizations, Calendars, Channels, Heartbeats, Journal, Mirror, Store, Tenants};
pub use types::{
    AuthorizationAttempt, CalendarsReconciled, CredentialsVersion, Cursor, OccurrenceRange, OwnerOccurrences, Page,
    PageCommit, PageCommitted, PageRequest, PassFinish, QuarantinedEvent, ReadOccurrence, StateRecord, StoredBody,
    StoredItem, SyncPosition, SyncRun, SyncRunOutcome,
};
