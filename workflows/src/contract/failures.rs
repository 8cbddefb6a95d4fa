//! Why a call failed, as payloads and states carry it: a kind that code decides by, and the provider's own word for people.

use std::fmt;

use evercal_domain::ProviderErrorKind;
use serde::{Deserialize, Serialize};

use super::SyncCounts;
use crate::names;

const STORE: &str = "store_unavailable";
const NO_ANSWER: &str = "no_answer";
const LIFETIME_TOO_SHORT: &str = "lifetime_too_short";
const UNKNOWN_OUTCOME: &str = "unknown_outcome";

/// The kind of a failure; on the wire its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", from = "String")]
pub enum Cause {
    /// The provider said so, or did not answer.
    Provider(ProviderErrorKind),
    /// The installation is not set up for the account's provider.
    ProviderOff,
    /// The store could not be used.
    Store,
    /// The provider's list does not end, or is larger than one list may be.
    EndlessList,
    /// No worker answered in time, or the failure is one of our own.
    NoAnswer,
    /// The provider opened a channel that ends so soon that renewing it would be all that happens.
    LifetimeTooShort,
    /// A worker of a newer version answered what this one does not know.
    UnknownOutcome,
}

impl Cause {
    /// The name, for people, rows and the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider(kind) => kind.as_str(),
            Self::ProviderOff => names::FAILURE_PROVIDER_OFF,
            Self::Store => STORE,
            Self::EndlessList => names::FAILURE_ENDLESS_LIST,
            Self::NoAnswer => NO_ANSWER,
            Self::LifetimeTooShort => LIFETIME_TOO_SHORT,
            Self::UnknownOutcome => UNKNOWN_OUTCOME,
        }
    }

    /// Parses the type of a failed activity, or a name. What is not known is a failure of our own.
    pub fn from_name(name: &str) -> Self {
        match ProviderErrorKind::from_name(name) {
            Some(kind) => Self::Provider(kind),
            None if name.starts_with(names::FAILURE_STORE_PREFIX) => Self::Store,
            None if name == names::FAILURE_PROVIDER_OFF => Self::ProviderOff,
            None if name == names::FAILURE_ENDLESS_LIST => Self::EndlessList,
            None if name == LIFETIME_TOO_SHORT => Self::LifetimeTooShort,
            None if name == UNKNOWN_OUTCOME => Self::UnknownOutcome,
            None => Self::NoAnswer,
        }
    }

    /// Whether the provider refuses this calendar, and no other.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Provider(ProviderErrorKind::NotFound | ProviderErrorKind::Forbidden))
    }

    /// Whether it is refused whatever the calendar, by a provider, a store or settings that somebody has to mend.
    pub fn is_wider(self) -> bool {
        let refused = [ProviderErrorKind::ProjectRefused, ProviderErrorKind::AccountRefused];
        matches!(self, Self::ProviderOff | Self::Store)
            || matches!(self, Self::Provider(kind) if refused.contains(&kind))
    }
}

impl From<Cause> for &'static str {
    fn from(cause: Cause) -> Self {
        cause.as_str()
    }
}

impl From<String> for Cause {
    fn from(name: String) -> Self {
        Self::from_name(&name)
    }
}

/// A failure as people read it: the name of its kind, and behind it the provider's reason where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its kind.
    pub cause: Cause,
    /// The provider's own word for it, such as `accessNotConfigured`; letters, digits, `_` and `-` only.
    pub reason: Option<String>,
    /// What a person has to know of it or can do, in a sentence of ours.
    pub advice: Option<String>,
}

impl Failure {
    /// A failure of which nothing more is known than its kind.
    pub fn of(cause: Cause) -> Self {
        Self { cause, reason: None, advice: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "{}: {reason}", self.cause.as_str())?,
            None => f.write_str(self.cause.as_str())?,
        }
        self.advice.as_ref().map_or(Ok(()), |advice| write!(f, ", {advice}"))
    }
}

/// What a failed activity carries beside its type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailureDetails {
    /// The provider's own word for it; letters, digits, `_` and `-` only.
    pub reason: Option<String>,
    /// What a person has to know of it or can do, in a sentence of ours.
    pub advice: Option<String>,
    /// What a sync had done by then.
    pub counts: Option<SyncCounts>,
}

#[cfg(test)]
mod tests;
