//! What every call to a provider carries, and what it means that no answer came.

use chrono::{DateTime, Utc};
use evercal_domain::account::Secret;
use evercal_domain::{ProviderError, ProviderErrorKind};
use evercal_http::{TransportError, TransportErrorKind};

/// The request header that carries [`CallContext::simulated_now`], in Unix milliseconds.
pub const SIMULATED_NOW_HEADER: &str = "x-evercal-simulated-now";

/// What every call carries.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The access token.
    pub access: Secret,
    /// The calendar's virtual time, sent as [`SIMULATED_NOW_HEADER`]. Only the simulator reads it, and only tests that
    /// skip time set it: production leaves it `None`, and no header goes out.
    pub simulated_now: Option<DateTime<Utc>>,
}

/// What it means for a provider call that no answer came.
pub(crate) fn error_without_answer(error: &TransportError) -> ProviderError {
    let (kind, reason) = match error.kind {
        TransportErrorKind::Refused => (ProviderErrorKind::ConnectionRefused, None),
        TransportErrorKind::Reset => (ProviderErrorKind::ConnectionReset, None),
        TransportErrorKind::TimedOut => (ProviderErrorKind::TimedOut, None),
        TransportErrorKind::InvalidRequest => (ProviderErrorKind::InvalidRequest, None),
        // Certificates are renewed and middleboxes are taken away again: worth another try.
        TransportErrorKind::Tls => (ProviderErrorKind::ConnectionRefused, Some("tls")),
        TransportErrorKind::TooLarge => (ProviderErrorKind::TemporaryFailure, Some("answerTooLarge")),
    };
    let unanswered = ProviderError::without_answer(kind, error.call);
    match reason {
        Some(reason) => unanswered.with_reason(reason),
        None => unanswered,
    }
}
