//! The store: repository traits that callers see, and the backends behind them.
//!
//! Callers hold an `Arc<dyn Store>` and never learn which database it is; only this crate names sqlx. Not for:
//! deciding anything about calendars. A method either does all of what it says in one transaction, or nothing.
//!
//! An entity has two files of one name: `entities/` has its trait, its types and the rows that are read, `statements/` its SQL
//! beside what binds it. The statements are compiled once for each engine, inside `sqlite/` and `postgres/`;
//! `engine.rs` declares what they ask of it.

#![expect(clippy::duplicate_mod, reason = "`statements` is compiled once for each engine, on purpose")]

pub mod error;

mod beside;
mod columns;
mod condition;
mod copy;
mod database_url;
mod engine;
mod entities;
mod lookup;
mod migrations;
mod paging;
mod postgres;
mod providers_off;
mod sqlite;
mod tables;
mod touched;

use std::sync::Arc;

pub use condition::{
    InstallationOwner, ProbePace, StoreCondition, StoreJournal, StoreProbe, StoreTrouble, StoreWatch, TroubleKind,
    open_when_possible,
};
pub use copy::{CopiedTable, copy_store};
pub use database_url::DatabaseUrl;
pub use entities::Store;
pub use entities::accounts::{AccountAdmission, Accounts};
pub use entities::authorizations::{AuthorizationAttempt, Authorizations, TakenAttempt};
pub use entities::calendars::{Calendars, CalendarsReconciled, StateRecord};
pub use entities::channels::Channels;
pub use entities::claims::{ClaimRounds, Claims};
pub use entities::consents::{ConsentVersion, Consents, Settlement};
pub use entities::credentials::{AccountCredentials, CredentialsVersion};
pub use entities::heartbeats::{BEATS_MAX, Heartbeats};
pub use entities::journal::{AuditOf, IncidentEnd, Journal, ProviderIncident};
pub use entities::mirror::commit::{Expanded, MirrorPages, PageCommit, PageCommitted, PassFinish, WindowNow};
pub use entities::mirror::erasure::Erasure;
pub use entities::mirror::events::MirroredEvents;
pub use entities::mirror::feed::ChangeFeed;
pub use entities::mirror::occurrence_key::OccurrenceKey;
pub use entities::mirror::occurrences::{OccurrenceRange, Occurrences, ReadOccurrence, SeriesRows};
pub use entities::mirror::position::{Cursor, Reached, SyncPosition, SyncPositions, SyncStart};
pub use entities::mirror::quarantine::{Quarantine, QuarantinedEvent};
pub use entities::mirror::sync_runs::{SyncLog, SyncRun, SyncRunOutcome};
pub use entities::tenants::Tenants;
pub use entities::upkeep::Upkeep;
pub use error::{StoreError, StoreErrorKind, cause_of};
pub use evercal_sealing::{InvalidKeyring, Keyring};
pub use migrations::MigrationState;
pub use paging::{Page, PageRequest};
pub use providers_off::ReportsOfProvidersOff;

/// Connections to PostgreSQL that one process holds at most, when nobody says otherwise.
pub const CONNECTIONS_MAX_DEFAULT: u32 = 10;

/// What it takes to open a store.
#[derive(Clone)]
pub struct StoreSettings {
    /// Where it is.
    pub url: DatabaseUrl,
    /// Connections to PostgreSQL that this process holds at most.
    pub connections_max: u32,
    /// The keys that seal and open credentials.
    pub keyring: Keyring,
}

impl StoreSettings {
    /// A store with the default number of connections.
    pub fn new(url: DatabaseUrl, keyring: Keyring) -> Self {
        Self { url, connections_max: CONNECTIONS_MAX_DEFAULT, keyring }
    }
}

/// Opens a store.
///
/// A SQLite file is made when it is not there, and its tables are brought up to date; several processes may open it at
/// the same time; the folder must exist. A PostgreSQL database needs [`migrate`] first.
pub async fn open(settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
    let keyring = settings.keyring.clone();
    Ok(match &settings.url {
        DatabaseUrl::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(path, keyring).await?),
        DatabaseUrl::Postgres(options) => {
            Arc::new(postgres::PostgresStore::open(options, settings.connections_max, keyring).await?)
        }
    })
}

/// Brings a database's tables up to date, and answers the migrations as they were before. Processes that do it at the same
/// time take turns.
pub async fn migrate(url: &DatabaseUrl) -> Result<Vec<MigrationState>, StoreError> {
    match url {
        DatabaseUrl::Sqlite(path) => sqlite::migrate(path).await,
        DatabaseUrl::Postgres(options) => postgres::migrate(options).await,
    }
}

/// The migrations of this version, and which of them a database has.
pub async fn migrations(url: &DatabaseUrl) -> Result<Vec<MigrationState>, StoreError> {
    match url {
        DatabaseUrl::Sqlite(path) => sqlite::migrations(path).await,
        DatabaseUrl::Postgres(options) => postgres::migrations(options).await,
    }
}
