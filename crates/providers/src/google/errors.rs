//! What an error answer of Google's means: the only place that decides on kinds
//! (<https://developers.google.com/workspace/calendar/api/guides/errors>).

use evercal_domain::{ProviderError, ProviderErrorKind};
use evercal_http::HttpResponse;
use serde_json::Value;

use super::calls::{LIST_EVENTS, REVOKE, TOKEN};

/// Reasons of a 403 that are a rate or a quota: a pause, never a permanent failure.
const RATE_REASONS: [&str; 5] = [
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "quotaExceeded",
    "dailyLimitExceeded",
    "subscriptionRateLimitExceeded",
];
/// Reasons of a 403 that are about the installation's project (or the address that it calls from), whoever's calendar it is:
/// an operator has to act. Some stand among the errors, some in the details of Google's newer form.
const PROJECT_REASONS: [&str; 12] = [
    "accessNotConfigured",
    "SERVICE_DISABLED",
    "CONSUMER_INVALID",
    "CONSUMER_SUSPENDED",
    "BILLING_DISABLED",
    "USER_PROJECT_DENIED",
    "RESOURCE_PROJECT_INVALID",
    "API_KEY_SERVICE_BLOCKED",
    "projectSuspended",
    "forbiddenForProject",
    "ipRefererBlocked",
    "SECURITY_POLICY_VIOLATED",
];
/// OAuth errors that say that the grant is dead, wherever they come from.
const DEAD_GRANT_REASONS: [&str; 2] = ["invalid_grant", "admin_policy_enforced"];
/// OAuth errors that speak of our own client: no user's consent helps
/// (<https://developers.google.com/identity/protocols/oauth2/web-server>, "Errors").
const OWN_CLIENT_REASONS: [&str; 4] = ["invalid_client", "unauthorized_client", "deleted_client", "org_internal"];
/// OAuth errors that pass.
const TRANSIENT_OAUTH_REASONS: [&str; 3] = ["internal_failure", "server_error", "temporarily_unavailable"];

/// The error that an answer other than 2xx to `call` is.
pub(super) fn parse_error(call: &'static str, answer: &HttpResponse) -> ProviderError {
    let body = ErrorBody::parse(&answer.body);
    let error = ProviderError {
        kind: kind_of(call, answer.status, &body),
        call,
        status: Some(answer.status),
        reason: None,
        retry_after: answer.retry_after(),
        advice: None,
    };
    // Of several reasons people need the one that decided.
    let decisive = body.reasons.iter().find(|reason| PROJECT_REASONS.contains(&reason.as_str()));
    match decisive.filter(|_| error.kind == ProviderErrorKind::ProjectRefused).or(body.reasons.first()) {
        Some(reason) => error.with_reason(reason),
        None => error,
    }
}

/// The error that an answer with status 2xx is when its body is not what it should be.
pub(super) fn unreadable_answer(call: &'static str, answer: &HttpResponse) -> ProviderError {
    let error = ProviderError::without_answer(ProviderErrorKind::TemporaryFailure, call);
    ProviderError { status: Some(answer.status), ..error }.with_reason("unreadableAnswer")
}

fn kind_of(call: &str, status: u16, body: &ErrorBody) -> ProviderErrorKind {
    use ProviderErrorKind as Kind;

    // The revocation endpoint's word for a token of a grant that is dead already.
    if body.has_any(&DEAD_GRANT_REASONS) || (call == REVOKE && body.has_any(&["invalid_token"])) {
        return Kind::GrantRevoked;
    }
    if call == TOKEN {
        return kind_of_token_error(status, body);
    }
    if body.is_about_webhook() {
        return Kind::InvalidRequest;
    }
    match status {
        // Nobody's access token is refused there: it is our client's id or secret.
        401 if call == REVOKE => Kind::ClientRefused,
        401 => Kind::TokenRefreshNeeded,
        403 if body.has_any(&RATE_REASONS) => Kind::RateLimited,
        // A page of HTML, or nothing at all, comes from in front of the API, which knows no calendars.
        403 if body.has_any(&PROJECT_REASONS) || body.reasons.is_empty() => Kind::ProjectRefused,
        403 => Kind::Forbidden,
        // Whatever the reason: an expired token, a changed ACL. Never a success.
        410 if call == LIST_EVENTS => Kind::PositionLost,
        404 | 410 => Kind::NotFound,
        429 => Kind::RateLimited,
        // A token that Google calls invalid is as useless as one that it calls expired, and nothing but a full pass
        // replaces it: sync and page tokens are kept for as long as a calendar rests.
        400 if call == LIST_EVENTS && body.refuses_list_token => Kind::PositionLost,
        400 if body.has_any(&["pushNotSupportedForRequestedResource"]) => Kind::WatchUnsupported,
        // The request went through once already; the next attempt brings a new id and will succeed.
        400 if body.has_any(&["channelIdNotUnique"]) => Kind::TemporaryFailure,
        400..=499 if status == 408 || body.has_any(&TRANSIENT_OAUTH_REASONS) => Kind::TemporaryFailure,
        400..=499 => Kind::InvalidRequest,
        // 5xx, and redirects, which the API never sends but a captive portal does.
        _ => Kind::TemporaryFailure,
    }
}

/// Errors of the token endpoint, which knows no calendars: whatever it refuses, none of them is gone or forbidden.
fn kind_of_token_error(status: u16, body: &ErrorBody) -> ProviderErrorKind {
    use ProviderErrorKind as Kind;

    match status {
        400..=499 if body.has_any(&TRANSIENT_OAUTH_REASONS) => Kind::TemporaryFailure,
        400..=499 if body.has_any(&OWN_CLIENT_REASONS) => Kind::ClientRefused,
        // Too many refreshes are refused with 403 and a page of HTML too.
        403 | 429 => Kind::RateLimited,
        404 | 408 | 410 => Kind::TemporaryFailure,
        400..=499 => Kind::InvalidRequest,
        _ => Kind::TemporaryFailure,
    }
}

/// What can be read from an error body, of the API's form or of OAuth's; both may be missing.
#[derive(Default)]
struct ErrorBody {
    reasons: Vec<String>,
    /// Whether it is the sync token or the page token of a list that is not accepted.
    refuses_list_token: bool,
}

impl ErrorBody {
    fn parse(body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let text_at = |path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
        if let Some(oauth_code) = text_at("/error") {
            return Self { reasons: vec![oauth_code], refuses_list_token: false };
        }
        let entries = body.pointer("/error/errors").and_then(Value::as_array);
        let mut reasons: Vec<String> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get("reason").and_then(Value::as_str).map(str::to_owned))
            .collect();
        let details = body.pointer("/error/details").and_then(Value::as_array);
        reasons.extend(
            details
                .into_iter()
                .flatten()
                .filter_map(|detail| detail.get("reason").and_then(Value::as_str).map(str::to_owned)),
        );
        // Such as `PERMISSION_DENIED`; for people, when there is nothing more exact.
        reasons.extend(text_at("/error/status"));
        // Google names no location for it, only the message says so. The message is checked and not kept.
        let has_message =
            |path: &str, words: &str| text_at(path).is_some_and(|message| message.to_ascii_lowercase().contains(words));
        let refuses_list_token =
            ["syncToken", "pageToken"].iter().any(|name| text_at("/error/errors/0/location").as_deref() == Some(*name))
                || ["sync token value", "page token value"]
                    .iter()
                    .any(|words| has_message("/error/errors/0/message", words) || has_message("/error/message", words));
        Self { reasons, refuses_list_token }
    }

    /// Whether it is the address of our own gateway that is not accepted, whatever the status: 401 would otherwise be
    /// taken for a dead grant. The reason says what is wrong with it.
    fn is_about_webhook(&self) -> bool {
        self.reasons.iter().any(|reason| reason.starts_with("push."))
    }

    fn has_any(&self, wanted: &[&str]) -> bool {
        self.reasons.iter().any(|reason| wanted.contains(&reason.as_str()))
    }
}
