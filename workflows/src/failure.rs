//! Reading a failed activity: by its type name, never by its text.

use evercal_domain::ProviderErrorKind;
use temporalio_common::error::IncomingError;
use temporalio_workflow::ActivityExecutionError;

/// What a failed activity says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailedCall {
    /// The provider's kind; `None` when no worker answered in time, or for a failure of our own.
    pub(crate) kind: Option<ProviderErrorKind>,
    /// How long the provider asked us to wait, in milliseconds.
    pub(crate) wait_ms: i64,
}

impl FailedCall {
    /// Looks through the wrappers for the failure that the activity itself reported.
    pub(crate) fn from_error(error: &ActivityExecutionError) -> Self {
        let mut cause = error.cause();
        while let Some(incoming) = cause {
            if let IncomingError::Application(application) = incoming {
                let wait = application.next_retry_delay().unwrap_or_default();
                return Self {
                    kind: application.type_name().and_then(ProviderErrorKind::from_name),
                    wait_ms: i64::try_from(wait.as_millis()).unwrap_or(i64::MAX),
                };
            }
            cause = incoming.cause();
        }
        Self { kind: None, wait_ms: 0 }
    }

    /// The kind as a word for people and rows.
    pub(crate) fn word(self) -> &'static str {
        self.kind.map_or("no_answer", ProviderErrorKind::as_str)
    }
}
