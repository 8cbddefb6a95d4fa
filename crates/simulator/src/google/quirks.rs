//! Legal but unusual behaviour that a robust client must stand, switched on by the control API.

use serde::{Deserialize, Serialize};

/// All switches; everything is off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Each n-th page of a list is empty and carries a page token; 0 is never.
    pub empty_page_every: u32,
    /// Deleted events appear in lists with nothing but what is sure: `id` and `status`.
    pub id_only_tombstones: bool,
    /// The exceptions of a deleted series vanish without a tombstone of their own.
    pub silent_exception_removal: bool,
}
