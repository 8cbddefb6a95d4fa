//! What users may do with calendars.

use serde::{Deserialize, Serialize};

/// What a user may do with a calendar, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccessRole {
    /// The calendar is known but closed: 403.
    None,
    /// Sees when somebody is busy.
    FreeBusyReader,
    /// Sees events; private ones without their details.
    Reader,
    /// Changes events; private ones stay hidden.
    WriterWithoutPrivateAccess,
    /// Changes events.
    Writer,
    /// May do everything.
    Owner,
}

impl AccessRole {
    pub(crate) fn can_write(self) -> bool {
        self >= Self::WriterWithoutPrivateAccess
    }

    pub(crate) fn sees_private(self) -> bool {
        self >= Self::Writer
    }
}
