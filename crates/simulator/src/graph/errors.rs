//! Graph's error bodies, with the codes that Exchange and Graph itself have for what is wrong.

use axum::http::header;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::response::ApiResponse;

/// An error answer of the API.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    retry_after_s: Option<u64>,
    location: Option<String>,
}

/// What every error says of the call that it answers.
pub(crate) struct Trace {
    pub(crate) request_id: String,
    pub(crate) client_request_id: String,
    pub(crate) date: DateTime<Utc>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), retry_after_s: None, location: None }
    }

    pub(crate) fn with_retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after_s = seconds;
        self
    }

    pub(crate) fn with_location(mut self, location: Option<String>) -> Self {
        self.location = location;
        self
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(400, "ErrorInvalidRequest", message)
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(400, "ErrorInvalidParameter", message)
    }

    pub(crate) fn invalid_query(message: impl Into<String>) -> Self {
        Self::new(400, "ErrorInvalidUrlQuery", message)
    }

    pub(crate) fn missing(property: &str) -> Self {
        Self::invalid_request(format!("Required property is missing: '{property}'."))
    }

    pub(crate) fn bad_body() -> Self {
        Self::new(
            400,
            "BadRequest",
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )
    }

    pub(crate) fn unknown_property(name: &str) -> Self {
        let message = format!("The property '{name}' does not exist on type 'microsoft.graph.event'.");
        Self::new(400, "RequestBodyRead", message)
    }

    pub(crate) fn unknown_time_zone(name: &str) -> Self {
        let message = format!(
            "A valid TimeZone value must be specified. The following TimeZone value is not supported: '{name}'."
        );
        Self::new(400, "TimeZoneNotSupportedException", message)
    }

    pub(crate) fn malformed_id() -> Self {
        Self::new(400, "ErrorInvalidIdMalformed", "Id is malformed.")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    }

    pub(crate) fn no_such_path(path: &str) -> Self {
        Self::new(400, "BadRequest", format!("Resource not found for the segment '{path}'."))
    }

    pub(crate) fn access_denied() -> Self {
        Self::new(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    }

    pub(crate) fn invalid_token(message: &str) -> Self {
        Self::new(401, "InvalidAuthenticationToken", message)
    }

    pub(crate) fn condition_not_met() -> Self {
        Self::new(
            412,
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.",
        )
    }

    pub(crate) fn mailbox_concurrency() -> Self {
        Self::new(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
            .with_retry_after(Some(1))
    }

    pub(crate) fn application_throttled(status: u16) -> Self {
        Self::new(status, "ApplicationThrottled", "Application is over its limit of requests.")
            .with_retry_after(Some(10))
    }

    pub(crate) fn internal() -> Self {
        Self::new(500, "ErrorInternalServerError", "An internal server error occurred. The operation failed.")
    }

    pub(crate) fn body_too_large() -> Self {
        Self::new(413, "RequestEntityTooLarge", "The request body is too large.")
    }

    pub(crate) fn window_too_heavy() -> Self {
        Self::new(504, "UnknownError", "The request timed out.")
    }

    pub(crate) fn extension(status: u16, message: impl Into<String>) -> Self {
        Self::new(status, "ExtensionError", message)
    }

    /// The error that a fault script asks for, with the usual code when it names none.
    pub(crate) fn scripted(status: u16, code: Option<&str>) -> Self {
        let usual = match status {
            400 => "ErrorInvalidRequest",
            401 => "InvalidAuthenticationToken",
            403 => "ErrorAccessDenied",
            404 => "ErrorItemNotFound",
            409 => "Conflict",
            410 => "SyncStateNotFound",
            412 => "ErrorIrresolvableConflict",
            429 => "ApplicationThrottled",
            503 => "ServiceUnavailable",
            504 => "UnknownError",
            _ => "ErrorInternalServerError",
        };
        let code = code.unwrap_or(usual);
        Self::new(status, code, format!("Simulated failure: {code}"))
    }

    pub(crate) fn into_response(self, trace: &Trace) -> ApiResponse {
        let mut response = ApiResponse::json(&json!({
            "error": {
                "code": self.code,
                "message": self.message,
                "innerError": {
                    "date": trace.date.format("%Y-%m-%dT%H:%M:%S").to_string(),
                    "request-id": trace.request_id,
                    "client-request-id": trace.client_request_id,
                },
            }
        }));
        response.status = self.status;
        if self.status == 401 {
            response.push_header(
                header::WWW_AUTHENTICATE,
                r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000""#,
            );
        }
        if let Some(seconds) = self.retry_after_s {
            response.push_header(header::RETRY_AFTER, &seconds.to_string());
        }
        if let Some(location) = self.location {
            response.push_header(header::LOCATION, &location);
        }
        response
    }

    /// What the control API says of it.
    pub(crate) fn into_text(self) -> String {
        format!("{}: {}", self.code, self.message)
    }
}
