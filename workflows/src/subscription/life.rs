//! Whether a subscription goes on, and how far its end has come.

use serde::{Deserialize, Serialize};

/// Whether a subscription goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It goes on.
    #[default]
    Open,
    /// It has to end, or has ended.
    Ending {
        /// One sentence for people: why.
        reason: String,
        /// How far it has come.
        stage: EndingStage,
    },
}

/// How far the end of a subscription has come. It only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndingStage {
    /// Somebody asked for it; readers see the calendar as before.
    Requested,
    /// Readers get nothing any more; its channels may still have to be stopped.
    Withdrawn,
    /// Nothing is left to do.
    Closed,
}

impl Life {
    /// Asks for the end. Where that was done before, the first reason stays.
    pub(super) fn end(&mut self, reason: String) {
        if *self == Self::Open {
            *self = Self::Ending { reason, stage: EndingStage::Requested };
        }
    }

    /// The end has come so far. What goes on is not ended by that.
    pub(super) fn reaches(&mut self, reached: EndingStage) {
        if let Self::Ending { stage, .. } = self {
            *stage = (*stage).max(reached);
        }
    }

    /// Adds to the reason what people should know of how it ended.
    pub(super) fn add_to_reason(&mut self, remark: &str) {
        if let Self::Ending { reason, .. } = self {
            reason.push_str("; ");
            reason.push_str(remark);
        }
    }

    /// Whether it goes on.
    pub(super) fn is_open(&self) -> bool {
        *self == Self::Open
    }

    /// Whether readers get nothing any more.
    pub(super) fn is_withdrawn(&self) -> bool {
        matches!(self, Self::Ending { stage: EndingStage::Withdrawn | EndingStage::Closed, .. })
    }

    /// Why it has ended, where nothing is left to do.
    pub(super) fn closed_for(&self) -> Option<&str> {
        match self {
            Self::Ending { reason, stage: EndingStage::Closed } => Some(reason),
            Self::Open | Self::Ending { .. } => None,
        }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_closed(&self) -> bool {
        self.closed_for().is_some()
    }

    /// Why it ends, where it does.
    pub(super) fn ending_reason(&self) -> Option<&str> {
        match self {
            Self::Open => None,
            Self::Ending { reason, .. } => Some(reason),
        }
    }
}
