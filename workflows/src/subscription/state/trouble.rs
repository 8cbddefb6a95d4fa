//! What stands in a subscription's way, and how people read it: nothing broken may look healthy.

use evercal_domain::ProviderErrorKind;
use serde::{Deserialize, Serialize};

use crate::decide::waits;
use crate::failure::{Cause, FailedCall};
use crate::time::readable;

/// What stands in the way of reading, or of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trouble {
    /// The provider asked us to wait.
    AskedToWait {
        /// Until when we do.
        until_ms: i64,
    },
    /// Attempts fail, and are repeated.
    Failing {
        /// How, by kind.
        words: String,
    },
    /// The provider refuses the whole installation.
    ProjectRefused {
        /// How, by kind.
        words: String,
    },
    /// The provider refuses all of the account's calendars.
    AccountRefused {
        /// How, by kind.
        words: String,
    },
    /// The store cannot be used.
    Store,
    /// The provider's list of events does not end.
    EndlessList {
        /// How, by kind.
        words: String,
    },
}

impl Trouble {
    /// What people have to see of a failure that is repeated at `at_ms`; `None` where it is too small for that.
    pub(crate) fn of(failed: &FailedCall, failures: u32, wait: &Wait, now_ms: i64) -> Option<Self> {
        let words = failed.words();
        match (failed.cause, wait.reason) {
            (Cause::Store, _) => Some(Self::Store),
            (Cause::EndlessList, _) => Some(Self::EndlessList { words }),
            (Cause::Provider(ProviderErrorKind::ProjectRefused), _) => Some(Self::ProjectRefused { words }),
            (Cause::Provider(ProviderErrorKind::AccountRefused), _) => Some(Self::AccountRefused { words }),
            (_, WaitReason::Asked) => {
                waits::is_shown(wait.until_ms - now_ms).then_some(Self::AskedToWait { until_ms: wait.until_ms })
            }
            // The first repetition is everyday life.
            (_, WaitReason::Recovery) => (failures > 1).then_some(Self::Failing { words }),
        }
    }

    /// Whether it may be over at any moment, without the provider's leave.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::AskedToWait { .. } | Self::EndlessList { .. })
    }

    /// One sentence for people.
    pub(super) fn sentence(&self, of: &str) -> String {
        match self {
            Self::AskedToWait { until_ms } => {
                format!("the provider asked us to wait until {} with {of}", readable(*until_ms))
            }
            Self::Failing { words } => format!("{of} fails ({words}); it is tried again"),
            Self::ProjectRefused { words } => format!(
                "the provider refuses this installation ({words}): an operator has to act; it is tried again every few \
                 minutes"
            ),
            Self::AccountRefused { words } => format!(
                "the provider refuses all calendars of this account ({words}); it is tried again every few minutes"
            ),
            Self::Store => "the store does not answer or refuses; it is tried again every few seconds".to_owned(),
            Self::EndlessList { words } => {
                format!("the provider's list of events does not end ({words}); it is read anew")
            }
        }
    }
}

/// A wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Its end.
    pub until_ms: i64,
    /// Why.
    pub reason: WaitReason,
}

/// Why an attempt waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// What failed may work again at any moment: the wait is cut short when it is seen to.
    #[default]
    Recovery,
    /// The provider asked for it.
    Asked,
}

/// The provider refuses this calendar, and somebody has to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// How, by kind.
    pub words: String,
    /// What it refuses, for people.
    pub of: RefusedCall,
    /// When it is tried again.
    pub next_try_at_ms: i64,
    /// Whether it is being tried again.
    pub trying: bool,
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedCall {
    /// Reading events.
    Reading,
    /// Opening a channel.
    Watching,
}

impl Refusal {
    /// One sentence for people.
    pub(super) fn sentence(&self) -> String {
        let of = match self.of {
            RefusedCall::Reading => "to read this calendar",
            RefusedCall::Watching => "to watch this calendar",
        };
        let words = &self.words;
        format!(
            "the provider refuses {of} ({words}): check its sharing; tried again at {}",
            readable(self.next_try_at_ms)
        )
    }
}
