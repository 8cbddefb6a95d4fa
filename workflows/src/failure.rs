//! Reading a failed activity: by its type name, never by its text.

use evercal_domain::ProviderErrorKind;
use temporalio_common::error::IncomingError;
use temporalio_workflow::ActivityExecutionError;

use crate::contract::{FailureDetails, SyncCounts};
use crate::names;

/// Why an activity failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The provider said so, or did not answer.
    Provider(ProviderErrorKind),
    /// The store could not be used.
    Store,
    /// The provider's list does not end, or is larger than one list may be.
    EndlessList,
    /// No worker answered in time, or the failure is one of our own.
    NoAnswer,
}

/// What a failed activity says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedCall {
    /// Why.
    pub(crate) cause: Cause,
    /// How long the provider asked us to wait, in milliseconds.
    pub(crate) wait_ms: i64,
    /// The provider's own word for it, such as `accessNotConfigured`.
    pub(crate) reason: Option<String>,
    /// What a sync had done by then.
    pub(crate) counts: Option<SyncCounts>,
}

impl FailedCall {
    /// A failure of which nothing more is known than why.
    pub(crate) fn of(cause: Cause) -> Self {
        Self { cause, wait_ms: 0, reason: None, counts: None }
    }

    /// Looks through the wrappers for the failure that the activity itself reported.
    pub(crate) fn from_error(error: &ActivityExecutionError) -> Self {
        let mut cause = error.cause();
        while let Some(incoming) = cause {
            if let IncomingError::Application(application) = incoming {
                let wait = application.next_retry_delay().unwrap_or_default();
                // Details that cannot be read cost the reason, and nothing else.
                let details = application.details::<FailureDetails>().ok().flatten().unwrap_or_default();
                return Self {
                    cause: application.type_name().map_or(Cause::NoAnswer, Cause::from_name),
                    wait_ms: i64::try_from(wait.as_millis()).unwrap_or(i64::MAX),
                    reason: details.reason,
                    counts: details.counts,
                };
            }
            cause = incoming.cause();
        }
        Self::of(Cause::NoAnswer)
    }

    /// The provider's kind, where it was the provider.
    pub(crate) fn kind(&self) -> Option<ProviderErrorKind> {
        match self.cause {
            Cause::Provider(kind) => Some(kind),
            Cause::Store | Cause::EndlessList | Cause::NoAnswer => None,
        }
    }

    /// The cause as a word for people and rows.
    pub(crate) fn word(&self) -> &'static str {
        match self.cause {
            Cause::Provider(kind) => kind.as_str(),
            Cause::Store => "store_unavailable",
            Cause::EndlessList => names::FAILURE_ENDLESS_LIST,
            Cause::NoAnswer => "no_answer",
        }
    }

    /// The same, with the provider's own word where there is one.
    pub(crate) fn words(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{}: {reason}", self.word()),
            None => self.word().to_owned(),
        }
    }
}

impl Cause {
    /// Whether the provider refuses this calendar, and no other.
    pub(crate) fn is_refusal(self) -> bool {
        matches!(self, Self::Provider(ProviderErrorKind::NotFound | ProviderErrorKind::Forbidden))
    }

    /// Whether it is refused whatever the calendar, by a provider or a store that somebody has to mend.
    pub(crate) fn is_wider(self) -> bool {
        let refused = [ProviderErrorKind::ProjectRefused, ProviderErrorKind::AccountRefused];
        matches!(self, Self::Store) || matches!(self, Self::Provider(kind) if refused.contains(&kind))
    }

    /// Reads the type of a failure.
    fn from_name(name: &str) -> Self {
        match ProviderErrorKind::from_name(name) {
            Some(kind) => Self::Provider(kind),
            None if name.starts_with(names::FAILURE_STORE_PREFIX) => Self::Store,
            None if name == names::FAILURE_ENDLESS_LIST => Self::EndlessList,
            None => Self::NoAnswer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_read_by_its_type() {
        for (name, cause) in [
            ("timed_out", Cause::Provider(ProviderErrorKind::TimedOut)),
            ("project_refused", Cause::Provider(ProviderErrorKind::ProjectRefused)),
            ("store_unavailable", Cause::Store),
            ("store_of_a_newer_version", Cause::Store),
            ("endless_list", Cause::EndlessList),
            ("superseded", Cause::NoAnswer),
        ] {
            assert_eq!(Cause::from_name(name), cause, "{name}");
        }
    }

    #[test]
    fn people_read_the_kind_and_the_providers_own_word() {
        let failed = FailedCall::of(Cause::Provider(ProviderErrorKind::Forbidden));
        assert_eq!(failed.words(), "forbidden");
        let named = FailedCall { reason: Some("requiredAccessLevel".into()), ..failed };
        assert_eq!(named.words(), "forbidden: requiredAccessLevel");
    }
}
