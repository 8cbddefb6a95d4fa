//! What makes a change of an event one for the change feed.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Event, ProviderOccurrence, SeriesPosition};

/// SHA-256 over all that a reader of an event is answered. The change feed has an entry exactly where the fingerprint before
/// differs from the one after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of an event.
    pub fn of_event(event: &Event) -> Self {
        Self::of(event)
    }

    /// Of a cancelled occurrence.
    pub fn of_cancelled(position: &SeriesPosition) -> Self {
        Self::of(&("cancelled", position))
    }

    /// Of an occurrence that its provider made.
    pub fn of_occurrence(occurrence: &ProviderOccurrence) -> Self {
        Self::of(&("occurrence", occurrence))
    }

    fn of(content: &impl Serialize) -> Self {
        // Serialising our own plain structs cannot fail; an empty text would still be a stable fingerprint.
        let text = serde_json::to_vec(content).unwrap_or_default();
        let digest = Sha256::digest(&text);
        Self(hex::encode(digest))
    }

    /// As 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a stored one back.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests;
