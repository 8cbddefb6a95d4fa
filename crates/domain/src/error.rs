//! What can go wrong with a provider: a kind, and from the kind alone whether it is worth another try.
//!
//! Carries no URL and no text from the provider beyond its reason code: calendar ids are often e-mail addresses, and
//! these errors end up in Temporal's histories and in logs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether the same call may succeed later without anybody doing anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// Try again after a backoff.
    Retryable,
    /// Trying again is useless.
    Permanent,
}

/// The kinds of provider errors; their names are wire names (failure types in Temporal) and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderErrorKind {
    /// The connection was reset, or ended inside an answer.
    ConnectionReset,
    /// Nobody listened, or the name did not resolve.
    ConnectionRefused,
    /// No answer in time.
    TimedOut,
    /// Over a rate or quota.
    RateLimited,
    /// The provider had a problem of its own: 5xx, or an answer that is not what it should be.
    TemporaryFailure,
    /// The access token was refused (401); the next attempt brings a fresh one.
    TokenRefreshNeeded,
    /// The grant is dead (`invalid_grant`): somebody has to consent again.
    GrantRevoked,
    /// The provider does not go on where we stand: a full pass is due, the grant is fine.
    PositionLost,
    /// A page is too large for us; one with fewer events may not be.
    PageTooLarge,
    /// No such calendar, event or channel, or not for us any more (404).
    NotFound,
    /// Not allowed for this calendar (403 other than those around it).
    Forbidden,
    /// The provider does not accept this installation itself (`invalid_client`): its operator has to act, no user.
    ClientRefused,
    /// Not allowed for the whole account, although the grant is not called dead: none of its calendars answers.
    AccountRefused,
    /// Not allowed for this installation, whoever's calendar it is.
    ProjectRefused,
    /// This calendar cannot be watched (400 `pushNotSupportedForRequestedResource`).
    WatchUnsupported,
    /// The request itself was wrong: a defect of ours or of the configuration.
    InvalidRequest,
}

names! {
    ProviderErrorKind {
        ConnectionReset = "connection_reset",
        ConnectionRefused = "connection_refused",
        TimedOut = "timed_out",
        RateLimited = "rate_limited",
        TemporaryFailure = "temporary_failure",
        TokenRefreshNeeded = "token_refresh_needed",
        GrantRevoked = "grant_revoked",
        PositionLost = "position_lost",
        PageTooLarge = "page_too_large",
        NotFound = "not_found",
        Forbidden = "forbidden",
        ClientRefused = "client_refused",
        AccountRefused = "account_refused",
        ProjectRefused = "project_refused",
        WatchUnsupported = "watch_unsupported",
        InvalidRequest = "invalid_request",
    }
}

impl ProviderErrorKind {
    /// Whether another try makes sense.
    pub fn retry_class(self) -> RetryClass {
        match self {
            Self::ConnectionReset
            | Self::ConnectionRefused
            | Self::TimedOut
            | Self::RateLimited
            | Self::TemporaryFailure
            | Self::PageTooLarge
            | Self::ClientRefused
            | Self::TokenRefreshNeeded
            | Self::AccountRefused
            | Self::ProjectRefused => RetryClass::Retryable,
            Self::GrantRevoked
            | Self::PositionLost
            | Self::NotFound
            | Self::Forbidden
            | Self::WatchUnsupported
            | Self::InvalidRequest => RetryClass::Permanent,
        }
    }
}

/// A failed provider call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed: {kind}{}{}", self.status_text(), self.reason_text())]
pub struct ProviderError {
    /// What went wrong.
    pub kind: ProviderErrorKind,
    /// Which call, by the provider's own method name, such as `calendar.events.list`.
    pub call: &'static str,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The provider's reason code, such as `rateLimitExceeded`; only letters, digits, `_` and `-`.
    pub reason: Option<String>,
    /// How long the provider asked us to wait.
    pub retry_after: Option<Duration>,
    /// What a person has to know of it or can do, in a sentence of ours; none where the kind says it all.
    pub advice: Option<&'static str>,
}

impl ProviderError {
    /// An error without an answer from the provider.
    pub fn without_answer(kind: ProviderErrorKind, call: &'static str) -> Self {
        Self { kind, call, status: None, reason: None, retry_after: None, advice: None }
    }

    /// Sets the reason, cut down to the characters and the length of a reason code so that nothing personal gets in.
    #[must_use]
    pub fn with_reason(mut self, reason: &str) -> Self {
        const REASON_CHARS_MAX: usize = 64;
        let code: String = reason
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .take(REASON_CHARS_MAX)
            .collect();
        self.reason = (!code.is_empty()).then_some(code);
        self
    }

    /// Sets the advice.
    #[must_use]
    pub fn with_advice(self, advice: Option<&'static str>) -> Self {
        Self { advice, ..self }
    }

    fn status_text(&self) -> String {
        self.status.map(|status| format!(" (HTTP {status})")).unwrap_or_default()
    }

    fn reason_text(&self) -> String {
        self.reason.as_ref().map(|reason| format!(", reason {reason}")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_by_itself_or_by_an_operator_is_tried_again() {
        let retried: Vec<_> = ProviderErrorKind::ALL
            .into_iter()
            .filter(|kind| kind.retry_class() == RetryClass::Retryable)
            .map(ProviderErrorKind::as_str)
            .collect();
        let expected = [
            "connection_reset",
            "connection_refused",
            "timed_out",
            "rate_limited",
            "temporary_failure",
            "token_refresh_needed",
            "page_too_large",
            "client_refused",
            "account_refused",
            "project_refused",
        ];
        assert_eq!(retried, expected);
    }

    #[test]
    fn a_reason_cannot_smuggle_an_address() {
        let error = ProviderError::without_answer(ProviderErrorKind::NotFound, "calendar.events.list")
            .with_reason("notFound: ada@example.com/…");
        assert!(!error.to_string().contains('@'));
    }
}
