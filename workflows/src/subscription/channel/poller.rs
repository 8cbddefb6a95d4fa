//! What a subscription knows of its poller.

use serde::{Deserialize, Serialize};

/// The poller, as the lane left it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Poller {
    /// A signal ended it, or it was never started.
    #[default]
    Stopped,
    /// It was started.
    Runs {
        /// Seconds between two polls, as this run set it; `None` where this run has not set it yet.
        interval_s: Option<u32>,
    },
}

impl Poller {
    /// Whether it was started.
    pub fn runs(self) -> bool {
        self != Self::Stopped
    }

    /// The poller as the next run begins with it. Each run signals it its interval, and so finds out where somebody ended it.
    pub(in crate::subscription) fn in_next_run(self) -> Self {
        match self {
            Self::Stopped => Self::Stopped,
            Self::Runs { .. } => Self::Runs { interval_s: None },
        }
    }
}
