//! The name of a build of the worker.

use std::fmt;
use std::str::FromStr;

/// The longest build id, in characters. The server's own limit is 255 for the id with the deployment's name.
const BUILD_ID_CHARS_MAX: usize = 128;

/// The name of a build of the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildId(String);

impl BuildId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no build id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a build id has 1 to {BUILD_ID_CHARS_MAX} letters, digits, `.`, `-`, `_` or `+`")]
pub struct InvalidBuildId;

impl FromStr for BuildId {
    type Err = InvalidBuildId;

    fn from_str(text: &str) -> Result<Self, InvalidBuildId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+');
        if text.is_empty() || text.len() > BUILD_ID_CHARS_MAX || !text.bytes().all(allowed) {
            return Err(InvalidBuildId);
        }
        Ok(Self(text.to_owned()))
    }
}
