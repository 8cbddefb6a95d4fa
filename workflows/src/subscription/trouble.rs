//! What stands in a subscription's way, and how people read it: nothing broken may look healthy.

use evercal_domain::{ProviderErrorKind, UnixMs};
use serde::{Deserialize, Serialize};

use crate::contract::{Cause, Failure};
use crate::shared::failure::FailedCall;
use crate::shared::waits::{self, Wait, WaitReason};

/// What stands in the way of reading, or of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trouble {
    /// The provider asked us to wait.
    AskedToWait {
        /// Until when we do.
        until: UnixMs,
    },
    /// Attempts fail, and are repeated.
    Failing {
        /// How.
        failure: Failure,
    },
    /// The installation is not set up for the provider.
    ProviderOff,
    /// The provider refuses the whole installation.
    ProjectRefused {
        /// How.
        failure: Failure,
    },
    /// The provider refuses all of the account's calendars.
    AccountRefused {
        /// How.
        failure: Failure,
    },
    /// The store cannot be used.
    Store,
    /// The provider's list of events does not end.
    EndlessList {
        /// How.
        failure: Failure,
    },
}

impl Trouble {
    /// What people have to see of a failure before what failed is tried again; `None` where it is too small for that.
    pub(crate) fn of(failed: &FailedCall, attempts: Attempts, wait: &Wait, now: UnixMs) -> Option<Self> {
        let failure = failed.failure.clone();
        match (failed.cause(), wait.reason) {
            (Cause::ProviderOff, _) => Some(Self::ProviderOff),
            (Cause::Store, _) => Some(Self::Store),
            (Cause::EndlessList, _) => Some(Self::EndlessList { failure }),
            (Cause::Provider(ProviderErrorKind::ProjectRefused), _) => Some(Self::ProjectRefused { failure }),
            (Cause::Provider(ProviderErrorKind::AccountRefused), _) => Some(Self::AccountRefused { failure }),
            (_, WaitReason::RetryAfter) => {
                waits::is_shown(wait.until.since_ms(now)).then_some(Self::AskedToWait { until: wait.until })
            }
            (_, WaitReason::Recovery) => attempts.are_worth_a_word().then_some(Self::Failing { failure }),
        }
    }

    /// Whether it may be over at any moment, without the provider's leave.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::AskedToWait { .. } | Self::EndlessList { .. })
    }

    /// One sentence for people.
    pub(super) fn sentence(&self, of: &str) -> String {
        match self {
            Self::AskedToWait { until } => {
                format!("the provider asked us to wait until {until} with {of}")
            }
            Self::Failing { failure } => format!("{of} fails ({failure}); it is tried again"),
            Self::ProviderOff => {
                "this installation is not set up for the calendar's provider: its operator has to act; it is tried \
                                  again every few minutes"
                    .to_owned()
            }
            Self::ProjectRefused { failure } => format!(
                "the provider refuses this installation ({failure}): an operator has to act; it is tried again every few \
                 minutes"
            ),
            Self::AccountRefused { failure } => format!(
                "the provider refuses all calendars of this account ({failure}); it is tried again every few minutes"
            ),
            Self::Store => "the store does not answer or refuses; it is tried again every few seconds".to_owned(),
            Self::EndlessList { failure } => {
                format!("the provider's list of events does not end ({failure}); it is read anew")
            }
        }
    }
}

/// How far the attempts at something have come, for what people have to see of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempts {
    /// So many have failed in a row, and another one follows.
    Failed(u32),
    /// They are given up; what failed is tried anew after a pause.
    GivenUp,
}

impl Attempts {
    /// The first repetition is everyday life.
    fn are_worth_a_word(self) -> bool {
        match self {
            Self::Failed(failures) => failures > 1,
            Self::GivenUp => true,
        }
    }
}

/// The provider refuses this calendar, and somebody has to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// How.
    pub failure: Failure,
    /// What it refuses, for people.
    pub of: RefusedCall,
    /// When it is tried again.
    pub next_try_at: UnixMs,
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
        let (failure, next_try_at) = (&self.failure, self.next_try_at);
        format!("the provider refuses {of} ({failure}): check its sharing; tried again at {next_try_at}")
    }
}
