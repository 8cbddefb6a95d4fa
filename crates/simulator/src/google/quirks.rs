//! Legal but unusual behaviour that a robust client must stand, switched on by the control API.

use serde::{Deserialize, Serialize};

/// All switches; everything is off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Each n-th page of a list is empty and carries a page token; 0 is never.
    pub empty_page_every: u32,
    /// No page of a list of events has more items than this, however many were asked for; 0 is no such limit.
    pub page_items_max: u32,
    /// Deleted events appear in lists with nothing but what is sure: `id` and `status`.
    pub id_only_tombstones: bool,
    /// The exceptions of a deleted series vanish without a tombstone of their own.
    pub silent_exception_removal: bool,
    /// Instances of series that a free/busy reader is given do not say their `originalStartTime`: only their id has it.
    pub free_busy_without_original_start: bool,
}

impl Quirks {
    pub(crate) const NONE: Self = Self {
        empty_page_every: 0,
        page_items_max: 0,
        id_only_tombstones: false,
        silent_exception_removal: false,
        free_busy_without_original_start: false,
    };

    /// How many items a page has at most when `asked` were asked for.
    pub(crate) fn page_size(&self, asked: usize) -> usize {
        match usize::try_from(self.page_items_max) {
            Ok(0) | Err(_) => asked,
            Ok(max) => asked.min(max),
        }
    }
}
