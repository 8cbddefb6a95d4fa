//! What every call to a provider carries, and the errors of calls without an answer.

use evercal_domain::account::Secret;
use evercal_domain::{AccountId, ProviderCalendarId, ProviderError, ProviderErrorKind, RemoteCalendar};
use evercal_http::{TransportError, TransportErrorKind};

/// What every call carries.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The credential of the account.
    pub access: Access,
    /// Whose call it is; none where the credential is no account's yet.
    pub account: Option<AccountId>,
}

/// The credential of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Access {
    /// An access token (RFC 6750).
    Bearer(Secret),
}

/// A calendar, as its provider is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteCalendarRef<'a> {
    /// Its id there.
    pub id: &'a ProviderCalendarId,
    /// Whether it is the account's main calendar.
    pub is_primary: bool,
}

impl<'a> From<&'a RemoteCalendar> for RemoteCalendarRef<'a> {
    fn from(calendar: &'a RemoteCalendar) -> Self {
        Self { id: &calendar.provider_id, is_primary: calendar.primary }
    }
}

/// The reason of an error: the answer is larger than what is taken.
pub(crate) const ANSWER_TOO_LARGE: &str = "answerTooLarge";

/// The provider error of a call without an answer.
pub(crate) fn error_without_answer(error: &TransportError) -> ProviderError {
    let (kind, reason) = match error.kind {
        TransportErrorKind::Unreachable => (ProviderErrorKind::ConnectionRefused, None),
        TransportErrorKind::Reset => (ProviderErrorKind::ConnectionReset, None),
        TransportErrorKind::TimedOut => (ProviderErrorKind::TimedOut, None),
        TransportErrorKind::InvalidRequest => (ProviderErrorKind::InvalidRequest, None),
        // Certificates are renewed and middleboxes are taken away again: worth another try.
        TransportErrorKind::Tls => (ProviderErrorKind::ConnectionRefused, Some("tls")),
        TransportErrorKind::TooLarge => (ProviderErrorKind::TemporaryFailure, Some(ANSWER_TOO_LARGE)),
    };
    let unanswered = ProviderError::without_answer(kind, error.call);
    match reason {
        Some(reason) => unanswered.with_reason(reason),
        None => unanswered,
    }
}
