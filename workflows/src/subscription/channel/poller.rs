//! What a subscription knows of its poller.

use serde::{Deserialize, Serialize};

/// The poller, as the lane left it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Poller {
    /// It was told to end, or never started.
    #[default]
    Stopped,
    /// It was started.
    Runs {
        /// Seconds between two looks, as this run told it; `None` where it did not yet.
        told_interval_s: Option<u32>,
    },
}

impl Poller {
    /// Whether it was started.
    pub fn runs(self) -> bool {
        self != Self::Stopped
    }

    /// What the next run knows of it. Each run tells it its interval, so that one that somebody ended is missed.
    pub(in crate::subscription) fn in_next_run(self) -> Self {
        match self {
            Self::Stopped => Self::Stopped,
            Self::Runs { .. } => Self::Runs { told_interval_s: None },
        }
    }
}
