//! What an error answer of Microsoft's means: the only place that decides on kinds
//! (<https://learn.microsoft.com/graph/errors>, <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>).

use std::time::Duration;

use evercal_domain::{ProviderError, ProviderErrorKind};
use evercal_http::HttpResponse;
use serde_json::Value;

use super::calls::{CREATE_SUBSCRIPTION, DELTA, TOKEN, UPDATE_SUBSCRIPTION};

/// Codes by which a delta query says that it does not go on from a link, in lower case.
const LOST_POSITION_CODES: [&str; 5] =
    ["syncstatenotfound", "syncstateinvalid", "resyncrequired", "errorinvalidsyncstatedata", "syncstateexpired"];
/// Codes of answers that ask for a pause.
const THROTTLED_CODES: [&str; 3] = ["ApplicationThrottled", "TooManyRequests", "activityLimitReached"];
/// Codes of answers that are about this application, whoever's calendar it is.
const APPLICATION_CODES: [&str; 3] =
    ["Authorization_RequestDenied", "Authorization_IdentityDisabled", "ApplicationDisabled"];
/// AADSTS codes that speak of our own client: no user's consent helps.
const OWN_CLIENT_CODES: [u64; 3] = [7_000_215, 7_000_218, 7_000_222];
/// The OAuth error that says the same.
const OWN_CLIENT_REASON: &str = "invalid_client";
/// OAuth errors that take a person: the grant is dead, or more is wanted than it has.
const DEAD_GRANT_REASONS: [&str; 5] =
    ["invalid_grant", "interaction_required", "consent_required", "login_required", "unauthorized_client"];
/// AADSTS codes of an organisation that does not know the application, or has turned it off: its own affair, not the operator's.
const NOT_IN_THE_TENANT_CODES: [u64; 2] = [700_016, 7_000_112];
/// When a subscription is asked for again that a quota refuses, or that somebody else's stands in the way of.
const LONG_PAUSE: Duration = Duration::from_hours(6);

/// The error that an answer other than 2xx to `call` is.
pub(super) fn parse_error(call: &'static str, answer: &HttpResponse) -> ProviderError {
    let body = ErrorBody::parse(&answer.body);
    let kind =
        if call == TOKEN { kind_of_token_error(answer.status, &body) } else { kind_of(call, answer.status, &body) };
    let is_quota = call == CREATE_SUBSCRIPTION && answer.status == 403 && kind == ProviderErrorKind::RateLimited;
    let error = ProviderError {
        kind,
        call,
        status: Some(answer.status),
        reason: None,
        retry_after: answer.retry_after().or(is_quota.then_some(LONG_PAUSE)),
        advice: advice(call, kind, &body),
    };
    match body.reason() {
        Some(reason) => error.with_reason(&reason),
        None => error,
    }
}

/// The error that an answer with status 2xx is when its body is not what it should be.
pub(super) fn unreadable_answer(call: &'static str, answer: &HttpResponse) -> ProviderError {
    let error = ProviderError::without_answer(ProviderErrorKind::TemporaryFailure, call);
    ProviderError { status: Some(answer.status), ..error }.with_reason("unreadableAnswer")
}

/// A subscription that somebody else has on the same with our application: it is not ours to end.
pub(super) fn somebody_elses() -> ProviderError {
    let error = ProviderError::without_answer(ProviderErrorKind::RateLimited, CREATE_SUBSCRIPTION);
    let error = ProviderError { status: Some(409), retry_after: Some(LONG_PAUSE), ..error };
    let advice = "another service has a subscription on this calendar with the same application; it is not touched";
    error.with_reason("subscriptionOfAnotherService").with_advice(Some(advice))
}

/// A subscription is in the way of which the list does not know.
pub(super) fn not_listed() -> ProviderError {
    let error = ProviderError::without_answer(ProviderErrorKind::TemporaryFailure, CREATE_SUBSCRIPTION);
    ProviderError { status: Some(409), ..error }.with_reason("subscriptionNotListed")
}

/// What people have to know of an error.
fn advice(call: &str, kind: ProviderErrorKind, body: &ErrorBody) -> Option<&'static str> {
    if call == TOKEN {
        return match (kind, body.aadsts?) {
            (ProviderErrorKind::GrantRevoked, code) => Some(match code {
                700_082 | 70_008 => "the grant was not used for too long and has expired: connect the account again",
                50_173 => "the password was changed, or an administrator ended all grants: connect the account again",
                65_001 => "the application lost its consent: connect the account again, or ask an administrator for it",
                50_076 | 50_079 => {
                    "the organisation wants another sign-in with a second factor: connect the account again"
                }
                700_016 | 7_000_112 => {
                    "the organisation does not know the application, or has turned it off: ask an administrator"
                }
                53_003 => "a rule of the organisation refuses the sign-in (conditional access): ask an administrator",
                _ => "Microsoft refuses the grant: connect the account again",
            }),
            (ProviderErrorKind::ClientRefused, 7_000_222) => Some("the application's client secret has expired"),
            (ProviderErrorKind::ClientRefused, 7_000_215) => Some("the application's client secret is a wrong one"),
            _ => None,
        };
    }
    let of_code = [
        ("ErrorAccessDenied", "Microsoft allows this account no access to the calendar"),
        ("ErrorItemNotFound", "the calendar does not exist any more, or is not shared any more"),
        ("MailboxNotEnabledForRESTAPI", "the account has no mailbox in the cloud that can be read"),
        ("ErrorInvalidIdMalformed", "Microsoft does not know an id that it gave itself"),
        ("ValidationError", "Microsoft could not reach this installation's address for notices"),
    ];
    if call == CREATE_SUBSCRIPTION && kind == ProviderErrorKind::RateLimited {
        return Some("the mailbox has as many subscriptions, over all applications, as Microsoft allows");
    }
    of_code.into_iter().find(|(code, _)| body.has_code_of(&[code])).map(|(_, advice)| advice)
}

/// Whether a subscription was refused because it would live too long. The message is looked at and not kept.
pub(super) fn is_about_lifetime(answer: &HttpResponse) -> bool {
    let body = ErrorBody::parse(&answer.body);
    answer.status == 400 && (body.says("expiration") || body.says("minutes in the future"))
}

fn kind_of(call: &str, status: u16, body: &ErrorBody) -> ProviderErrorKind {
    use ProviderErrorKind as Kind;

    let is_about_channel = call == CREATE_SUBSCRIPTION || call == UPDATE_SUBSCRIPTION;
    match status {
        401 => Kind::TokenRefreshNeeded,
        410 if call == DELTA => Kind::PositionLost,
        400..=499 if call == DELTA && body.has_code_of(&LOST_POSITION_CODES) => Kind::PositionLost,
        429 => Kind::RateLimited,
        // In whatever status it comes.
        400..=499 if body.has_code_of(&THROTTLED_CODES) => Kind::RateLimited,
        // A page of HTML, or nothing at all, comes from in front of the API, which knows no calendars.
        403 if body.code.is_none() || body.has_code_of(&APPLICATION_CODES) => Kind::ProjectRefused,
        // Microsoft allows so many subscriptions for a mailbox, over all applications.
        403 if is_about_channel && (body.says("quota") || body.says("limit")) => Kind::RateLimited,
        // Calendars of other people, and of rooms: they can be read, and not be watched.
        403 if is_about_channel => Kind::WatchUnsupported,
        400 if is_about_channel && body.says("resource") && !body.says("validation") => Kind::WatchUnsupported,
        403 => Kind::Forbidden,
        // A page of HTML comes from in front of the API, and says nothing of what is there.
        404 if body.code.is_none() => Kind::TemporaryFailure,
        404 if body.has_code_of(&["mailboxnotenabledforrestapi"]) => Kind::Forbidden,
        404 | 410 => Kind::NotFound,
        // An id that nobody gave it.
        400 if body.has_code_of(&["errorinvalididmalformed"]) => Kind::NotFound,
        400 if body.has_code_of(&["mailboxnotenabledforrestapi"]) => Kind::Forbidden,
        408 | 409 | 412 | 423 => Kind::TemporaryFailure,
        400..=499 => Kind::InvalidRequest,
        // 5xx, and redirects, which the API never sends but a captive portal does.
        _ => Kind::TemporaryFailure,
    }
}

/// Errors of the token endpoint, which knows no calendars: whatever it refuses, none of them is gone or forbidden.
fn kind_of_token_error(status: u16, body: &ErrorBody) -> ProviderErrorKind {
    use ProviderErrorKind as Kind;

    let is = |reasons: &[&str]| body.code.as_deref().is_some_and(|code| reasons.contains(&code));
    match status {
        400..=499 if body.aadsts.is_some_and(|code| NOT_IN_THE_TENANT_CODES.contains(&code)) => Kind::GrantRevoked,
        400..=499 if is(&[OWN_CLIENT_REASON]) || body.aadsts.is_some_and(|code| OWN_CLIENT_CODES.contains(&code)) => {
            Kind::ClientRefused
        }
        400..=499 if is(&DEAD_GRANT_REASONS) => Kind::GrantRevoked,
        403 | 429 => Kind::RateLimited,
        404 | 408 | 410 => Kind::TemporaryFailure,
        400..=499 if is(&["temporarily_unavailable", "server_error"]) => Kind::TemporaryFailure,
        400..=499 => Kind::InvalidRequest,
        _ => Kind::TemporaryFailure,
    }
}

/// What can be read from an error body, of the API's form or of OAuth's; both may be missing.
#[derive(Default)]
struct ErrorBody {
    code: Option<String>,
    /// For looking at, in lower case; it may name people and calendars.
    message: String,
    aadsts: Option<u64>,
}

impl ErrorBody {
    fn parse(body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let text_at = |path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
        if let Some(oauth_code) = text_at("/error") {
            let aadsts = body.pointer("/error_codes/0").and_then(Value::as_u64);
            return Self { code: Some(oauth_code), message: String::new(), aadsts };
        }
        let message = text_at("/error/message").unwrap_or_default().to_ascii_lowercase();
        Self { code: text_at("/error/code"), message, aadsts: None }
    }

    /// The code that people need.
    fn reason(&self) -> Option<String> {
        self.aadsts.map(|code| format!("AADSTS{code}")).or_else(|| self.code.clone())
    }

    fn says(&self, words: &str) -> bool {
        self.message.contains(words)
    }

    fn has_code_of(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.iter().any(|known| known.eq_ignore_ascii_case(code)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::calls::{GET_EVENT, LIST_CALENDARS};
    use super::*;

    fn answered(call: &'static str, status: u16, body: impl ToString) -> ProviderError {
        parse_error(call, &HttpResponse { status, headers: vec![], body: body.to_string().into_bytes() })
    }

    fn said(code: &str, message: &str) -> Value {
        json!({"error": {"code": code, "message": message, "innerError": {"request-id": "1"}}})
    }

    #[test]
    fn a_link_that_leads_on_no_more_is_a_lost_position_in_any_of_its_forms() {
        assert_eq!(answered(DELTA, 410, "").kind, ProviderErrorKind::PositionLost);
        for code in ["syncStateNotFound", "SyncStateInvalid", "resyncRequired", "ErrorInvalidSyncStateData"] {
            for status in [400, 404, 410] {
                assert_eq!(answered(DELTA, status, said(code, "")).kind, ProviderErrorKind::PositionLost, "{code}");
            }
            assert_ne!(answered(GET_EVENT, 400, said(code, "")).kind, ProviderErrorKind::PositionLost);
        }
        assert_eq!(answered(DELTA, 404, said("ErrorItemNotFound", "")).kind, ProviderErrorKind::NotFound);
    }

    #[test]
    fn what_is_said_of_subscriptions_is_no_refusal_to_read() {
        let create = |status, code: &str, message: &str| answered(CREATE_SUBSCRIPTION, status, said(code, message));
        let quota = create(403, "Forbidden", "The user has reached the quota of subscriptions.");
        assert_eq!((quota.kind, quota.retry_after), (ProviderErrorKind::RateLimited, Some(LONG_PAUSE)));
        for (status, message) in [(403, "Access to the resource is denied"), (400, "Resource 'x' is not supported.")] {
            let refused = create(status, "ExtensionError", message);
            assert_eq!(refused.kind, ProviderErrorKind::WatchUnsupported, "{message}");
        }
        // Whether it is there at all is for its reading to say.
        assert_eq!(create(404, "ExtensionError", "").kind, ProviderErrorKind::NotFound);
        assert_eq!(answered(CREATE_SUBSCRIPTION, 404, "<html>").kind, ProviderErrorKind::TemporaryFailure);
        let unreachable = create(400, "ValidationError", "Subscription validation request failed for the resource.");
        assert_eq!(unreachable.kind, ProviderErrorKind::InvalidRequest);
        assert_eq!(unreachable.reason.as_deref(), Some("ValidationError"));
    }

    #[test]
    fn refusals_of_the_application_are_told_from_those_of_a_calendar() {
        for (status, body, kind) in [
            (403, String::new(), ProviderErrorKind::ProjectRefused),
            (403, "<html>".into(), ProviderErrorKind::ProjectRefused),
            (403, said("Authorization_RequestDenied", "").to_string(), ProviderErrorKind::ProjectRefused),
            (403, said("ErrorAccessDenied", "").to_string(), ProviderErrorKind::Forbidden),
            (404, said("MailboxNotEnabledForRESTAPI", "").to_string(), ProviderErrorKind::Forbidden),
            (404, said("ErrorItemNotFound", "").to_string(), ProviderErrorKind::NotFound),
            (404, "<html>".into(), ProviderErrorKind::TemporaryFailure),
            (400, said("ErrorInvalidIdMalformed", "").to_string(), ProviderErrorKind::NotFound),
            (400, said("BadRequest", "").to_string(), ProviderErrorKind::InvalidRequest),
            (401, said("InvalidAuthenticationToken", "").to_string(), ProviderErrorKind::TokenRefreshNeeded),
            (429, said("ApplicationThrottled", "").to_string(), ProviderErrorKind::RateLimited),
            (403, said("ApplicationThrottled", "").to_string(), ProviderErrorKind::RateLimited),
            (503, said("ServiceUnavailable", "").to_string(), ProviderErrorKind::TemporaryFailure),
            (504, String::new(), ProviderErrorKind::TemporaryFailure),
        ] {
            assert_eq!(answered(LIST_CALENDARS, status, &body).kind, kind, "{status} {body}");
        }
    }

    #[test]
    fn errors_of_the_token_endpoint_say_whose_affair_they_are() {
        let token = |error: &str, code: u64| {
            answered(TOKEN, 400, json!({"error": error, "error_description": "…", "error_codes": [code]}))
        };
        for (error, code, kind) in [
            ("invalid_grant", 700_082, ProviderErrorKind::GrantRevoked),
            ("invalid_grant", 50_173, ProviderErrorKind::GrantRevoked),
            ("interaction_required", 50_076, ProviderErrorKind::GrantRevoked),
            ("invalid_client", 7_000_215, ProviderErrorKind::ClientRefused),
            ("unauthorized_client", 700_016, ProviderErrorKind::GrantRevoked),
            ("invalid_request", 7_000_222, ProviderErrorKind::ClientRefused),
            ("temporarily_unavailable", 90_033, ProviderErrorKind::TemporaryFailure),
            ("invalid_request", 900_144, ProviderErrorKind::InvalidRequest),
        ] {
            let error = token(error, code);
            assert_eq!((error.kind, error.reason), (kind, Some(format!("AADSTS{code}"))));
        }
    }

    #[test]
    fn an_error_has_no_word_of_its_message() {
        let error = answered(LIST_CALENDARS, 403, said("ErrorAccessDenied", "robin.hale@example.com may not"));
        assert!(!format!("{error} {error:?}").contains("robin"));
    }
}
