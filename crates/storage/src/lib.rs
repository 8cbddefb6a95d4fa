//! The store: repository traits that callers see, and the backends behind them.
//!
//! Callers hold an `Arc<dyn Store>` and never learn which database it is; only this crate names sqlx. Not for:
//! deciding anything about calendars. A method either does all of what it says in one transaction, or nothing.

pub mod error;
pub mod repository;
pub mod sealing;
pub mod types;

mod page;
mod sql;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

pub use error::{StoreError, StoreErrorKind};
pub use repository::{Accounts, Authorizations, Calendars, Channels, Heartbeats, Journal, Mirror, Store, Tenants};
pub use sealing::{InvalidKeyring, Keyring};
pub use types::{
    AuthorizationAttempt, CalendarsReconciled, CredentialsVersion, Cursor, OccurrenceRange, OwnerOccurrences, Page,
    PageCommit, PageCommitted, PageRequest, PassFinish, QuarantinedEvent, ReadOccurrence, StateRecord, StoredBody,
    StoredItem, SyncPosition, SyncRun, SyncRunOutcome,
};

/// Opens the store that a URL names, and brings its tables up to date: `sqlite:///absolute/path` or `sqlite:relative/path`.
///
/// Several processes may open the same file at the same time; the folder must exist.
pub async fn open(url: &str, keyring: Keyring) -> Result<Arc<dyn Store>, StoreError> {
    let path = sqlite_path(url)?;
    Ok(Arc::new(sqlite::SqliteStore::open(path, keyring).await?))
}

/// Whether [`open`] could know what a URL means; it is not tried.
pub fn check_url(url: &str) -> Result<(), StoreError> {
    sqlite_path(url).map(drop)
}

/// The file that a SQLite URL names. The error shows the scheme only: the rest may hold a password.
fn sqlite_path(url: &str) -> Result<&Path, StoreError> {
    let wrong = |problem: String| {
        let problem = format!("{problem}; expected for example sqlite:///var/lib/evercal/evercal.db");
        StoreError::new(StoreErrorKind::Configuration, problem)
    };
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(wrong("the database URL has no scheme".into()));
    };
    if scheme != "sqlite" {
        return Err(wrong(format!("the database URL has the scheme `{scheme}`, which is not supported")));
    }
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        return Err(wrong("the SQLite URL must name a file, without parameters".into()));
    }
    Ok(Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_url_names_an_absolute_or_a_relative_file() {
        assert_eq!(sqlite_path("sqlite:///data/evercal.db").unwrap(), Path::new("/data/evercal.db"));
        assert_eq!(sqlite_path("sqlite:data/evercal.db").unwrap(), Path::new("data/evercal.db"));
    }

    #[test]
    fn another_url_is_refused_with_an_example_and_without_its_password() {
        for url in ["postgres://ada:marker@db/evercal", "/data/marker.db", "sqlite::memory:", "sqlite:", "sqlite://"] {
            let error = sqlite_path(url).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Configuration);
            assert!(error.to_string().contains("sqlite:///"), "{error}");
            assert!(!error.to_string().contains("marker"), "{error}");
        }
    }
}
