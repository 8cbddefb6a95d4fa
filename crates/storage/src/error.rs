//! What a store can answer instead of a result.

use evercal_sealing::SealingError;

/// The kinds of store errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// A compare-and-set found something else: another attempt was faster. Read again, or stop.
    Conflict,
    /// The row that the caller named does not exist.
    NotFound,
    /// The database is busy, full or unreachable; trying again may help.
    Unavailable,
    /// A stored value does not read back: damaged, or written by a newer version.
    Corrupt,
    /// A sealed value cannot be opened with the keys at hand.
    Sealed,
    /// A page cursor that this store did not give; the caller's request is wrong.
    InvalidCursor,
    /// The database denies us access: the role, its rights or the database itself are gone. An operator has to restore them.
    AccessDenied,
    /// The tables are not those of this version.
    Schema,
    /// The database is not the one that was opened any more.
    Lost,
    /// The database URL cannot be used; somebody has to correct the configuration.
    Configuration,
}

/// A failed store call. The text names tables and columns, never values.
#[derive(Debug, thiserror::Error)]
#[error("store: {message}")]
pub struct StoreError {
    /// What kind of failure it is.
    pub kind: StoreErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// An error that the store itself found.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// An error that has a cause.
    pub fn caused_by(
        kind: StoreErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()) }
    }

    /// What is behind it, for logs: the texts of its causes. They have no values either.
    pub fn cause(&self) -> Option<String> {
        cause_of(self)
    }

    /// Whether another attempt was faster.
    pub fn is_conflict(&self) -> bool {
        self.kind == StoreErrorKind::Conflict
    }
}

/// What is behind an error, for logs: the texts of its causes.
pub fn cause_of(error: &dyn std::error::Error) -> Option<String> {
    let causes = std::iter::successors(error.source(), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}

/// The kind of a database error: what both engines mean alike, and for the rest what the engine's code says.
pub(crate) fn kind_by_code(
    error: &sqlx::Error,
    by_code: impl FnOnce(&dyn sqlx::error::DatabaseError) -> StoreErrorKind,
) -> StoreErrorKind {
    match error {
        sqlx::Error::Database(database) if database.is_unique_violation() => StoreErrorKind::Conflict,
        sqlx::Error::Database(database) if database.is_foreign_key_violation() => StoreErrorKind::NotFound,
        sqlx::Error::Database(database) => by_code(&**database),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
            StoreErrorKind::Corrupt
        }
        _ => StoreErrorKind::Unavailable,
    }
}

/// A database's error without what it says about rows: PostgreSQL adds the values that were in the way as a detail, which
/// the error's debug form would show in a log. Messages name tables and columns.
pub(crate) fn without_values(error: sqlx::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        sqlx::Error::Database(database) => match database.code() {
            Some(code) => format!("{} (code {code})", database.message()).into(),
            None => database.message().into(),
        },
        other => other.into(),
    }
}

impl From<SealingError> for StoreError {
    fn from(error: SealingError) -> Self {
        let kind = match &error {
            SealingError::Sealed { .. } => StoreErrorKind::Sealed,
            SealingError::Randomness(_) => StoreErrorKind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}
