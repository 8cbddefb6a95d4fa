//! The consent of an account that has yet to be settled.

use evercal_domain::UnixMs;
use serde::{Deserialize, Serialize};

use crate::account::trouble::Trouble;

/// How far the redemption of a consent has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Consent {
    /// There is none to settle.
    #[default]
    Settled,
    /// One brought a code that has yet to be redeemed.
    Waits {
        /// The attempts that failed, if any.
        tried: Option<Tried>,
    },
    /// It is being redeemed.
    InProgress {
        /// When it was first tried.
        since: UnixMs,
        /// Why it could not be settled before this attempt.
        trouble: Option<Trouble>,
    },
    /// It is being redeemed, and another one came, which is then tried for itself.
    Overtaken,
}

/// Attempts at a consent that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// When it was first tried.
    pub since: UnixMs,
    /// Why it could not be settled yet.
    pub trouble: Trouble,
}

impl Consent {
    /// A new one came: it is tried at once, whatever the one before it waits for.
    pub(in crate::account) fn comes(&mut self) {
        *self = match self {
            Self::Settled | Self::Waits { .. } => Self::Waits { tried: None },
            Self::InProgress { .. } | Self::Overtaken => Self::Overtaken,
        };
    }

    /// An attempt begins; answers when this consent was first tried.
    pub(in crate::account) fn begin_attempt(&mut self, now: UnixMs) -> UnixMs {
        let (since, trouble) = match std::mem::take(self) {
            Self::Waits { tried: Some(Tried { since, trouble }) } => (since, Some(trouble)),
            _ => (now, None),
        };
        *self = Self::InProgress { since, trouble };
        since
    }

    /// The attempt failed, and is repeated after what `trouble` makes of the one before it.
    pub(in crate::account) fn fails(&mut self, trouble: impl FnOnce(Option<&Trouble>) -> Trouble) {
        match self {
            Self::InProgress { since, trouble: before } => {
                let tried = Tried { since: *since, trouble: trouble(before.as_ref()) };
                *self = Self::Waits { tried: Some(tried) };
            }
            _ => self.settle(),
        }
    }

    /// The attempt was the last one at this consent.
    pub(in crate::account) fn settle(&mut self) {
        *self = match self {
            Self::Overtaken => Self::Waits { tried: None },
            _ => Self::Settled,
        };
    }

    /// Whether one waits to be redeemed.
    pub(in crate::account) fn waits(&self) -> bool {
        matches!(self, Self::Waits { .. })
    }

    /// Why it could not be settled yet.
    pub(in crate::account) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Waits { tried } => tried.as_ref().map(|tried| &tried.trouble),
            Self::InProgress { trouble, .. } => trouble.as_ref(),
            Self::Settled | Self::Overtaken => None,
        }
    }
}

#[cfg(test)]
mod tests;
