//! Each error that Google documents for the Calendar API and for OAuth, and the kind that it is.

use std::time::Duration;

use evercal_domain::{ProviderCalendarId, ProviderErrorKind};
use evercal_http::TransportErrorKind;
use serde_json::{Value, json};

use super::super::calls::{LIST_CALENDARS, LIST_EVENTS, REVOKE, STOP_CHANNEL, TOKEN, WATCH_EVENTS};
use super::super::errors::parse_error;
use super::{answer, context, of, provider};
use crate::provider::{CalendarProvider, Position};

fn api(reason: &str) -> String {
    let entry = json!({"domain": "global", "reason": reason, "message": "marker ada@example.com"});
    json!({"error": {"code": 0, "message": "marker ada@example.com", "errors": [entry]}}).to_string()
}

fn oauth(error: &str) -> String {
    json!({"error": error, "error_description": "marker"}).to_string()
}

#[test]
fn each_documented_error_has_its_kind() {
    use ProviderErrorKind as Kind;
    let table = [
        (LIST_EVENTS, 400, "timeRangeEmpty", Kind::InvalidRequest),
        (LIST_EVENTS, 401, "authError", Kind::TokenRefreshNeeded),
        (LIST_EVENTS, 403, "userRateLimitExceeded", Kind::RateLimited),
        (LIST_EVENTS, 403, "rateLimitExceeded", Kind::RateLimited),
        (LIST_EVENTS, 429, "rateLimitExceeded", Kind::RateLimited),
        (LIST_EVENTS, 403, "quotaExceeded", Kind::RateLimited),
        (LIST_EVENTS, 403, "dailyLimitExceeded", Kind::RateLimited),
        (WATCH_EVENTS, 403, "subscriptionRateLimitExceeded", Kind::RateLimited),
        (LIST_EVENTS, 403, "insufficientPermissions", Kind::Forbidden),
        (LIST_EVENTS, 403, "accessNotConfigured", Kind::ProjectRefused),
        (LIST_EVENTS, 403, "SERVICE_DISABLED", Kind::ProjectRefused),
        (WATCH_EVENTS, 403, "requiredAccessLevel", Kind::Forbidden),
        (LIST_EVENTS, 404, "notFound", Kind::NotFound),
        (WATCH_EVENTS, 404, "notFound", Kind::NotFound),
        (LIST_CALENDARS, 409, "conflict", Kind::InvalidRequest),
        (LIST_EVENTS, 410, "fullSyncRequired", Kind::PositionLost),
        (LIST_EVENTS, 410, "updatedMinTooLongAgo", Kind::PositionLost),
        (STOP_CHANNEL, 410, "deleted", Kind::NotFound),
        (LIST_EVENTS, 412, "conditionNotMet", Kind::InvalidRequest),
        (WATCH_EVENTS, 400, "pushNotSupportedForRequestedResource", Kind::WatchUnsupported),
        (WATCH_EVENTS, 400, "channelIdNotUnique", Kind::TemporaryFailure),
        (WATCH_EVENTS, 400, "push.webhookUrlNotHttps", Kind::InvalidRequest),
        (WATCH_EVENTS, 401, "push.webhookUrlUnauthorized", Kind::InvalidRequest),
        (WATCH_EVENTS, 403, "push.webhookUrlUnauthorized", Kind::InvalidRequest),
        (LIST_EVENTS, 500, "backendError", Kind::TemporaryFailure),
        (LIST_EVENTS, 502, "", Kind::TemporaryFailure),
        (LIST_EVENTS, 503, "backendError", Kind::TemporaryFailure),
        (LIST_EVENTS, 504, "", Kind::TemporaryFailure),
        (LIST_EVENTS, 408, "", Kind::TemporaryFailure),
        (LIST_EVENTS, 302, "", Kind::TemporaryFailure),
    ];
    for (call, status, reason, kind) in table {
        let error = parse_error(call, &answer(status, api(reason)));
        assert_eq!((error.kind, error.status, error.call), (kind, Some(status), call), "{status} {reason}");
        assert!(!format!("{error} {error:?}").contains("marker"), "{error:?}");
    }
}

#[test]
fn each_oauth_error_has_its_kind() {
    use ProviderErrorKind as Kind;
    let table = [
        (TOKEN, 400, "invalid_grant", Kind::GrantRevoked),
        (TOKEN, 400, "admin_policy_enforced", Kind::GrantRevoked),
        (TOKEN, 401, "invalid_client", Kind::ClientRefused),
        (TOKEN, 400, "unauthorized_client", Kind::ClientRefused),
        (REVOKE, 401, "invalid_client", Kind::ClientRefused),
        (TOKEN, 400, "invalid_request", Kind::InvalidRequest),
        (TOKEN, 400, "internal_failure", Kind::TemporaryFailure),
        (TOKEN, 400, "server_error", Kind::TemporaryFailure),
        (TOKEN, 400, "temporarily_unavailable", Kind::TemporaryFailure),
        (TOKEN, 403, "temporarily_unavailable", Kind::TemporaryFailure),
        (TOKEN, 403, "access_denied", Kind::RateLimited),
        (TOKEN, 403, "", Kind::RateLimited),
        (TOKEN, 403, "invalid_grant", Kind::GrantRevoked),
        (TOKEN, 404, "", Kind::TemporaryFailure),
        (TOKEN, 408, "", Kind::TemporaryFailure),
        (TOKEN, 410, "", Kind::TemporaryFailure),
        (TOKEN, 429, "", Kind::RateLimited),
        (TOKEN, 500, "internal_failure", Kind::TemporaryFailure),
        (TOKEN, 503, "", Kind::TemporaryFailure),
    ];
    for (call, status, reason, kind) in table {
        let error = parse_error(call, &answer(status, oauth(reason)));
        assert_eq!(error.kind, kind, "{status} {reason}");
        assert!(!format!("{error} {error:?}").contains("marker"), "{error:?}");
    }
}

/// Elsewhere a revoked grant came back from a list call with 410 and was taken for an old sync token.
#[test]
fn invalid_grant_is_not_a_stale_sync_token() {
    for status in [400, 401, 403, 410] {
        let error = parse_error(LIST_EVENTS, &answer(status, oauth("invalid_grant")));
        assert_eq!(error.kind, ProviderErrorKind::GrantRevoked, "{status}");
    }
}

#[test]
fn a_410_of_the_events_list_without_a_reason_is_still_an_expired_token() {
    let error = parse_error(LIST_EVENTS, &answer(410, "Gone"));
    assert_eq!((error.kind, error.reason), (ProviderErrorKind::PositionLost, None));
}

#[test]
fn a_list_token_that_is_called_invalid_leads_to_a_full_pass_too() {
    use ProviderErrorKind as Kind;
    let kind = |call, entry: Value| {
        let body = json!({"error": {"errors": [entry], "code": 400, "message": entry["message"]}});
        parse_error(call, &answer(400, body.to_string())).kind
    };
    // As recorded: no location.
    let recorded = |message: &str| json!({"domain": "global", "reason": "invalid", "message": message});
    assert_eq!(kind(LIST_EVENTS, recorded("Invalid sync token value.")), Kind::PositionLost);
    assert_eq!(kind(LIST_EVENTS, recorded("Invalid page token value.")), Kind::PositionLost);
    assert_eq!(kind(LIST_EVENTS, recorded("Invalid time zone value.")), Kind::InvalidRequest);
    // Only a list of events has a full pass to begin.
    assert_eq!(kind(LIST_CALENDARS, recorded("Invalid page token value.")), Kind::InvalidRequest);
    let located = |name: &str| json!({"reason": "invalid", "locationType": "parameter", "location": name});
    assert_eq!(kind(LIST_EVENTS, located("syncToken")), Kind::PositionLost);
    assert_eq!(kind(LIST_EVENTS, located("pageToken")), Kind::PositionLost);
    assert_eq!(kind(LIST_EVENTS, located("timeZone")), Kind::InvalidRequest);
}

#[test]
fn the_reason_is_kept_and_the_newer_form_is_parsed() {
    let error = parse_error(LIST_EVENTS, &answer(404, api("notFound")));
    assert_eq!(error.reason.as_deref(), Some("notFound"));
    let newer = json!({"error": {"code": 403, "message": "m", "status": "PERMISSION_DENIED"}}).to_string();
    assert_eq!(parse_error(LIST_EVENTS, &answer(403, newer)).reason.as_deref(), Some("PERMISSION_DENIED"));
}

#[test]
fn an_error_without_a_readable_body_is_judged_by_its_status() {
    for body in ["", "<html>", "null", "[]", r#"{"error":7}"#, r#"{"error":{"errors":[7,{"reason":8}]}}"#] {
        let error = parse_error(LIST_EVENTS, &answer(403, body));
        assert_eq!((error.kind, error.reason), (ProviderErrorKind::ProjectRefused, None), "{body}");
    }
}

#[test]
fn what_google_refuses_to_the_whole_project_is_no_refusal_of_a_calendar() {
    // As recorded, shortened: the old form's word and the new form's.
    let disabled = json!({"error": {
        "code": 403, "message": "Google Calendar API has not been used in project 1 before or it is disabled.",
        "errors": [{"domain": "usageLimits", "reason": "accessNotConfigured", "message": "m"}],
        "status": "PERMISSION_DENIED",
        "details": [{"reason": "SERVICE_DISABLED", "domain": "googleapis.com"}],
    }});
    let error = parse_error(LIST_EVENTS, &answer(403, disabled.to_string()));
    assert_eq!((error.kind, error.reason.as_deref()), (ProviderErrorKind::ProjectRefused, Some("accessNotConfigured")));
    let invalid = json!({"error": {
        "code": 403, "message": "m", "errors": [{"domain": "global", "reason": "forbidden"}],
        "status": "PERMISSION_DENIED", "details": [{"reason": "CONSUMER_INVALID"}],
    }});
    let error = parse_error(WATCH_EVENTS, &answer(403, invalid.to_string()));
    assert_eq!((error.kind, error.reason.as_deref()), (ProviderErrorKind::ProjectRefused, Some("CONSUMER_INVALID")));
}

#[test]
fn retry_after_is_passed_on() {
    let mut limited = answer(429, api("rateLimitExceeded"));
    limited.headers.push(("retry-after".into(), "17".into()));
    assert_eq!(parse_error(LIST_EVENTS, &limited).retry_after, Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn no_answer_at_all_has_a_kind_by_what_happened() {
    use ProviderErrorKind as Kind;
    let table = [
        (TransportErrorKind::Unreachable, Kind::ConnectionRefused, None),
        (TransportErrorKind::Reset, Kind::ConnectionReset, None),
        (TransportErrorKind::TimedOut, Kind::TimedOut, None),
        (TransportErrorKind::Tls, Kind::ConnectionRefused, Some("tls")),
        (TransportErrorKind::TooLarge, Kind::PageTooLarge, None),
        (TransportErrorKind::InvalidRequest, Kind::InvalidRequest, None),
    ];
    for (transport, kind, reason) in table {
        let (google, _) = provider(Err(transport));
        let calendar = ProviderCalendarId::new("ada@example.com");
        let outcome = google.read_events(&context(), of(&calendar), Position::Beginning(None), 2_500).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.kind, error.reason.as_deref()), (kind, reason));
        assert_eq!((error.call, error.status), (LIST_EVENTS, None));
    }
}
