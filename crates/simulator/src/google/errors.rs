//! Google's error bodies with the documented statuses and reasons (source: Google's error guide).

use axum::http::{HeaderValue, header};
use serde_json::json;

use super::response::ApiResponse;

/// An error answer of the Calendar API.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    domain: &'static str,
    reason: String,
    message: String,
    location: Option<(&'static str, &'static str)>,
    retry_after_s: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            domain: "global",
            reason: reason.to_owned(),
            message: message.into(),
            location: None,
            retry_after_s: None,
        }
    }

    fn in_domain(mut self, domain: &'static str) -> Self {
        self.domain = domain;
        self
    }

    fn at_parameter(mut self, name: &'static str) -> Self {
        self.location = Some(("parameter", name));
        self
    }

    pub(crate) fn with_retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after_s = seconds;
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    pub(crate) fn invalid_parameter(name: &'static str, value: &str) -> Self {
        Self::new(400, "invalidParameter", format!("Invalid value '{value}' for parameter {name}.")).at_parameter(name)
    }

    pub(crate) fn required(message: impl Into<String>) -> Self {
        Self::new(400, "required", message)
    }

    pub(crate) fn parse_error() -> Self {
        Self::new(
            400,
            "parseError",
            "This API does not support parsing form-encoded input or the body is no JSON object.",
        )
    }

    pub(crate) fn time_range_empty() -> Self {
        Self::new(400, "timeRangeEmpty", "The specified time range is empty.")
            .in_domain("calendar")
            .at_parameter("timeMax")
    }

    pub(crate) fn sync_token_with(parameter: &'static str) -> Self {
        Self::new(400, "badRequest", format!("Sync token cannot be used together with the parameter {parameter}."))
            .at_parameter(parameter)
    }

    /// Whatever is wrong with a token, the parameters around it included: nothing but the message says which it is.
    pub(crate) fn invalid_sync_token() -> Self {
        Self::invalid("Invalid sync token value.")
    }

    /// The same for a page token, also for one that is too old.
    pub(crate) fn invalid_page_token() -> Self {
        Self::invalid("Invalid page token value.")
    }

    pub(crate) fn login_required() -> Self {
        Self::new(401, "required", "Login Required.")
    }

    pub(crate) fn invalid_credentials() -> Self {
        Self::new(401, "authError", "Invalid Credentials")
    }

    pub(crate) fn insufficient_permissions() -> Self {
        Self::new(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(403, "forbidden", "Forbidden")
    }

    pub(crate) fn writer_access_required() -> Self {
        Self::new(403, "requiredAccessLevel", "You need to have writer access to this calendar.").in_domain("calendar")
    }

    pub(crate) fn forbidden_for_non_organizer() -> Self {
        Self::new(
            403,
            "forbiddenForNonOrganizer",
            "Shared properties can only be changed by the organizer of the event.",
        )
        .in_domain("calendar")
    }

    pub(crate) fn too_many_reminders() -> Self {
        Self::new(400, "eventRemindersCountExceedsLimit", "The event has too many reminders.").in_domain("calendar")
    }

    pub(crate) fn default_reminders_and_overrides() -> Self {
        let message = "Cannot specify both default reminders and overrides at the same time.";
        Self::new(400, "cannotUseDefaultRemindersAndSpecifyOverride", message).in_domain("calendar")
    }

    /// The two forms of the same limit: 403 with `userRateLimitExceeded` or `rateLimitExceeded`, 429 with the latter.
    pub(crate) fn rate_limit(status: u16, per_user: bool) -> Self {
        let reason = if per_user && status == 403 { "userRateLimitExceeded" } else { "rateLimitExceeded" };
        Self::new(status, reason, "Rate Limit Exceeded").in_domain("usageLimits")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "notFound", "Not Found")
    }

    pub(crate) fn duplicate() -> Self {
        Self::new(409, "duplicate", "The requested identifier already exists.")
    }

    pub(crate) fn already_deleted() -> Self {
        Self::new(410, "deleted", "Resource has been deleted")
    }

    pub(crate) fn full_sync_required() -> Self {
        Self::new(410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.")
            .in_domain("calendar")
            .at_parameter("syncToken")
    }

    pub(crate) fn updated_min_too_long_ago() -> Self {
        Self::new(410, "updatedMinTooLongAgo", "The requested minimum modification time lies too far in the past.")
            .in_domain("calendar")
            .at_parameter("updatedMin")
    }

    pub(crate) fn condition_not_met() -> Self {
        let mut error = Self::new(412, "conditionNotMet", "Precondition Failed");
        error.location = Some(("header", "If-Match"));
        error
    }

    pub(crate) fn body_too_large() -> Self {
        Self::new(413, "uploadTooLarge", "The request body is too large.")
    }

    pub(crate) fn backend_error() -> Self {
        Self::new(500, "backendError", "Backend Error")
    }

    /// The error that a fault script asks for, with the documented reason when it names none.
    pub(crate) fn scripted(status: u16, reason: Option<&str>) -> Self {
        let usual = match status {
            400 => "badRequest",
            401 => "authError",
            403 | 429 => "rateLimitExceeded",
            404 => "notFound",
            409 => "conflict",
            410 => "fullSyncRequired",
            412 => "conditionNotMet",
            _ => "backendError",
        };
        let reason = reason.unwrap_or(usual);
        let error = Self::new(status, reason, format!("Simulated failure: {reason}"));
        if reason.contains("imitExceeded") || reason == "quotaExceeded" {
            return error.in_domain("usageLimits");
        }
        error
    }

    pub(crate) fn into_response(self) -> ApiResponse {
        let mut detail = json!({
            "domain": self.domain,
            "reason": self.reason,
            "message": self.message,
        });
        if let (Some((kind, name)), Some(detail)) = (self.location, detail.as_object_mut()) {
            detail.insert("locationType".to_owned(), json!(kind));
            detail.insert("location".to_owned(), json!(name));
        }
        let body = json!({
            "error": {"errors": [detail], "code": self.status, "message": self.message}
        });
        let mut response = ApiResponse::json(&body);
        response.status = self.status;
        if self.status == 401 {
            response.headers.push((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Bearer realm="https://accounts.google.com/""#),
            ));
        }
        if let Some(seconds) = self.retry_after_s {
            response.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        response
    }

    /// The body of the answer.
    pub(crate) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.into_response().body).into_owned()
    }
}
