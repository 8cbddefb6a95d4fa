//! Why a series could not be expanded.

/// Permanent until the series changes: the caller quarantines it and goes on with the others.
///
/// Carries nothing that a person wrote: the text may be shown and logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// More than `limit` of `what`.
    #[error("the series has more than {limit} {what}")]
    TooMany {
        /// What there are too many of, in the plural.
        what: &'static str,
        /// The limit that was passed.
        limit: usize,
    },
    /// Something in the series is wrong or unknown.
    #[error("the series cannot be read: {reason}")]
    Unreadable {
        /// What was wrong, for people.
        reason: String,
    },
}

impl ExpandError {
    pub(crate) fn unreadable(reason: impl Into<String>) -> Self {
        Self::Unreadable { reason: reason.into() }
    }
}
