//! Reading a failed activity: by its type name, never by its text.

use evercal_domain::ProviderErrorKind;
use temporalio_common::error::IncomingError;
use temporalio_workflow::ActivityExecutionError;

use crate::contract::{Cause, Failure, FailureDetails, SyncCounts};

/// What a failed activity says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedCall {
    /// Why.
    pub(crate) failure: Failure,
    /// How long the provider asked us to wait, in milliseconds, where it did.
    pub(crate) retry_after_ms: Option<i64>,
    /// What a sync had done by then.
    pub(crate) counts: Option<SyncCounts>,
}

impl FailedCall {
    /// A failure of which nothing more is known than why.
    pub(crate) fn of(cause: Cause) -> Self {
        Self { failure: Failure::of(cause), retry_after_ms: None, counts: None }
    }

    /// Looks through the wrappers for the failure that the activity itself reported.
    pub(crate) fn from_error(error: &ActivityExecutionError) -> Self {
        let mut cause = error.cause();
        while let Some(incoming) = cause {
            if let IncomingError::Application(application) = incoming {
                let wait = application.next_retry_delay().filter(|wait| !wait.is_zero());
                // Details that cannot be read cost the reason, and nothing else.
                let details = application.details::<FailureDetails>().ok().flatten().unwrap_or_default();
                let cause = application.type_name().map_or(Cause::NoAnswer, Cause::from_name);
                return Self {
                    failure: Failure { cause, reason: details.reason, advice: details.advice },
                    retry_after_ms: wait.map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
                    counts: details.counts,
                };
            }
            cause = incoming.cause();
        }
        Self::of(Cause::NoAnswer)
    }

    /// Why it failed.
    pub(crate) fn cause(&self) -> Cause {
        self.failure.cause
    }

    /// The provider's kind, where it was the provider.
    pub(crate) fn kind(&self) -> Option<ProviderErrorKind> {
        match self.failure.cause {
            Cause::Provider(kind) => Some(kind),
            _ => None,
        }
    }
}
